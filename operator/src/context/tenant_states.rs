//! How many tenants there are in which state, counted when somebody asks.

use std::collections::BTreeMap;

use albatross_crds::Tenant;
use albatross_crds::conditions::{self, ConditionType};
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// A gauge over the cache, which every replica keeps.
#[derive(Debug)]
pub struct TenantStates(pub Store<Tenant>);

impl Collector for TenantStates {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut counts = BTreeMap::<_, i64>::new();
        for tenant in self.0.state() {
            *counts.entry(state(&tenant)).or_default() += 1;
        }
        let help = "Tenants by their Ready condition";
        let mut gauge = encoder.encode_descriptor("tenants", help, None, MetricType::Gauge)?;
        for ((ready, reason), count) in counts {
            let labels = [("ready", ready), ("reason", reason)];
            ConstGauge::new(count).encode(gauge.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Status and reason of the Ready condition. Of a tenant that nobody has looked at yet, nothing is known.
fn state(tenant: &Tenant) -> (String, String) {
    let conditions = tenant.status.iter().map(|status| &status.conditions);
    let mut ready = conditions.filter_map(|all| conditions::find(all, ConditionType::Ready));
    ready.next().map_or_else(
        || ("Unknown".to_owned(), String::new()),
        |ready| (ready.status.clone(), ready.reason.clone()),
    )
}
