//! Airlines that the operator runs, and the operator.

use std::time::Duration;

use albatross_crds::Tenant;
use albatross_crds::conditions::{self, ConditionType};
use albatross_operator::names::{self, MANAGED_BY};
use albatross_tests::chart::OPERATOR;
use albatross_tests::platform::{Operator, Platform};
use futures::{StreamExt, stream};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::asked::Log;
use crate::seen::Seen;

/// Nothing is reconciled for so long: it has settled.
const SETTLED: Duration = Duration::from_secs(3);
pub const CREATED_AT_ONCE: usize = 16;

pub struct Fleet<'a> {
    pub platform: &'a Platform,
    pub operator: Option<Operator>,
    pub names: Vec<String>,
    pub log: Log,
    applied: Seen,
    ready: Seen,
}

/// How long it took from the first declaration until it was so of every airline.
pub struct Added {
    /// All its objects exist.
    pub applied: Duration,
    pub ready: Duration,
}

impl<'a> Fleet<'a> {
    pub async fn new(platform: &'a Platform) -> Self {
        // What is applied last.
        let ingresses = Api::<Ingress>::all(platform.client.clone());
        let selector = format!("{MANAGED_BY}={}", names::OPERATOR);
        Self {
            platform,
            operator: Some(platform.operator().await),
            names: Vec::new(),
            log: Log::new(*platform.api_server, OPERATOR),
            applied: Seen::of(ingresses, &selector, |_| true),
            ready: Seen::of(platform.tenants(), "", is_ready),
        }
    }

    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("it runs")
    }

    /// Declares so many more, and returns once all of them are ready.
    pub async fn add(&mut self, count: usize) -> Added {
        let known = self.names.len();
        let names: Vec<String> = (known..known + count)
            .map(|number| format!("airline-{number:04}"))
            .collect();
        let namespaces: Vec<String> = names
            .iter()
            .map(|it| albatross_crds::tenant_namespace(it))
            .collect();
        let begun = Instant::now();
        let declared = stream::iter(&names).for_each_concurrent(CREATED_AT_ONCE, async |name| {
            self.platform.declare(name, declaration()).await;
        });
        let applied = async {
            let what = "airlines have their objects";
            self.applied.all(what, &namespaces).await;
            begun.elapsed()
        };
        let ready = async {
            self.ready.all("airlines are ready", &names).await;
            begun.elapsed()
        };
        let ((), applied, ready) = tokio::join!(declared, applied, ready);
        self.names.extend(names);
        Added { applied, ready }
    }

    /// Returns once the operator has nothing to do, and when it did something last.
    pub async fn settled(&self) -> Instant {
        settled(async || self.operator().reconciliations().await).await
    }

    pub async fn stop(&mut self) {
        self.operator.take().expect("it runs").stop().await;
    }

    pub async fn end(mut self) {
        self.stop().await;
    }
}

/// Returns once the number of reconciliations stays, and when there was one last.
pub async fn settled(reconciliations: impl AsyncFn() -> f64) -> Instant {
    let (mut last, mut since) = (-1.0, Instant::now());
    while since.elapsed() < SETTLED {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let done = reconciliations().await;
        if done > last {
            (last, since) = (done, Instant::now());
        }
    }
    since
}

/// What is declared of each, besides what has no default.
pub fn declaration() -> Value {
    json!({"exposure": {"ingress": {"className": "nginx"}}})
}

fn is_ready(tenant: &Tenant) -> bool {
    let status = tenant.status.iter();
    status
        .flat_map(|status| conditions::find(&status.conditions, ConditionType::Ready))
        .any(|ready| ready.status == "True")
}
