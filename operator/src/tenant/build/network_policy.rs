//! Who may talk to whom: nobody, but for DNS, the tenant's own servers, its callers, the operator, and who asks for metrics.

use std::collections::BTreeMap;

use albatross_crds::validation::ValidatedExposure;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::config::Peers;
use crate::names;
use crate::tenant::build::input::Input;

const INGRESS: &str = "Ingress";
const EGRESS: &str = "Egress";
/// CoreDNS listens on 5353 on some distributions, and policies see the port of the pod.
const DNS_PORTS: [i32; 2] = [53, 5353];
/// Where cert-manager's solver listens.
const ACME_PORT: i32 = 8089;

pub fn all(input: &Input<'_>) -> Vec<NetworkPolicy> {
    let mut policies = vec![
        default_deny(input),
        allow_dns(input),
        allow_servers(input),
        allow_api(input),
    ];
    policies.extend(allow_metrics(input));
    policies.extend(allow_acme(input));
    policies
}

fn default_deny(input: &Input<'_>) -> NetworkPolicy {
    policy(
        input,
        "default-deny",
        NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec![INGRESS.to_owned(), EGRESS.to_owned()]),
            // Said rather than left out: what somebody else adds is taken away again.
            ingress: Some(Vec::new()),
            egress: Some(Vec::new()),
        },
    )
}

fn allow_dns(input: &Input<'_>) -> NetworkPolicy {
    let ports = DNS_PORTS
        .into_iter()
        .flat_map(|number| [port(number, "UDP"), port(number, "TCP")])
        .collect();
    let dns = NetworkPolicyPeer {
        namespace_selector: Some(labels([("kubernetes.io/metadata.name", "kube-system")])),
        pod_selector: Some(labels([("k8s-app", "kube-dns")])),
        ..NetworkPolicyPeer::default()
    };
    policy(
        input,
        "allow-dns",
        NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec![EGRESS.to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                ports: Some(ports),
                to: Some(vec![dns]),
            }]),
            ..NetworkPolicySpec::default()
        },
    )
}

fn allow_servers(input: &Input<'_>) -> NetworkPolicy {
    let servers = &input.plan.servers;
    let mut egress = vec![to_server(
        &servers.postgres.egress,
        i32::from(servers.postgres.port),
    )];
    if let Some(rabbitmq) = &servers.rabbitmq {
        egress.push(to_server(
            &rabbitmq.egress,
            port_of(&rabbitmq.amqp, "amqps", 5671, 5672),
        ));
    }
    if let Some(redis) = &servers.redis {
        egress.push(to_server(
            &redis.egress,
            port_of(&redis.url, "rediss", 6379, 6379),
        ));
    }
    policy(
        input,
        "allow-servers",
        NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec![EGRESS.to_owned()]),
            egress: Some(egress),
            ..NetworkPolicySpec::default()
        },
    )
}

/// The REST API is for everybody who reaches the pod, since it asks for a key or a log-in; the other ports are for
/// the operator, and probes come from the node, which policies do not concern.
fn allow_api(input: &Input<'_>) -> NetworkPolicy {
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(labels([(
            "kubernetes.io/metadata.name",
            input.operator_namespace,
        )])),
        pod_selector: Some(labels([("app.kubernetes.io/name", names::OPERATOR)])),
        ..NetworkPolicyPeer::default()
    };
    policy(
        input,
        "allow-api",
        NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(input.selector(names::API)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec![INGRESS.to_owned()]),
            ingress: Some(vec![
                NetworkPolicyIngressRule {
                    ports: Some(vec![port(names::HTTP_PORT, "TCP")]),
                    from: None,
                },
                NetworkPolicyIngressRule {
                    ports: Some(vec![port(names::INTERNAL_PORT, "TCP")]),
                    from: Some(vec![operator]),
                },
            ]),
            ..NetworkPolicySpec::default()
        },
    )
}

/// Of the pods that serve and of those that work; without anybody to let in there is no rule, since an empty one lets in all.
fn allow_metrics(input: &Input<'_>) -> Option<NetworkPolicy> {
    let from: Vec<_> = input
        .plan
        .metrics_from
        .iter()
        .flat_map(policy_peers)
        .collect();
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector::default()),
        policy_types: Some(vec![INGRESS.to_owned()]),
        ingress: Some(vec![NetworkPolicyIngressRule {
            ports: Some(vec![port(names::PROBE_PORT, "TCP")]),
            from: Some(from.clone()),
        }]),
        ..NetworkPolicySpec::default()
    };
    (!from.is_empty()).then(|| policy(input, "allow-metrics", spec))
}

/// cert-manager answers an HTTP-01 challenge (RFC 8555, 8.3) from a pod beside the Ingress, which whoever asks is led to.
fn allow_acme(input: &Input<'_>) -> Option<NetworkPolicy> {
    let ValidatedExposure::Ingress(exposure) = &input.plan.tenant.exposure else {
        return None;
    };
    exposure.tls_secret_name.as_ref()?;
    let spec = NetworkPolicySpec {
        pod_selector: Some(labels([("acme.cert-manager.io/http01-solver", "true")])),
        policy_types: Some(vec![INGRESS.to_owned()]),
        ingress: Some(vec![NetworkPolicyIngressRule {
            ports: Some(vec![port(ACME_PORT, "TCP")]),
            from: None,
        }]),
        ..NetworkPolicySpec::default()
    };
    Some(policy(input, "allow-acme", spec))
}

fn policy(input: &Input<'_>, name: &str, spec: NetworkPolicySpec) -> NetworkPolicy {
    NetworkPolicy {
        metadata: input.meta(name),
        spec: Some(spec),
    }
}

fn to_server(egress: &Peers, number: i32) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        ports: Some(vec![port(number, "TCP")]),
        to: Some(policy_peers(egress).collect()),
    }
}

fn policy_peers(peers: &Peers) -> impl Iterator<Item = NetworkPolicyPeer> {
    let addresses = peers.cidrs.iter().map(|cidr| NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.clone(),
            except: None,
        }),
        ..NetworkPolicyPeer::default()
    });
    let selector = |map: &BTreeMap<String, String>| LabelSelector {
        match_labels: Some(map.clone()),
        ..LabelSelector::default()
    };
    let pods = (!peers.pod_selector.is_empty()).then(|| NetworkPolicyPeer {
        pod_selector: Some(selector(&peers.pod_selector)),
        namespace_selector: Some(selector(&peers.namespace_selector)),
        ..NetworkPolicyPeer::default()
    });
    addresses.chain(pods)
}

fn port_of(url: &str, tls_scheme: &str, tls_port: i32, plain_port: i32) -> i32 {
    let parsed = reqwest::Url::parse(url).ok();
    let given = parsed.as_ref().and_then(|url| url.port()).map(i32::from);
    let default = match parsed.is_some_and(|url| url.scheme() == tls_scheme) {
        true => tls_port,
        false => plain_port,
    };
    given.unwrap_or(default)
}

fn port(number: i32, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    }
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> LabelSelector {
    LabelSelector {
        match_labels: Some(
            pairs
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        ),
        ..LabelSelector::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(all(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn who_checks_that_a_certificate_is_due_reaches_who_answers_for_it() {
        let solver = |exposure| {
            let plan = fixtures::plan(json!({ "exposure": exposure }));
            let record = fixtures::record(&plan);
            let policies = all(&fixtures::input(&plan, &record));
            policies
                .into_iter()
                .find(|it| it.metadata.name.as_deref() == Some("allow-acme"))
        };
        let spec = solver(json!({"ingress": {"tlsSecretName": "tls"}}))
            .unwrap()
            .spec;
        assert_eq!(
            json!(spec),
            json!({
                "podSelector": {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 8089, "protocol": "TCP"}]}],
            })
        );
        assert!(solver(json!({"ingress": {}})).is_none() && solver(json!({"none": {}})).is_none());
    }

    #[test]
    fn nobody_is_let_in_to_the_metrics_unless_it_is_said() {
        let mut plan = fixtures::plan(json!({}));
        plan.metrics_from.clear();
        let record = fixtures::record(&plan);
        let policies = all(&fixtures::input(&plan, &record));
        assert!(!format!("{policies:?}").contains(&names::PROBE_PORT.to_string()));
    }
}
