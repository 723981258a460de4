//! Where an airline is reached from outside: what cookies and origins are judged by.

use axum_extra::extract::cookie::{Cookie, SameSite};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

use crate::http::problem::{Problem, kind};

/// The public address of one airline.
#[derive(Clone, Debug)]
pub struct Site {
    url: String,
    https: bool,
}

/// The public URL is not an absolute http or https one.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an absolute http or https URL")]
pub struct InvalidUrl(String);

impl Site {
    /// Takes an absolute URL; a path is cut off.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| invalid())?;
        let scheme = parsed.scheme_str().ok_or_else(invalid)?;
        let authority = parsed.authority().ok_or_else(invalid)?;
        if scheme != "http" && scheme != "https" {
            return Err(invalid());
        }
        Ok(Self {
            url: format!("{scheme}://{authority}"),
            https: scheme == "https",
        })
    }

    /// Without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// `__Host-` keeps sibling host names from setting it; browsers take that over TLS only.
    pub fn cookie_name(&self) -> &'static str {
        if self.https {
            "__Host-albatross"
        } else {
            "albatross"
        }
    }

    /// The session cookie. An empty value makes the browser forget it.
    pub fn cookie(&self, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::build((self.cookie_name(), value))
            .http_only(true)
            .secure(self.https)
            .same_site(SameSite::Lax)
            .path("/")
            .build();
        if cookie.value().is_empty() {
            cookie.make_removal();
            cookie.set_expires(None);
        }
        cookie
    }

    /// Holds a write with a cookie to the airline's own pages: its public address, or the very host
    /// that was asked.
    pub fn check_origin(&self, headers: &HeaderMap, required: bool) -> Result<(), Problem> {
        let refused = |detail: &str| Err(Problem::new(kind::ORIGIN_MISMATCH).detail(detail));
        let Some(origin) = headers.get(ORIGIN).map(|value| value.as_bytes()) else {
            return if required {
                refused("the Origin header is missing")
            } else {
                Ok(())
            };
        };
        let host = headers.get(HOST).map(|value| value.as_bytes());
        let scheme: &[u8] = if self.https { b"https://" } else { b"http://" };
        let same_host = origin
            .strip_prefix(scheme)
            .is_some_and(|it| Some(it) == host);
        if origin == self.url.as_bytes() || same_host {
            Ok(())
        } else {
            refused("the Origin header names another site")
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://skyways.localhost:8080", true)]
    #[case("http://192.168.0.7:8080", true)]
    #[case("https://skyways.localhost:8080", false)]
    #[case("http://nordwind.localhost:8080", false)]
    #[case("http://skyways.localhost:8081", false)]
    #[case("null", false)]
    fn only_the_own_origin_may_write(#[case] origin: &str, #[case] allowed: bool) {
        let site = Site::new("http://skyways.localhost:8080/").unwrap();
        let headers = HeaderMap::from_iter([
            (ORIGIN, origin.parse().unwrap()),
            (HOST, "192.168.0.7:8080".parse().unwrap()),
        ]);
        assert_eq!(site.check_origin(&headers, true).is_ok(), allowed);
    }

    #[test]
    fn a_cookie_over_tls_is_bound_to_its_host() {
        let cookie = Site::new("https://skyways.example")
            .unwrap()
            .cookie("secret".into());
        assert_eq!(
            cookie.to_string(),
            "__Host-albatross=secret; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        let plain = Site::new("http://localhost:8080")
            .unwrap()
            .cookie("secret".into());
        assert_eq!(
            plain.to_string(),
            "albatross=secret; HttpOnly; SameSite=Lax; Path=/"
        );
    }

    #[rstest]
    #[case("skyways.example")]
    #[case("ftp://skyways.example")]
    #[case("")]
    fn other_addresses_are_refused(#[case] url: &str) {
        assert!(Site::new(url).is_err());
    }
}
