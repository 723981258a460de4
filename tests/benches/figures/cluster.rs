//! On the cluster of `KUBECONFIG`: from `kubectl apply` to Ready, and what a reconciliation writes that has nothing to do.

use std::time::Instant;

use albatross_tests::kubectl::{PortForward, kubectl};
use albatross_tests::wait::until;
use uuid::Uuid;

use crate::table::{Bar, Table};

const OPERATOR: &str = "albatross-system";
const EXAMPLE: &str = include_str!("../../../examples/11-nordwind.yaml");

pub async fn measure(table: &mut Table) {
    let name = format!("bench-{}", &Uuid::new_v4().simple().to_string()[..8]);
    let tenant = format!("tenant/{name}");
    let manifest = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(manifest.path(), EXAMPLE.replace("nordwind", &name)).unwrap();
    let start = Instant::now();
    kubectl(&["apply", "--filename", &manifest.path().to_string_lossy()]);
    kubectl(&["wait", "--for=condition=Ready", &tenant, "--timeout=180s"]);
    let seconds = start.elapsed().as_secs_f64();
    table.figure(
        "kubectl apply → Ready, one airline",
        seconds,
        "s",
        Bar::None,
    );

    let operator = PortForward::to(OPERATOR, "service/albatross-operator", 8082);
    let before = Counters::read(&operator).await;
    // A change of its namespace that is nobody's drift: the operator looks, and finds all as it should be.
    kubectl(&[
        "annotate",
        &format!("namespace/albatross-{name}"),
        "bench=1",
    ]);
    until("the Tenant is reconciled", async || {
        Counters::read(&operator).await.reconciliations > before.reconciliations
    })
    .await;
    let after = Counters::read(&operator).await;
    let writes = after.writes - before.writes;
    table.figure(
        "writes of a reconciliation with nothing to do",
        writes,
        "writes",
        Bar::AtMost(0.0),
    );
    kubectl(&["delete", &tenant, "--timeout=120s"]);
}

struct Counters {
    reconciliations: f64,
    writes: f64,
}

impl Counters {
    async fn read(operator: &PortForward) -> Self {
        let url = format!("http://127.0.0.1:{}/metrics", operator.port);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        Self {
            reconciliations: sum("albatross_operator_reconciles_total"),
            writes: sum("albatross_operator_kubernetes_writes_total"),
        }
    }
}
