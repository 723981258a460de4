//! The public router of one airline.

use std::sync::Arc;

use axum::Router;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::adapters::system::SystemEntropy;
use crate::application::airline::Airline;
use crate::http::client_address::TrustedProxies;
use crate::http::envelope::MakeId;
use crate::http::metrics::HttpMetrics;
use crate::http::rate_limit::Rates;
use crate::http::site::Site;
use crate::http::state::{HttpParts, HttpState};

/// API, documentation and web page.
pub fn router(
    airline: Arc<Airline>,
    proxies: TrustedProxies,
    metrics: HttpMetrics,
    shutdown: CancellationToken,
) -> anyhow::Result<Router> {
    let site = Site::new(airline.public_url())?;
    Ok(crate::http::router(HttpState::new(HttpParts {
        airline,
        site,
        rates: Rates::default(),
        proxies,
        metrics,
        ids: MakeId(Arc::new(SystemEntropy)),
        shutdown,
    })))
}

/// Believes whatever is in one of these networks.
pub fn trusted(networks: Vec<IpNet>) -> TrustedProxies {
    TrustedProxies::new(move |address| {
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    })
}
