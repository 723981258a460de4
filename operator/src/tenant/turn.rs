//! What only one tenant can have, a host or the room on a server, is given away to one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use albatross_crds::Tenant;
use albatross_crds::tenant::Mode;
use kube::{Resource, ResourceExt};
use tokio::sync::MutexGuard;

use crate::context::Context;
use crate::context::holdings::Holdings;
use crate::names;
use crate::tenant::connections::connections_of;
use crate::tenant::dereference::{self, Record, World};

/// Another tenant, and what it has.
struct Other {
    tenant: Arc<Tenant>,
    has: Holdings,
}

/// Looks at what others have, for a tenant that wants more than it has. What is answered is kept until the tenant's own
/// record is stored, so that the next one sees what this one took.
pub async fn take<'a>(
    tenant: &Tenant,
    world: &mut World,
    ctx: &'a Context,
) -> Option<MutexGuard<'a, ()>> {
    let has = match &world.record {
        Record::Present(record) if record.retained_at.is_none() => Holdings::of(record),
        _ => Holdings::default(),
    };
    let needed = connections_of(&tenant.spec);
    if has.serves(&tenant.spec.host) && has.connections.is_some_and(|has| has >= needed) {
        return None;
    }
    let turn = ctx.turns.lock().await;
    let others = others(tenant, ctx);
    world.surroundings.host_taken_by = host_taken_by(tenant, &has, &others);
    world.surroundings.reserved = reserved(&others);
    claims(tenant).then_some(turn)
}

fn others(tenant: &Tenant, ctx: &Context) -> Vec<Other> {
    let name = tenant.name_any();
    let others = ctx.caches.tenants.state().into_iter();
    others
        .filter(|other| other.name_any() != name)
        .map(|tenant| Other {
            has: in_use(&tenant, holdings(&tenant.name_any(), ctx)),
            tenant,
        })
        .collect()
}

/// As last stored by this process, else as cached.
fn holdings(tenant: &str, ctx: &Context) -> Holdings {
    let cached = ctx
        .caches
        .secret(&ctx.namespace, &names::record_secret(tenant));
    let remembered = match &cached {
        Some(cached) => dereference::remembered(tenant, cached, ctx),
        None => ctx.memory.record(tenant),
    };
    match (remembered, cached) {
        (Some(record), _) => Holdings::of(&record),
        (None, Some(secret)) => Holdings::read(&secret),
        (None, None) => Holdings::default(),
    }
}

/// What an earlier tenant of the name has left behind is in nobody's way, but for the time that its end takes.
fn in_use(tenant: &Tenant, has: Holdings) -> Holdings {
    if has.is_retained && tenant.meta().deletion_timestamp.is_none() {
        return Holdings::default();
    }
    has
}

/// Whether it takes what it wants; one that is only looked at takes nothing.
fn claims(tenant: &Tenant) -> bool {
    !tenant.spec.suspend && tenant.spec.mode == Mode::Apply
}

/// Who serves a host keeps it. Of those who wait for it the oldest comes first; of equally old ones, the one whose name
/// does.
fn host_taken_by(tenant: &Tenant, has: &Holdings, others: &[Other]) -> Option<String> {
    let host = &tenant.spec.host;
    if has.serves(host) {
        return None;
    }
    let age = |tenant: &Tenant| (tenant.meta().creation_timestamp.clone(), tenant.name_any());
    let serves = |other: &&Other| other.has.serves(host);
    let comes_first = |other: &&Other| {
        other.tenant.spec.host == *host && claims(&other.tenant) && age(&other.tenant) < age(tenant)
    };
    let serving = others.iter().find(serves);
    let other = serving.or_else(|| others.iter().find(comes_first));
    other.map(|other| other.tenant.name_any())
}

/// Connections by server. A record of an earlier version does not say how many.
fn reserved(others: &[Other]) -> BTreeMap<String, i32> {
    let mut reserved = BTreeMap::new();
    for Other { tenant, has } in others {
        if let Some(server) = &has.postgres {
            let connections = has.connections;
            let connections = connections.unwrap_or_else(|| connections_of(&tenant.spec));
            *reserved.entry(server.clone()).or_default() += connections;
        }
    }
    reserved
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::tenant::fixtures;

    const HOST: &str = "skyways.example";

    fn tenant(name: &str, created: &str, change: Value) -> Tenant {
        let mut tenant = fixtures::tenant(change);
        tenant.metadata.name = Some(name.to_owned());
        let created = serde_json::from_value(json!(created)).unwrap();
        tenant.metadata.creation_timestamp = Some(created);
        tenant
    }

    fn serving(host: &str) -> Holdings {
        Holdings {
            host: Some(host.to_owned()),
            ..Holdings::default()
        }
    }

    #[rstest]
    #[case::older_and_waiting("2026-01-01T00:00:00Z", json!({}), None, true)]
    #[case::younger_and_waiting("2026-01-03T00:00:00Z", json!({}), None, false)]
    #[case::as_old_and_first_by_name("2026-01-02T00:00:00Z", json!({}), None, true)]
    #[case::younger_and_serving("2026-01-03T00:00:00Z", json!({}), Some(HOST), true)]
    #[case::serving_what_it_no_longer_wants("2026-01-03T00:00:00Z", json!({"host": "new.example"}), Some(HOST), true)]
    #[case::older_and_serving_another("2026-01-01T00:00:00Z", json!({}), Some("old.example"), true)]
    #[case::older_and_only_observed("2026-01-01T00:00:00Z", json!({"mode": "Observe"}), None, false)]
    #[case::observed_and_serving("2026-01-03T00:00:00Z", json!({"mode": "Observe"}), Some(HOST), true)]
    #[case::older_and_suspended("2026-01-01T00:00:00Z", json!({"suspend": true}), None, false)]
    fn a_host_is_whose_it_was_and_then_the_oldest_s(
        #[case] created: &str,
        #[case] change: Value,
        #[case] serves: Option<&str>,
        #[case] is_taken: bool,
    ) {
        let wanting = tenant("b", "2026-01-02T00:00:00Z", json!({}));
        let others = [Other {
            tenant: Arc::new(tenant("a", created, change)),
            has: serves.map(serving).unwrap_or_default(),
        }];
        let taken = host_taken_by(&wanting, &Holdings::default(), &others);
        assert_eq!(taken.is_some(), is_taken, "{taken:?}");
        assert_eq!(host_taken_by(&wanting, &serving(HOST), &others), None);
    }

    #[test]
    fn what_a_retained_tenant_had_is_in_use_until_it_is_gone() {
        let mut ending = tenant("a", "2026-01-01T00:00:00Z", json!({}));
        let mut has = serving(HOST);
        assert!(in_use(&ending, has.clone()).serves(HOST));
        has.is_retained = true;
        assert!(!in_use(&ending, has.clone()).serves(HOST));
        ending.metadata.deletion_timestamp = ending.metadata.creation_timestamp.clone();
        assert!(in_use(&ending, has).serves(HOST));
    }

    #[test]
    fn a_tenant_has_what_its_record_says_whatever_it_declares() {
        let other = |declared: Value, connections| Other {
            tenant: Arc::new(tenant("a", "2026-01-01T00:00:00Z", declared)),
            has: Holdings {
                postgres: Some("main".to_owned()),
                connections,
                ..Holdings::default()
            },
        };
        let invalid = json!({"admins": [], "api": {"replicas": 3}});
        for (connections, expected) in [(Some(36), 36), (None, 48)] {
            let reserved = reserved(&[other(invalid.clone(), connections)]);
            assert_eq!(reserved, BTreeMap::from([("main".to_owned(), expected)]));
        }
    }
}
