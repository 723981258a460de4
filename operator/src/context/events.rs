//! Events about Tenants and ApiKeys. They are a courtesy: one that cannot be written stops nothing.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as Stored;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource};

use crate::context::system::Clock;
use crate::context::token::fingerprint;
use crate::names;

/// An event is named by its object, a dot and the time in 16 digits. A longer name of an object leaves no room for that.
const LONGEST_NAME: usize = 253 - 17;
/// What stays of a longer one, for people to read.
const HEAD: usize = 200;
/// Bytes of a note; the API server refuses more.
const LONGEST_NOTE: usize = 1024;

/// Tells people what has become of what they declared.
pub struct Events {
    client: Client,
    recorder: Recorder,
    instance: String,
    clock: Arc<dyn Clock>,
}

/// What happened: how bad it is, in a word why, and what the operator was doing.
pub type What<'a> = (EventType, &'a str, &'a str);

impl Events {
    /// `instance` tells one replica of the operator from another.
    pub fn new(client: Client, instance: &str, clock: Arc<dyn Clock>) -> Self {
        let reporter = Reporter {
            controller: names::OPERATOR.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            instance: instance.to_owned(),
            clock,
        }
    }

    /// Says it in an event.
    pub async fn tell<K: Resource<DynamicType = ()>>(&self, about: &K, what: What<'_>, note: &str) {
        let (type_, reason, action) = what;
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note[..note.floor_char_boundary(LONGEST_NOTE)].to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        let about = about.object_ref(&());
        let written = match &about.name {
            Some(name) if name.len() > LONGEST_NAME => self.create(event, &about, name).await,
            Some(_) | None => self.recorder.publish(&event, &about).await,
        };
        if let Err(cause) = written {
            tracing::warn!(%cause, "event not written");
        }
    }

    /// As the recorder would, but for the event's own name.
    async fn create(
        &self,
        event: Event,
        about: &ObjectReference,
        name: &str,
    ) -> Result<(), kube::Error> {
        let now = self.clock.now();
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let type_ = match event.type_ {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        };
        let stored = Stored {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", shortened(name), now.as_nanosecond())),
                ..ObjectMeta::default()
            },
            action: Some(event.action),
            event_time: Some(MicroTime(now)),
            note: event.note,
            reason: Some(event.reason),
            regarding: Some(about.clone()),
            reporting_controller: Some(names::OPERATOR.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(type_.to_owned()),
            ..Stored::default()
        };
        let api: Api<Stored> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &stored).await?;
        Ok(())
    }
}

/// The beginning of a DNS name, and a digest of all of it.
fn shortened(name: &str) -> String {
    let head = name[..name.floor_char_boundary(HEAD)].trim_end_matches(['.', '-']);
    format!("{head}-{}", fingerprint(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use albatross_crds::syntax::is_dns_name;

    use super::*;

    #[test]
    fn the_longest_names_leave_room_for_a_time_and_stay_apart() {
        let mut seen = BTreeSet::new();
        for last in ["a", "b"] {
            // A part ends just where the name is cut.
            let parts = ["n".repeat(63), "n".repeat(63), "n".repeat(63)].join(".");
            let name = format!("{parts}.{}.{}{last}", "n".repeat(7), "n".repeat(52));
            assert!(name.len() == 253 && is_dns_name(&name));
            let short = shortened(&name);
            assert!(is_dns_name(&format!("{short}.{:x}", i64::MAX)), "{short}");
            assert!(seen.insert(short));
        }
    }
}
