//! What the tests of the steps start from: one tenant, one configuration, one record, always the same.

use std::sync::atomic::{AtomicU8, Ordering};

use albatross_crds::Tenant;
use serde_json::{Value, json};

use crate::config::OperatorConfig;
use crate::context::record::TenantRecord;
use crate::context::system::Entropy;
use crate::tenant::build::input::Input;
use crate::tenant::cache_account;
use crate::tenant::dereference::{Record, Surroundings, World};
use crate::tenant::desired;
use crate::tenant::validate::{Plan, validate};

pub const NOW: &str = "2026-11-24T00:00:00Z";

/// Counts instead of guessing.
#[derive(Default)]
pub struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub fn config() -> OperatorConfig {
    OperatorConfig::parse(
        "
servers:
  postgres:
    - {name: main, host: pg.example, adminSecret: pg, connectionBudget: 100, egress: {cidrs: [10.0.0.5/32]}}
    - {name: spare, host: pg2.example, adminSecret: pg2, connectionBudget: 80, egress: {cidrs: [10.0.0.6/32]}}
  rabbitmq:
    - name: main
      amqp: amqp://mq.example:5672
      management: http://mq.example:15672
      adminSecret: mq
      egress: {podSelector: {app: rabbitmq}, namespaceSelector: {name: brokers}}
  redis:
    - {name: main, url: redis://cache.example:6379, adminSecret: cache, egress: {cidrs: [10.0.0.7/32]}}
    - {name: given, url: rediss://given.example:6380, acl: external, egress: {cidrs: [10.0.0.8/32]}}
metricsFrom:
  - {podSelector: {app: prometheus}, namespaceSelector: {name: monitoring}}
  - {cidrs: [10.0.0.8/32]}
platformAdmins: [{email: ops@platform.example, displayName: Ops}]
",
    )
    .unwrap()
}

/// A tenant whose spec is the smallest one, changed by `change`.
pub fn tenant(change: Value) -> Tenant {
    let mut spec = json!({
        "displayName": "Skyways",
        "icaoCode": "SKY",
        "host": "skyways.example",
        "admins": [{"email": "ada@skyways.example", "displayName": "Ada"}],
    });
    for (field, value) in change.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "albatross.aero/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": "skyways", "uid": "u1", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

pub fn world(record: Record) -> World {
    World {
        record,
        surroundings: Surroundings::default(),
    }
}

pub fn plan(change: Value) -> Plan {
    validate(&tenant(change), &world(Record::Absent), &config()).unwrap()
}

pub fn record(plan: &Plan) -> TenantRecord {
    let entropy = Counting::default();
    let mut record = TenantRecord::generate(&entropy, plan.servers.names());
    desired::refresh_links(&mut record, plan, &[], NOW.parse().unwrap(), &entropy);
    record
}

pub fn input<'a>(plan: &'a Plan, record: &'a TenantRecord) -> Input<'a> {
    Input {
        plan,
        record,
        operator_namespace: "albatross-system",
        cache_account: Some(cache_account::own(record)),
        authorities: None,
        unproven: Vec::new(),
    }
}
