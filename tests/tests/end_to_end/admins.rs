//! Whoever is taken from the list of admins is an admin no more, whichever pod is asked.

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{PortForward, secret};
use albatross_tests::wait::recovered;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::airline::{Airline, entry};

const PODS: usize = 2;

/// One that is asked alone.
struct Pod {
    forward: PortForward,
}

impl Pod {
    fn all(airline: &Airline) -> Vec<Self> {
        let to = |pod: &String| PortForward::to(&airline.namespace, &format!("pod/{pod}"), 8080);
        let pods = airline.pods();
        pods.iter().map(|pod| Self { forward: to(pod) }).collect()
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.forward.port)
    }

    /// Somebody whom another pod has let in.
    fn hears(&self, person: &Caller) -> Caller {
        person.at(&format!("http://{}", self.host()), &self.host())
    }
}

async fn roles(caller: &Caller) -> Value {
    caller.get("/me").await["user"]["roles"].clone()
}

#[tokio::test]
async fn an_admin_who_is_taken_from_the_list_is_refused_by_every_pod() {
    let ada = "    - email: ada@skyways.example\n      displayName: Ada Lovelace\n";
    let joan = "    - email: joan@skyways.example\n      displayName: Joan Clarke\n";
    let airline = Airline::declared("skyways", &[(ada, &format!("{ada}{joan}"))]);
    airline.change(json!({"api": {"replicas": PODS}}));
    airline.is_ready("Available").await;
    let pods = Pod::all(&airline);
    assert_eq!(pods.len(), PODS);

    let links = secret(&airline.namespace, "albatross-admin-links");
    let mut admins = Vec::new();
    for name in ["ada", "joan"] {
        let link = entry(&links, &format!("{name}.at.{}.example", airline.name));
        admins.push(Caller::by_link(&airline.address(), &airline.host(), &link).await);
    }
    let [ada, joan] = [&admins[0], &admins[1]];
    let keys = async |caller: &Caller| {
        let id = caller.get("/me").await["user"]["id"].clone();
        format!("/users/{}/apikeys", id.as_str().expect("an id"))
    };
    let (own, others) = (keys(ada).await, keys(joan).await);
    // What only staff may see, and what only admins know of.
    let paths = [
        ("/settings", StatusCode::FORBIDDEN),
        (&others, StatusCode::NOT_FOUND),
    ];
    for pod in &pods {
        for (path, _) in paths {
            recovered(&format!("{path} is shown to her"), async || {
                pod.hears(ada).status_of(path).await == StatusCode::OK
            })
            .await;
        }
        assert_eq!(roles(&pod.hears(ada)).await, json!(["TenantAdmin"]));
    }

    let admins = airline.tenant()["spec"]["admins"].clone();
    airline.change(json!({"admins": [admins[1]]}));
    airline.is_ready("Available").await;
    for pod in &pods {
        for (path, refusal) in paths {
            recovered(&format!("{path} is {refusal} to her"), async || {
                pod.hears(ada).status_of(path).await == refusal
            })
            .await;
        }
        assert_eq!(roles(&pod.hears(ada)).await, json!(["Pilot"]));
        assert_eq!(pod.hears(joan).status_of(&own).await, StatusCode::OK);
    }
    airline.remove();
}
