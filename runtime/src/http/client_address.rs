//! Whom a request comes from: the peer, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};

/// Tells the proxies whose `Forwarded` and `X-Forwarded-For` headers are believed.
#[derive(Clone)]
pub struct TrustedProxies(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl TrustedProxies {
    pub fn new(trusts: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(trusts))
    }

    pub fn none() -> Self {
        Self::new(|_| false)
    }

    /// The address of the client. The list is read from its end: only what a trusted proxy wrote counts.
    pub fn client_address(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let mut address = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        for named in forwarded(headers).into_iter().rev() {
            if !(self.0)(address) {
                break;
            }
            let Some(named) = named else {
                break;
            };
            address = named;
        }
        address
    }
}

/// The addresses of RFC 7239's header or of its forerunner; none where one cannot be read. A proxy writes one of them and
/// passes the other on as the client made it up: with both, neither is believed.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values = |name: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|element| element.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let standard = values("forwarded");
    let plain = values("x-forwarded-for");
    if !standard.is_empty() && !plain.is_empty() {
        return Vec::new();
    }
    if standard.is_empty() {
        return plain.iter().map(|element| node(element)).collect();
    }
    standard
        .iter()
        .map(|element| {
            element.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                if name.eq_ignore_ascii_case("for") {
                    node(value.trim_matches('"'))
                } else {
                    None
                }
            })
        })
        .collect()
}

/// An address with or without a port, IPv6 with or without brackets.
fn node(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nobody_is_trusted("192.168.", "203.0.113.7", "10.0.0.1")]
    #[case::a_proxy_is_trusted("10.", "203.0.113.7", "203.0.113.7")]
    #[case::what_the_client_claims_is_not("10.", "1.1.1.1, 203.0.113.7", "203.0.113.7")]
    #[case::through_two_proxies("10.", "203.0.113.7, 10.0.0.9", "203.0.113.7")]
    #[case::garbage("10.", "unknown", "10.0.0.1")]
    #[case::with_port("10.", "[2001:db8::1]:4711", "2001:db8::1")]
    fn the_last_untrusted_address_counts(
        #[case] trusted: &str,
        #[case] header: &str,
        #[case] expected: &str,
    ) {
        let trusted = trusted.to_owned();
        let proxies = TrustedProxies::new(move |proxy| proxy.to_string().starts_with(&trusted));
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 9))));
        let plain =
            HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), header.parse().unwrap())]);
        let address = proxies.client_address(&plain, &extensions);
        assert_eq!(address, expected.parse::<IpAddr>().unwrap());
    }

    #[test]
    fn of_two_headers_one_is_made_up() {
        let proxies = TrustedProxies::new(|_| true);
        let mut extensions = Extensions::new();
        let proxy = SocketAddr::from(([10, 0, 0, 1], 9));
        extensions.insert(ConnectInfo(proxy));
        let headers = HeaderMap::from_iter([
            ("forwarded".parse().unwrap(), "for=1.1.1.1".parse().unwrap()),
            (
                "x-forwarded-for".parse().unwrap(),
                "203.0.113.7".parse().unwrap(),
            ),
        ]);
        assert_eq!(proxies.client_address(&headers, &extensions), proxy.ip());
    }

    #[test]
    fn the_standard_header_is_read() {
        let proxies = TrustedProxies::new(|_| true);
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 9))));
        let value = "proto=https;For=\"[2001:db8::1]:4711\"".parse().unwrap();
        let headers = HeaderMap::from_iter([("forwarded".parse().unwrap(), value)]);
        let address = proxies.client_address(&headers, &extensions);
        assert_eq!(address, "2001:db8::1".parse::<IpAddr>().unwrap());
    }
}
