//! What a tenant's namespace lets run besides the airline, whoever declares it.

use albatross_tests::kubectl::{attempt, kubectl};
use serde_json::{Value, json};

use crate::airline::Airline;

const OWNER: &str = "mallory";

/// What the owner is told who declares such a pod, or nothing.
fn refusal(airline: &Airline, pod: &Value, container: &Value) -> Option<String> {
    let mut spec = json!({"containers": [{"name": "main", "image": "localhost/pause:1"}]});
    merge(&mut spec, pod);
    merge(&mut spec["containers"][0], container);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "own"}, "spec": spec});
    let file = tempfile::NamedTempFile::with_suffix(".json").expect("a temporary file");
    std::fs::write(file.path(), pod.to_string()).expect("a written file");
    let path = file.path().to_string_lossy();
    let namespace = ["--as", OWNER, "--namespace", &airline.namespace];
    let create = ["create", "--dry-run=server", "--filename", &path];
    let output = attempt(&[namespace, create].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

fn merge(into: &mut Value, members: &Value) {
    for (name, member) in members.as_object().expect("members") {
        into[name] = member.clone();
    }
}

#[tokio::test]
async fn an_owner_runs_no_privileged_pod_even_with_the_right_to_run_pods() {
    let owned = format!("  exposure:\n    none: {{}}\n  owners: [{{kind: User, name: {OWNER}}}]\n");
    let airline = Airline::declared("skyways", &[("  exposure:\n    none: {}\n", &owned)]);
    let restricted = json!({"securityContext": {
        "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 65532,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    }});
    let nothing = json!({});
    let said = refusal(&airline, &nothing, &restricted).expect("owners run no pods");
    assert!(said.contains(r#"cannot create resource "pods""#), "{said}");

    // As if somebody had given more than owners have.
    let binding = ["create", "rolebinding", "more", "--clusterrole=edit"];
    let to = ["--user", OWNER, "--namespace", &airline.namespace];
    kubectl(&[binding, to].concat());
    let refused = refusal(&airline, &nothing, &restricted);
    assert_eq!(refused, None, "what keeps to the profile may run");

    let privileged = json!({"securityContext": {"privileged": true}});
    let host = json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]});
    for (pod, container, why) in [
        (&nothing, &privileged, "privileged"),
        (&nothing, &nothing, "runAsNonRoot"),
        (&host, &restricted, "restricted volume types"),
        (
            &json!({"hostNetwork": true}),
            &restricted,
            "host namespaces",
        ),
    ] {
        let said = refusal(&airline, pod, container);
        let said = said.unwrap_or_else(|| panic!("a pod is let in: {why}"));
        let profile = r#"violates PodSecurity "restricted:latest""#;
        assert!(said.contains(profile) && said.contains(why), "{said}");
    }
    airline.remove();
}
