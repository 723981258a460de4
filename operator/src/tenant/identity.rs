//! Which record is a tenant's own: the one that was made for it, or the one of a retained tenant that it takes back.

use albatross_crds::Tenant;
use albatross_crds::conditions::Reason;
use kube::ResourceExt;

use crate::context::record::TenantRecord;
use crate::names;
use crate::tenant::dereference::{Elsewhere, Record, World};
use crate::tenant::refusal::{Refusal, refuse};

/// The record, if there is one; one that is damaged, lost or somebody else's stops everything.
pub fn record<'a>(tenant: &Tenant, world: &'a World) -> Result<Option<&'a TenantRecord>, Refusal> {
    let known = tenant.status.as_ref().and_then(|s| s.tenant_id.as_deref());
    let secret = names::record_secret(&tenant.name_any());
    match &world.record {
        Record::Unreadable(cause) => Err(refuse(
            Reason::CredentialsLost,
            format!("{cause}; restore it from a backup, it is never made anew"),
        )),
        Record::Absent => match (known, adopted(tenant)) {
            (None, None) => Ok(None),
            (None, Some(id)) => Err(not_here(id, &secret, world.surroundings.adopted.as_ref())),
            (Some(id), _) => Err(lost(id, &secret)),
        },
        Record::Present(record) => of_this_name(tenant, record, known, &secret),
    }
}

fn of_this_name<'a>(
    tenant: &Tenant,
    record: &'a TenantRecord,
    known: Option<&str>,
    secret: &str,
) -> Result<Option<&'a TenantRecord>, Refusal> {
    let id = record.tenant_id.to_string();
    if known.is_some_and(|known| known != id) {
        return Err(refuse(
            Reason::CredentialsLost,
            format!("the Secret `{secret}` is of another tenant ({id})"),
        ));
    }
    match adopted(tenant) {
        Some(adopted) if adopted != id => Err(refuse(
            Reason::AdoptionRefused,
            format!(
                "spec.bootstrap.adopt: must be {id}, the tenant of this name, given \"{adopted}\""
            ),
        )),
        None if record.retained_at.is_some() && known.is_none() => Err(refuse(
            Reason::ResourceConflict,
            format!(
                "a retained tenant of this name exists; create this one with spec.bootstrap.adopt: {id} to take it \
                 back, or remove its database and the Secret `{secret}`"
            ),
        )),
        _ => Ok(Some(record)),
    }
}

/// Whether a record under the tenant's name is its own, and not what an earlier tenant of the name left behind.
pub fn is_own(tenant: &Tenant, record: &TenantRecord) -> bool {
    let status = tenant.status.as_ref();
    let known = status.and_then(|status| status.tenant_id.as_deref());
    match known.or(adopted(tenant)) {
        Some(id) => id == record.tenant_id.to_string(),
        None => record.retained_at.is_none(),
    }
}

fn adopted(tenant: &Tenant) -> Option<&str> {
    tenant.spec.bootstrap.as_ref()?.adopt.as_deref()
}

/// A tenant is taken back under its own name only: its namespace and its Secrets are called by it.
fn not_here(id: &str, secret: &str, elsewhere: Option<&Elsewhere>) -> Refusal {
    let Some(Elsewhere {
        tenant: other,
        retained,
    }) = elsewhere
    else {
        return lost(id, secret);
    };
    let problem = if *retained {
        format!("must be taken back by a Tenant of its own name, {other}, given \"{id}\"")
    } else {
        format!("must be a retained tenant, given \"{id}\", which is tenant {other}")
    };
    refuse(
        Reason::AdoptionRefused,
        format!("spec.bootstrap.adopt: {problem}"),
    )
}

fn lost(id: &str, secret: &str) -> Refusal {
    refuse(
        Reason::CredentialsLost,
        format!(
            "the Secret `{secret}` of tenant {id} is not in the operator's namespace; restore it from a backup"
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::context::record::Unreadable;
    use crate::tenant::fixtures;

    const OTHER: &str = "0d4b8a2e-8f3b-4a93-9f0e-2d6f3f6f8f11";

    fn retained() -> TenantRecord {
        let mut record = fixtures::record(&fixtures::plan(json!({})));
        record.retained_at = Some(fixtures::NOW.to_owned());
        record
    }

    fn refusal(tenant: &Tenant, world: &World) -> Refusal {
        record(tenant, world).unwrap_err()
    }

    fn adopting(id: &str) -> Tenant {
        fixtures::tenant(json!({"bootstrap": {"adopt": id}}))
    }

    #[test]
    fn credentials_are_never_made_anew() {
        let mut tenant = fixtures::tenant(json!({}));
        let unreadable = Record::Unreadable(Unreadable {
            secret: "tenant-skyways".to_owned(),
            key: "pepper".to_owned(),
        });
        let found = refusal(&tenant, &fixtures::world(unreadable));
        assert_eq!(found.reason, Reason::CredentialsLost);
        tenant.status = Some(albatross_crds::TenantStatus {
            tenant_id: Some(OTHER.to_owned()),
            ..albatross_crds::TenantStatus::default()
        });
        let found = refusal(&tenant, &fixtures::world(Record::Absent));
        assert_eq!(found.reason, Reason::CredentialsLost);
    }

    #[test]
    fn a_retained_tenant_is_not_taken_for_a_new_one() {
        let record = retained();
        let id = record.tenant_id.to_string();
        let world = fixtures::world(Record::Present(Box::new(record)));
        let found = refusal(&fixtures::tenant(json!({})), &world);
        assert_eq!(found.reason, Reason::ResourceConflict);
        assert!(found.message.contains(&id), "{}", found.message);
    }

    #[test]
    fn what_an_earlier_tenant_left_is_not_the_own_of_one_that_does_not_adopt_it() {
        let mut record = retained();
        let id = record.tenant_id.to_string();
        let mut known = fixtures::tenant(json!({}));
        let new = known.clone();
        known.status = Some(albatross_crds::TenantStatus {
            tenant_id: Some(id.clone()),
            ..albatross_crds::TenantStatus::default()
        });
        assert!(is_own(&known, &record) && is_own(&adopting(&id), &record));
        assert!(!is_own(&new, &record) && !is_own(&adopting(OTHER), &record));
        record.retained_at = None;
        assert!(is_own(&new, &record), "claimed, and not told yet");
    }

    #[test]
    fn a_retained_tenant_is_taken_back_by_its_identity_alone() {
        let retained = retained();
        let id = retained.tenant_id.to_string();
        let world = fixtures::world(Record::Present(Box::new(retained)));
        let found = record(&adopting(&id), &world).unwrap().unwrap();
        assert_eq!(found.tenant_id.to_string(), id);
        let refused = refusal(&adopting(OTHER), &world);
        assert_eq!(refused.reason, Reason::AdoptionRefused);
        assert!(refused.message.contains(&id), "{}", refused.message);
    }

    #[test]
    fn a_tenant_of_another_name_is_not_taken_over() {
        let mut world = fixtures::world(Record::Absent);
        for (retained, said) in [
            (true, "of its own name, nordwind"),
            (false, "tenant nordwind"),
        ] {
            world.surroundings.adopted = Some(Elsewhere {
                tenant: "nordwind".to_owned(),
                retained,
            });
            let found = refusal(&adopting(OTHER), &world);
            assert_eq!(found.reason, Reason::AdoptionRefused);
            assert!(found.message.contains(said), "{}", found.message);
        }
        world.surroundings.adopted = None;
        let found = refusal(&adopting(OTHER), &world);
        assert_eq!(found.reason, Reason::CredentialsLost);
    }
}
