//! Another writer who changes the operator's objects without a pause: told of, contained, and not fought.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Platform, condition};
use albatross_tests::wait::{RECOVERY, recovered, until, until_in};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use crate::noop::writes;

const HOME: &str = "albatross-stormy";

/// Rounds of changes by somebody who answers every change of the operator at once.
struct Storm {
    rounds: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Storm {
    fn begin(client: &Client) -> Self {
        let rounds = Arc::<AtomicUsize>::default();
        let (client, counted) = (client.clone(), rounds.clone());
        let task = tokio::spawn(async move {
            let services: Api<Service> = Api::namespaced(client.clone(), HOME);
            let deployments: Api<Deployment> = Api::namespaced(client.clone(), HOME);
            let records: Api<Secret> = Api::namespaced(client, NAMESPACE);
            let parameters = PatchParams::default();
            let selector = Patch::Merge(json!({"spec": {"selector": {"only": "these"}}}));
            loop {
                let round = counted.fetch_add(1, Ordering::SeqCst);
                let note = json!({"metadata": {"annotations": {"tests.example/round": round.to_string()}}});
                let note = Patch::Merge(note);
                // What the operator owns, what it does not, and what it writes only as it has read it.
                services.patch("api", &parameters, &selector).await.unwrap();
                deployments.patch("api", &parameters, &note).await.unwrap();
                let record = "tenant-stormy";
                records.patch(record, &parameters, &note).await.unwrap();
            }
        });
        Self {
            rounds,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Waits until it has gone on for so many more rounds.
    async fn rages(&self, more: usize) {
        let until = self.rounds.load(Ordering::SeqCst) + more;
        // Three writes a round, one after the other, take their time on a busy machine.
        until_in(RECOVERY * 2, "the storm has gone on", async || {
            self.rounds.load(Ordering::SeqCst) >= until
        })
        .await;
    }
}

/// Takes the Service away, or from the operator's sight, each time that it is there.
fn take_away(client: &Client, hides: bool) -> AbortOnDropHandle<()> {
    let services: Api<Service> = Api::namespaced(client.clone(), HOME);
    AbortOnDropHandle::new(tokio::spawn(async move {
        let unlabelled = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
        loop {
            let found = services.get_opt("api").await.unwrap();
            let is_seen = |service: &Service| {
                service.metadata.deletion_timestamp.is_none()
                    && service
                        .labels()
                        .contains_key("app.kubernetes.io/managed-by")
            };
            if found.as_ref().is_some_and(is_seen) {
                // It may be gone before, with its namespace.
                let parameters = PatchParams::default();
                let _taken = match hides {
                    true => services
                        .patch("api", &parameters, &Patch::Merge(&unlabelled))
                        .await
                        .is_ok(),
                    false => services
                        .delete("api", &DeleteParams::default())
                        .await
                        .is_ok(),
                };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }))
}

#[tokio::test]
async fn who_takes_an_object_away_again_and_again_is_told_of_and_answered_ever_more_rarely() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("stormy", json!({})).await;
    let services: Api<Service> = Api::namespaced(platform.client.clone(), HOME);
    for hides in [false, true] {
        let taken = take_away(&platform.client, hides);
        let told = platform
            .comes_to("stormy", "Reconciling", "True", "Contended")
            .await;
        let message = condition(&told, "Ready").unwrap().message;
        assert!(message.contains("Service api"), "{message}");
        let before = writes(&platform).len();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let written = writes(&platform).split_off(before);
        let of_it = written
            .iter()
            .filter(|write| write.path.ends_with("/services/api"));
        // One for each time that it was taken away would be dozens.
        assert!(of_it.count() <= 5, "{written:#?}");
        drop(taken);
        recovered("the Service is there, and the operator's", async || {
            let service = services.get_opt("api").await.unwrap();
            let label = service.as_ref().map(Service::labels);
            label.is_some_and(|labels| labels.contains_key("app.kubernetes.io/managed-by"))
        })
        .await;
        platform.ready("stormy").await;
    }
    platform.remove("stormy").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_writer_who_never_pauses_is_told_of_and_answered_ever_more_rarely() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("stormy", json!({})).await;
    let services: Api<Service> = Api::namespaced(platform.client.clone(), HOME);
    let declared = services.get("api").await.unwrap().spec.unwrap().selector;

    let storm = Storm::begin(&platform.client);
    let told = platform
        .comes_to("stormy", "Reconciling", "True", "Contended")
        .await;
    let message = condition(&told, "Ready").unwrap().message;
    assert!(message.contains("Service api"), "{message}");

    let before = writes(&platform).len();
    storm.rages(300).await;
    let written = &writes(&platform)[before..];
    // At full speed it would be one for each round; this leaves room for minutes.
    assert!(written.len() < 60, "{written:#?}");

    // Everything else goes on meanwhile.
    platform
        .change("stormy", json!({"api": {"replicas": 2}}))
        .await;
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), HOME);
    until("there are two pods", async || {
        let deployment = deployments.get("api").await.unwrap();
        deployment.spec.unwrap().replicas == Some(2)
    })
    .await;

    drop(storm);
    recovered("the Service is as declared", async || {
        services.get("api").await.unwrap().spec.unwrap().selector == declared
    })
    .await;
    platform.ready("stormy").await;
    platform.remove("stormy").await;
    operator.stop().await;
}
