//! Traces: what each reconciliation did, step by step and call by call, sent to the collector that `otlp` names.

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets, dynamic_filter_fn, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

use crate::names::OPERATOR;

/// Where a collector takes traces (OpenTelemetry Protocol Specification, "OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// The same filter without what is always let through: what of that is remembered is mixed up with what was asked for
/// other spans meanwhile, and the span is lost (tokio-rs/tracing#2519).
pub fn asked_each_time<S: Subscriber>(filter: impl Filter<S>) -> impl Filter<S> {
    filter.and(dynamic_filter_fn(|_, _| true))
}

/// Spans on their way to a collector, sent in batches by a thread of its own. One that is away costs nothing but spans.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// # Errors
    /// When `collector` is no URL.
    pub fn to(collector: &str) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/{PATH}", collector.trim_end_matches('/')))
            .build()
            .context("traces cannot be sent")?;
        let resource = Resource::builder().with_service_name(OPERATOR).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// Takes the operator's own spans, and those of its calls to the API server; not those of the exporter.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let targets = [env!("CARGO_CRATE_NAME"), "kube_client"];
        let targets = targets.map(|target| (target, LevelFilter::DEBUG));
        // What is logged of the details stays in the log.
        let spans = filter_fn(|it| it.is_span() || *it.level() <= Level::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(OPERATOR))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(asked_each_time(Targets::from_iter(targets).and(spans)))
    }

    /// Sends what is left. Blocks for some seconds when the collector is away.
    pub fn end(self) {
        if let Err(cause) = self.0.shutdown() {
            tracing::warn!(%cause, "the last traces were not sent");
        }
    }
}
