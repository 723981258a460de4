//! Which image a tenant runs: the operator's, at the version that the tenant stays at if it names one, and never an
//! older one than has migrated its database.

use albatross_crds::conditions::Reason;
use semver::Version;

use crate::tenant::refusal::{Refusal, refuse};

/// `default`: the operator's image. `migrated`: the image whose migrations the database has. Tags that are no
/// versions are not compared.
pub fn choose(
    version: Option<&str>,
    default: &str,
    migrated: Option<&str>,
) -> Result<String, Refusal> {
    let image = match version {
        Some(version) => format!("{}:{version}", without_tag(default)),
        None => default.to_owned(),
    };
    let ran = migrated.and_then(version_of);
    match (version_of(&image), ran) {
        (None, _) if version.is_some() => Err(refuse(
            Reason::InvalidSpec,
            format!(
                "spec.version: must be a version such as 1.2.3 (semver.org), given \"{}\"",
                version.unwrap_or_default()
            ),
        )),
        (Some(wanted), Some(ran)) if wanted < ran => Err(refuse(
            Reason::DowngradeRefused,
            downgrade(version, &image, &ran),
        )),
        _ => Ok(image),
    }
}

fn downgrade(version: Option<&str>, image: &str, ran: &Version) -> String {
    match version {
        Some(version) => format!(
            "spec.version: must be at least {ran}, whose schema the database has, given \"{version}\""
        ),
        None => format!(
            "the operator's defaults.image {image} is older than {ran}, whose schema the database has; set spec.version \
             to stay at {ran}, or update defaults.image"
        ),
    }
}

/// The repository: a reference without `@digest` and `:tag` (a colon before the last slash is a port's).
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

fn version_of(image: &str) -> Option<Version> {
    let image = image.split('@').next().unwrap_or(image);
    let tag = image.strip_prefix(without_tag(image))?.strip_prefix(':')?;
    tag.strip_prefix('v').unwrap_or(tag).parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, "albatross:dev", "albatross:dev")]
    #[case(None, "r.example:5000/a@sha256:12", "r.example:5000/a@sha256:12")]
    #[case(Some("1.2.3"), "albatross", "albatross:1.2.3")]
    #[case(Some("1.2.3"), "r.example:5000/a", "r.example:5000/a:1.2.3")]
    #[case(Some("1.2.3"), "r.example:5000/a:0.1.0", "r.example:5000/a:1.2.3")]
    #[case(
        Some("1.2.3-rc.1"),
        "r.example/a:0.1.0@sha256:12",
        "r.example/a:1.2.3-rc.1"
    )]
    fn the_version_is_the_tag_of_the_operators_image(
        #[case] version: Option<&str>,
        #[case] default: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(choose(version, default, None).unwrap(), expected);
    }

    #[rstest]
    #[case(Some("0.2.0"), "a:0.1.0", None)]
    #[case(Some("0.10.0"), "a:0.1.0", None)]
    #[case(Some("0.1.9"), "a:0.3.0", Some("spec.version: must be at least 0.2.0"))]
    #[case(Some("0.2.0-rc.1"), "a:0.3.0", Some("spec.version"))]
    #[case(None, "a:0.2.1", None)]
    #[case(None, "a:dev", None)]
    #[case(
        None,
        "a:0.1.0",
        Some("the operator's defaults.image a:0.1.0 is older")
    )]
    fn what_is_older_than_the_schema_is_refused(
        #[case] version: Option<&str>,
        #[case] default: &str,
        #[case] refused: Option<&str>,
    ) {
        let found = choose(version, default, Some("elsewhere/a:0.2.0")).err();
        assert_eq!(found.is_some(), refused.is_some(), "{found:?}");
        if let (Some(found), Some(said)) = (found, refused) {
            assert_eq!(found.reason, Reason::DowngradeRefused);
            assert!(found.message.contains(said), "{}", found.message);
        }
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        let found = choose(Some("1.02.3"), "a:0.1.0", None).unwrap_err();
        assert_eq!(found.reason, Reason::InvalidSpec);
        assert!(found.message.contains("1.02.3"), "{}", found.message);
    }
}
