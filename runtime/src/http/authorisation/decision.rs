//! The table applied to one request: pure, so that the whole matrix can be tested without a server.

use crate::domain::roles::{Role, Roles, Scopes};
use crate::http::authorisation::table::{Key, Need, Rule};
use crate::http::problem::{Problem, kind};

/// How the caller has shown who they are.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    Session,
    /// A key with these scopes.
    Key(&'a Scopes),
}

/// What the caller is to the thing that the route is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    Own,
    /// Somebody else's; published means that everybody who is known may read it.
    Others {
        published: bool,
    },
}

/// How far the caller's right reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What is the caller's own (and, for readers, what is published).
    Own,
    /// Everybody's.
    All,
}

/// Whether the credential may be used on this route at all.
///
/// # Errors
/// `scope-missing` for a key, which can never do what its scopes do not say.
pub fn check_credential(rule: &Rule, shown: Shown<'_>) -> Result<(), Problem> {
    match (shown, rule.key) {
        (Shown::Session, _) | (Shown::Key(_), Key::Any) => Ok(()),
        (Shown::Key(scopes), Key::Scope(scope) | Key::Flight(scope)) if scopes.contains(&scope) => {
            Ok(())
        }
        (Shown::Key(_), Key::Scope(scope) | Key::Flight(scope)) => {
            Err(Problem::new(kind::SCOPE_MISSING)
                .detail(format!("this takes a key with the scope {scope}")))
        }
        (Shown::Key(_), Key::Never) => {
            Err(Problem::new(kind::SCOPE_MISSING)
                .detail("this takes a log-in; no API key may do it"))
        }
    }
}

/// How far the roles reach without looking at the thing; none when they reach nothing at all.
pub fn reach(rule: &Rule, roles: &Roles) -> Option<Reach> {
    if satisfies(rule.others, roles) {
        Some(Reach::All)
    } else if satisfies(rule.own, roles) {
        Some(Reach::Own)
    } else {
        None
    }
}

/// Whether the roles allow it, given what the caller is to the thing.
///
/// # Errors
/// `not-found` where the caller may not even know that it exists, else `forbidden`.
pub fn check_relation(rule: &Rule, roles: &Roles, relation: Relation) -> Result<Reach, Problem> {
    let staff = roles.cover(Role::Reviewer);
    match relation {
        Relation::Own if satisfies(rule.own, roles) => Ok(Reach::Own),
        Relation::Others { published }
            if satisfies(rule.others, roles)
                || (rule.others == Need::Published && (published || staff)) =>
        {
            Ok(Reach::All)
        }
        Relation::Others { published: false } if !staff => Err(Problem::not_found()),
        Relation::Own | Relation::Others { .. } => Err(forbidden(rule, relation)),
    }
}

/// The refusal of a caller who is known.
pub fn forbidden(rule: &Rule, relation: Relation) -> Problem {
    let need = match relation {
        Relation::Own => rule.own,
        Relation::Others { .. } => rule.others,
    };
    let detail = match need {
        Need::Role(role) => format!("this takes the role {role}"),
        _ => "only its owner may do this".to_owned(),
    };
    Problem::new(kind::FORBIDDEN).detail(detail)
}

fn satisfies(need: Need, roles: &Roles) -> bool {
    match need {
        Need::Anybody | Need::Known => true,
        Need::Role(role) => roles.cover(role),
        Need::Published | Need::Nobody => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::roles::Scope;
    use crate::http::authorisation::table::{TABLE, find};

    const OTHERS: Relation = Relation::Others { published: false };
    const PUBLISHED: Relation = Relation::Others { published: true };

    fn outcome(method: &str, path: &str, role: Role, relation: Relation) -> u16 {
        let rule = find(method, path).unwrap();
        match check_relation(rule, &role.into(), relation) {
            Ok(_) => 200,
            Err(problem) => problem.kind().status.as_u16(),
        }
    }

    #[test]
    fn routes_have_one_row_each() {
        for rule in TABLE {
            let rows = TABLE
                .iter()
                .filter(|it| (it.method, it.path) == (rule.method, rule.path));
            assert_eq!(rows.count(), 1, "{} {}", rule.method, rule.path);
        }
    }

    /// Documents of both resources say of these that nothing asks for them so far.
    #[test]
    fn each_scope_opens_something_but_those_that_are_kept_for_later() {
        let opens = |scope: &Scope| {
            let asked =
                |it: &Rule| matches!(it.key, Key::Scope(of) | Key::Flight(of) if of == *scope);
            TABLE.iter().any(asked)
        };
        let kept: Vec<Scope> = Scope::ALL.iter().filter(|it| !opens(it)).copied().collect();
        assert_eq!(kept, [Scope::Audit, Scope::Webhooks, Scope::LiveRead]);
    }

    #[test]
    fn everybody_may_do_to_their_own_what_is_not_for_staff() {
        for rule in TABLE.iter().filter(|rule| rule.own == Need::Known) {
            for role in Role::ALL {
                assert_eq!(outcome(rule.method, rule.path, role, Relation::Own), 200);
            }
        }
    }

    #[test]
    fn a_pilot_never_learns_of_an_unpublished_flight_of_another() {
        for rule in TABLE
            .iter()
            .filter(|rule| rule.path.starts_with("/api/v1/pireps/{id}"))
        {
            assert_eq!(outcome(rule.method, rule.path, Role::Pilot, OTHERS), 404);
        }
    }

    #[test]
    fn what_is_published_is_for_everybody_to_read_and_for_nobody_to_change() {
        let one = "/api/v1/pireps/{id}";
        assert_eq!(outcome("GET", one, Role::Pilot, PUBLISHED), 200);
        assert_eq!(outcome("PUT", one, Role::Pilot, PUBLISHED), 403);
        assert_eq!(outcome("GET", one, Role::Reviewer, OTHERS), 200);
        assert_eq!(outcome("PUT", one, Role::TenantAdmin, OTHERS), 403);
    }

    #[test]
    fn only_staff_decides() {
        for path in ["/api/v1/pireps/{id}/accept", "/api/v1/pireps/{id}/reject"] {
            assert_eq!(outcome("POST", path, Role::Pilot, PUBLISHED), 403);
            assert_eq!(outcome("POST", path, Role::Pilot, Relation::Own), 403);
            for role in [Role::Reviewer, Role::TenantAdmin, Role::PlatformAdmin] {
                assert_eq!(outcome("POST", path, role, OTHERS), 200);
            }
        }
    }

    #[test]
    fn a_key_does_what_its_scopes_say_and_no_more() {
        let acars = Scopes::from([Scope::PirepsRead, Scope::PirepsWrite, Scope::TrackWrite]);
        for rule in TABLE {
            let allowed = check_credential(rule, Shown::Key(&acars)).is_ok();
            let expected = match rule.key {
                Key::Any => true,
                Key::Never => false,
                Key::Scope(scope) | Key::Flight(scope) => acars.contains(&scope),
            };
            assert_eq!(allowed, expected, "{} {}", rule.method, rule.path);
            assert!(check_credential(rule, Shown::Session).is_ok());
        }
    }
}
