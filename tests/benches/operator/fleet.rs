//! Airlines that the operator runs, and the operator.

use std::time::Duration;

use albatross_crds::Tenant;
use albatross_crds::conditions::{self, ConditionType};
use albatross_tests::platform::{Operator, Platform};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::asked::Log;
use crate::seen::Seen;

/// Nothing is reconciled for so long: it has settled.
const SETTLED: Duration = Duration::from_secs(3);
const CREATED_AT_ONCE: usize = 16;

pub struct Fleet<'a> {
    pub platform: &'a Platform,
    pub operator: Option<Operator>,
    pub names: Vec<String>,
    pub log: Log,
    ready: Seen,
}

impl<'a> Fleet<'a> {
    pub async fn new(platform: &'a Platform) -> Self {
        Self {
            platform,
            operator: Some(platform.operator().await),
            names: Vec::new(),
            log: Log::new(*platform.api_server),
            ready: Seen::of(platform.tenants(), "", is_ready),
        }
    }

    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("it runs")
    }

    /// Declares so many more, and returns the time until all of them are ready.
    pub async fn add(&mut self, count: usize) -> Duration {
        let known = self.names.len();
        let names: Vec<String> = (known..known + count)
            .map(|number| format!("airline-{number:04}"))
            .collect();
        let begun = Instant::now();
        stream::iter(&names)
            .for_each_concurrent(CREATED_AT_ONCE, async |name| {
                self.platform.declare(name, declaration()).await;
            })
            .await;
        self.ready.all("airlines are ready", &names).await;
        self.names.extend(names);
        begun.elapsed()
    }

    /// Returns once the operator has nothing to do, and when it did something last.
    pub async fn settled(&self) -> Instant {
        let (mut last, mut since) = (-1.0, Instant::now());
        while since.elapsed() < SETTLED {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let done = self.operator().reconciliations().await;
            if done > last {
                (last, since) = (done, Instant::now());
            }
        }
        since
    }

    pub async fn stop(&mut self) {
        self.operator.take().expect("it runs").stop().await;
    }

    pub async fn end(mut self) {
        self.stop().await;
    }
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
