//! What the handlers of one airline share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::application::airline::Airline;
use crate::http::client_address::TrustedProxies;
use crate::http::envelope::MakeId;
use crate::http::failures::Failures;
use crate::http::metrics::HttpMetrics;
use crate::http::open_streams::OpenStreams;
use crate::http::rate_limit::{RateLimits, Rates};
use crate::http::site::Site;

/// What one airline's public router is made of.
pub struct HttpParts {
    pub airline: Arc<Airline>,
    pub site: Site,
    pub rates: Rates,
    pub proxies: TrustedProxies,
    pub metrics: HttpMetrics,
    pub ids: MakeId,
    /// Ends event streams, which a graceful shutdown would wait for for ever.
    pub shutdown: CancellationToken,
}

/// Shared by every request of one airline; cheap to clone.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

struct Shared {
    parts: HttpParts,
    limits: RateLimits,
    failures: Failures,
    streams: OpenStreams,
}

impl HttpState {
    pub fn new(parts: HttpParts) -> Self {
        let limits = RateLimits::new(parts.rates);
        let failures = Failures::new(parts.rates.failures);
        Self(Arc::new(Shared {
            parts,
            limits,
            failures,
            streams: OpenStreams::default(),
        }))
    }

    pub fn airline(&self) -> &Arc<Airline> {
        &self.0.parts.airline
    }

    pub fn site(&self) -> &Site {
        &self.0.parts.site
    }

    pub fn limits(&self) -> &RateLimits {
        &self.0.limits
    }

    pub fn failures(&self) -> &Failures {
        &self.0.failures
    }

    pub fn streams(&self) -> &OpenStreams {
        &self.0.streams
    }

    pub fn proxies(&self) -> &TrustedProxies {
        &self.0.parts.proxies
    }

    pub fn metrics(&self) -> &HttpMetrics {
        &self.0.parts.metrics
    }

    pub fn shutdown(&self) -> &CancellationToken {
        &self.0.parts.shutdown
    }

    pub fn ids(&self) -> &MakeId {
        &self.0.parts.ids
    }
}
