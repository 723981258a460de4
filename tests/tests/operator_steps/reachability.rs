//! Who may reach whom: the NetworkPolicies that were applied for two tenants, and the chart's for the operator, judged
//! connection by connection.

use albatross_tests::chart::NAMESPACE;
use albatross_tests::network::{Attempt, Labels, Peer, Pod, Port, judge};
use albatross_tests::platform::{Platform, Setting};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

/// Each row is somebody who listens, each column somebody who would like to connect: first to what is ours, then from it.
const TABLE: &str = r"
to \ from                | east-api | east-worker | east-migrate | west-api | operator | helm-test | ingress | prometheus | look-alike | internet
east-api, public         |    -     |      -      |      -       |    -     |   yes    |    yes    |   yes   |    yes     |    yes     |   yes
east-api, internal       |    -     |      -      |      -       |    -     |   yes    |     -     |    -    |     -      |     -      |    -
east-api, metrics        |    -     |      -      |      -       |    -     |    -     |     -     |    -    |    yes     |     -      |    -
east-api, another port   |    -     |      -      |      -       |    -     |    -     |     -     |    -    |     -      |     -      |    -
east-worker, public      |    -     |      -      |      -       |    -     |    -     |     -     |    -    |     -      |     -      |    -
east-worker, internal    |    -     |      -      |      -       |    -     |    -     |     -     |    -    |     -      |     -      |    -
east-worker, metrics     |    -     |      -      |      -       |    -     |    -     |     -     |    -    |    yes     |     -      |    -
west-api, public         |    -     |      -      |      -       |    -     |   yes    |    yes    |   yes   |    yes     |    yes     |   yes
west-api, internal       |    -     |      -      |      -       |    -     |   yes    |     -     |    -    |     -      |     -      |    -
operator, metrics        |    -     |      -      |      -       |    -     |    -     |    yes    |    -    |    yes     |     -      |    -
operator, another port   |    -     |      -      |      -       |    -     |    -     |     -     |    -    |     -      |     -      |    -

to \ from                | east-api | east-worker | east-migrate | west-api | operator
PostgreSQL               |   yes    |     yes     |     yes      |   yes    |   yes
PostgreSQL, another port |    -     |      -      |      -       |    -     |   yes
RabbitMQ                 |   yes    |     yes     |     yes      |   yes    |   yes
RabbitMQ, management     |    -     |      -      |      -       |    -     |   yes
beside RabbitMQ          |    -     |      -      |      -       |    -     |   yes
Redis                    |   yes    |     yes     |     yes      |   yes    |   yes
beside Redis             |    -     |      -      |      -       |    -     |   yes
DNS                      |   yes    |     yes     |     yes      |   yes    |   yes
DNS, long answers        |   yes    |     yes     |     yes      |   yes    |   yes
DNS, on 5353             |   yes    |     yes     |     yes      |   yes    |   yes
DNS, another port        |    -     |      -      |      -       |    -     |   yes
DNS of somebody else     |    -     |      -      |      -       |    -     |   yes
API server               |    -     |      -      |      -       |    -     |   yes
metadata of the cloud    |    -     |      -      |      -       |    -     |   yes
internet                 |    -     |      -      |      -       |    -     |   yes
";

/// Of those who would like to connect, so many are the tenants' pods and the operator's.
const OURS: usize = 5;

#[tokio::test]
async fn nobody_reaches_more_than_the_table_says() {
    let mut setting = Setting::straight().await;
    setting.metrics_from = json!([
        {"podSelector": {"app": "prometheus"}, "namespaceSelector": {"team": "observability"}},
    ]);
    let platform = Platform::with(setting).await;
    let mut ports = [0; 2];
    platform.configure(|it| {
        let servers = &mut it["servers"];
        let url = servers["redis"][0]["url"].as_str().unwrap();
        let url: reqwest::Url = url.parse().unwrap();
        let postgres = servers["postgres"][0]["port"].as_u64().unwrap();
        ports = [u16::try_from(postgres).unwrap(), url.port().unwrap()];
        let pods = json!({
            "podSelector": {"app": "rabbitmq"},
            "namespaceSelector": {"kubernetes.io/metadata.name": "servers"},
        });
        servers["postgres"][0]["egress"] = json!({"cidrs": ["192.0.2.1/32"]});
        servers["rabbitmq"][0]["egress"] = pods;
        servers["redis"][0]["egress"] = json!({"cidrs": ["192.0.2.3/32"]});
    });
    let operator = platform.operator().await;
    for tenant in ["east", "west"] {
        let change =
            json!({"worker": {"replicas": 1}, "exposure": {"ingress": {"className": "nginx"}}});
        platform.airline(tenant, change).await;
    }
    let policies: Api<NetworkPolicy> = Api::all(platform.client.clone());
    let policies = policies.list(&ListParams::default()).await.unwrap().items;
    let clients = clients(&platform).await;
    let told = table(&policies, &clients, &ours(&clients))
        + &table(&policies, &clients[..OURS], &others(ports));
    assert_eq!(told, TABLE, "\n{told}");
    for tenant in ["east", "west"] {
        platform.remove(tenant).await;
    }
    operator.stop().await;
}

/// Who is ours, and then others.
async fn clients(platform: &Platform) -> Vec<(&'static str, Peer)> {
    let of = |namespace, deployment| pods_of(platform, namespace, deployment);
    let api = of("albatross-east", "api").await;
    let mut migrate = api.clone();
    let component = "albatross.aero/component".to_owned();
    migrate.labels.insert(component, "migrate".to_owned());
    let named = |name| [("app.kubernetes.io/name", name)];
    let helm_test = pod(NAMESPACE, &[], &named("albatross-operator-test"));
    let ingress = pod("ingress-nginx", &[], &named("ingress-nginx"));
    let team = [("team", "observability")];
    let prometheus = pod("metrics", &team, &[("app", "prometheus")]);
    let operator = of(NAMESPACE, "albatross-operator").await;
    vec![
        ("east-api", at("10.244.0.1", api)),
        (
            "east-worker",
            at("10.244.0.2", of("albatross-east", "worker").await),
        ),
        ("east-migrate", at("10.244.0.3", migrate)),
        (
            "west-api",
            at("10.244.0.4", of("albatross-west", "api").await),
        ),
        ("operator", at("10.244.0.5", operator)),
        ("helm-test", at("10.244.0.6", helm_test)),
        ("ingress", at("10.244.0.7", ingress)),
        ("prometheus", at("10.244.0.8", prometheus)),
        ("look-alike", at("10.244.0.9", look_alike())),
        ("internet", outside("198.51.100.7")),
    ]
}

fn ours(clients: &[(&'static str, Peer)]) -> Vec<(&'static str, Peer, Port)> {
    let of = |name| clients.iter().find(|it| it.0 == name).unwrap().1.clone();
    let probes = Port {
        name: "probes",
        ..tcp(8082)
    };
    vec![
        ("east-api, public", of("east-api"), tcp(8080)),
        ("east-api, internal", of("east-api"), tcp(8081)),
        ("east-api, metrics", of("east-api"), tcp(8082)),
        ("east-api, another port", of("east-api"), tcp(9000)),
        ("east-worker, public", of("east-worker"), tcp(8080)),
        ("east-worker, internal", of("east-worker"), tcp(8081)),
        ("east-worker, metrics", of("east-worker"), tcp(8082)),
        ("west-api, public", of("west-api"), tcp(8080)),
        ("west-api, internal", of("west-api"), tcp(8081)),
        ("operator, metrics", of("operator"), probes),
        ("operator, another port", of("operator"), tcp(9000)),
    ]
}

fn others([postgres, redis]: [u16; 2]) -> Vec<(&'static str, Peer, Port)> {
    let at = |address, namespace, label| at(address, pod(namespace, &[], &[label]));
    let rabbitmq = at("10.244.1.2", "servers", ("app", "rabbitmq"));
    let beside = at("10.244.1.3", "servers", ("app", "other"));
    let dns = at("10.244.1.4", "kube-system", ("k8s-app", "kube-dns"));
    vec![
        ("PostgreSQL", outside("192.0.2.1"), tcp(postgres)),
        ("PostgreSQL, another port", outside("192.0.2.1"), tcp(22)),
        ("RabbitMQ", rabbitmq.clone(), tcp(5672)),
        ("RabbitMQ, management", rabbitmq, tcp(15672)),
        ("beside RabbitMQ", beside, tcp(5672)),
        ("Redis", outside("192.0.2.3"), tcp(redis)),
        ("beside Redis", outside("192.0.2.4"), tcp(redis)),
        ("DNS", dns.clone(), udp(53)),
        ("DNS, long answers", dns.clone(), tcp(53)),
        ("DNS, on 5353", dns.clone(), udp(5353)),
        ("DNS, another port", dns, tcp(8080)),
        ("DNS of somebody else", outside("198.51.100.53"), udp(53)),
        ("API server", outside("10.96.0.1"), tcp(443)),
        ("metadata of the cloud", outside("169.254.169.254"), tcp(80)),
        ("internet", outside("198.51.100.7"), tcp(443)),
    ]
}

fn table(
    policies: &[NetworkPolicy],
    clients: &[(&str, Peer)],
    listeners: &[(&str, Peer, Port)],
) -> String {
    let pairs = listeners.iter().flat_map(|(_, to, port)| {
        clients.iter().map(|(_, from)| Attempt {
            from,
            to,
            port: *port,
        })
    });
    let answers = judge(policies, &pairs.collect::<Vec<_>>());
    let names: Vec<&str> = clients.iter().map(|(name, _)| *name).collect();
    let mut lines = vec![format!("{:24} | {}", "to \\ from", names.join(" | "))];
    for ((to, ..), answers) in listeners.iter().zip(answers.chunks(names.len())) {
        let cells = names.iter().zip(answers).map(|(name, allowed)| {
            let width = name.len();
            format!("{:^width$}", if *allowed { "yes" } else { "-" })
        });
        let cells: Vec<String> = cells.collect();
        lines.push(format!("{to:24} | {}", cells.join(" | ").trim_end()));
    }
    format!("\n{}\n", lines.join("\n"))
}

/// As the Deployment's pods are.
async fn pods_of(platform: &Platform, namespace: &str, deployment: &str) -> Pod {
    let deployments: Api<Deployment> = Api::namespaced(platform.client.clone(), namespace);
    let namespaces: Api<Namespace> = Api::all(platform.client.clone());
    let template = deployments
        .get(deployment)
        .await
        .unwrap()
        .spec
        .unwrap()
        .template;
    Pod {
        namespace: namespace.to_owned(),
        namespace_labels: namespaces
            .get(namespace)
            .await
            .unwrap()
            .metadata
            .labels
            .unwrap(),
        labels: template.metadata.unwrap().labels.unwrap(),
    }
}

/// In a namespace of its own, with every label that somebody is let in by.
fn look_alike() -> Pod {
    pod(
        "strangers",
        &[],
        &[
            ("app", "prometheus"),
            ("app.kubernetes.io/name", "albatross-operator"),
        ],
    )
}

fn pod(namespace: &str, namespace_labels: &[(&str, &str)], labels: &[(&str, &str)]) -> Pod {
    let own = [("kubernetes.io/metadata.name", namespace)];
    Pod {
        namespace: namespace.to_owned(),
        namespace_labels: owned(own.iter().chain(namespace_labels)),
        labels: owned(labels.iter()),
    }
}

fn owned<'a>(pairs: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Labels {
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn at(address: &'static str, pod: Pod) -> Peer {
    Peer {
        address,
        pod: Some(pod),
    }
}

fn outside(address: &'static str) -> Peer {
    Peer { address, pod: None }
}

fn tcp(number: u16) -> Port {
    Port {
        number,
        name: "",
        protocol: "TCP",
    }
}

fn udp(number: u16) -> Port {
    Port {
        protocol: "UDP",
        ..tcp(number)
    }
}
