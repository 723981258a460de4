//! ApiKeys of one test's airline, where its clients have theirs.

use albatross_tests::airline::Caller;
use albatross_tests::kubectl::{attempt_with, kubectl, object, secret};
use albatross_tests::wait::recovered;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::airline::{Airline, CLIENTS, entry};

/// One, whose Secret has its name.
pub struct ApiKey {
    pub name: String,
}

impl ApiKey {
    /// `spec` are members beside tenant, scopes and Secret.
    pub fn declared(airline: &Airline, name: &str, spec: &Value) -> Self {
        let name = format!("{}-{name}", airline.name);
        let mut declaration = json!({
            "apiVersion": "albatross.aero/v1alpha1",
            "kind": "ApiKey",
            "metadata": {"name": name, "namespace": CLIENTS},
            "spec": {
                "tenantRef": {"name": airline.name},
                "scopes": ["pireps:read", "pireps:write", "track:write"],
                "secretName": name,
            },
        });
        for (field, value) in spec.as_object().expect("members of a spec") {
            declaration["spec"][field] = value.clone();
        }
        let applied = attempt_with(&declaration, &["apply"]);
        let said = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{name} is refused: {said}");
        Self { name }
    }

    /// The same once its key is in its Secret.
    pub fn issued(airline: &Airline, name: &str, spec: &Value) -> Self {
        let key = Self::declared(airline, name, spec);
        key.becomes_ready();
        key
    }

    pub fn becomes_ready(&self) {
        let ready = ["wait", "--for=condition=Ready", &self.resource()];
        kubectl(&[&["--namespace", CLIENTS][..], &ready, &["--timeout=300s"]].concat());
    }

    pub fn change(&self, spec: Value) {
        let patch = json!({ "spec": spec }).to_string();
        let resource = self.resource();
        let patch = ["patch", &resource, "--type=merge", "--patch", &patch];
        kubectl(&[&["--namespace", CLIENTS][..], &patch].concat());
    }

    pub fn status(&self) -> Value {
        object(CLIENTS, &self.resource())["status"].clone()
    }

    /// A time of its status.
    pub fn time(&self, field: &str) -> Timestamp {
        let status = self.status();
        let time = status[field].as_str().and_then(|time| time.parse().ok());
        time.unwrap_or_else(|| panic!("no {field}: {status}"))
    }

    /// Says so of Ready; returns with what message.
    pub async fn comes_to(&self, status: &str, reason: &str) -> String {
        let mut message = Value::Null;
        recovered(
            &format!("{} is {status}, {reason}", self.name),
            async || {
                let now = self.status();
                let conditions = now["conditions"].as_array();
                let mut conditions = conditions.into_iter().flatten();
                let ready = conditions.find(|it| it["type"] == "Ready");
                message = ready.map_or(Value::Null, |it| it["message"].clone());
                ready.is_some_and(|it| it["status"] == status && it["reason"] == reason)
            },
        )
        .await;
        message.as_str().unwrap_or_default().to_owned()
    }

    /// An entry of its Secret, if there is one.
    pub fn published(&self, entry: &str) -> Option<String> {
        let entries = secret(CLIENTS, &self.name);
        let mut entries = entries.into_iter();
        entries
            .find(|(name, _)| name == entry)
            .map(|(_, text)| text)
    }

    /// The key itself.
    pub fn text(&self) -> String {
        entry(&secret(CLIENTS, &self.name), "key")
    }

    /// Whoever has that key now.
    pub fn holder(&self, airline: &Airline) -> Caller {
        airline.caller(&self.text())
    }

    pub fn remove(self) {
        let delete = ["delete", &self.resource(), "--timeout=300s"];
        kubectl(&[&["--namespace", CLIENTS][..], &delete].concat());
    }

    fn resource(&self) -> String {
        format!("apikey/{}", self.name)
    }
}
