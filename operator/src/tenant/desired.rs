//! The state that the runtime is to be in, and the admins' one-time links that belong to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use albatross_crds::ApiKey;
use albatross_crds::admission::admit;
use albatross_crds::validation::validate_api_key;
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};
use secrecy::{ExposeSecret, SecretString};

use crate::context::Context;
use crate::context::key_ring::{Key, KeyRing, known_ids};
use crate::context::record::{AdminLink, TenantRecord};
use crate::context::runtime::{
    AdminRole, AnsweredAdmin, DesiredAdmin, DesiredApiKey, DesiredLimits, DesiredLink,
    DesiredState, DesiredTenant,
};
use crate::context::system::Entropy;
use crate::context::token;
use crate::names;
use crate::tenant::validate::Plan;

/// How long a log-in link can be used.
const LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One of an admitted ApiKey's keys.
#[derive(Debug, Clone)]
pub struct IssuedKey {
    pub api_key: Arc<ApiKey>,
    pub key: Key,
}

/// What the tenant's ApiKeys come to.
#[derive(Debug, Default)]
pub struct DeclaredKeys {
    /// They are to work, or to be known as revoked.
    pub issued: Vec<IssuedKey>,
    /// Ids of those whose declaration says nothing that can be understood: what runs is kept running.
    pub kept: Vec<String>,
}

/// One that is in neither list is revoked.
pub fn declared_keys(plan: &Plan, ctx: &Context) -> DeclaredKeys {
    let mut keys = DeclaredKeys::default();
    let declared = ctx.caches.api_keys_of(&plan.tenant.name);
    let rings = declared.iter().filter_map(|it| it.uid());
    let rings: BTreeSet<String> = rings.map(|uid| names::pending_secret(&uid)).collect();
    // What is stored was issued. If nobody is seen for whom, a watch may have fallen silent, and a revocation is for good.
    for unseen in ctx.caches.key_rings_of(&plan.tenant.name) {
        if !rings.contains(&unseen.name_any())
            && let Ok(ring) = KeyRing::from_secret(&unseen)
        {
            keys.kept.extend(ring.keys().map(|key| key.id.clone()));
        }
    }
    for api_key in declared {
        if api_key.meta().deletion_timestamp.is_some() {
            continue;
        }
        let is_admitted = is_admitted(plan, &api_key, ctx);
        let ring = ring_of(&api_key, ctx);
        match (is_admitted, ring) {
            (Some(true), Some(ring)) => keys.issued.extend(ring.keys().map(|key| IssuedKey {
                api_key: Arc::clone(&api_key),
                key: key.clone(),
            })),
            (Some(false), _) => {}
            (_, ring) if !api_key.spec.revoked => {
                let kept = known_ids(&api_key, ring.as_ref()).into_iter();
                keys.kept.extend(kept.map(str::to_owned));
            }
            _ => {}
        }
    }
    keys.issued.sort_by(|a, b| a.key.id.cmp(&b.key.id));
    keys.kept.sort();
    keys
}

fn ring_of(api_key: &ApiKey, ctx: &Context) -> Option<KeyRing> {
    let name = names::pending_secret(&api_key.uid()?);
    let secret = ctx.caches.secret(&ctx.namespace, &name)?;
    KeyRing::from_secret(&secret).ok()
}

/// None when it cannot be told: the declaration is not valid, or its namespace is not known yet.
fn is_admitted(plan: &Plan, key: &ApiKey, ctx: &Context) -> Option<bool> {
    let namespace = key.namespace().unwrap_or_default();
    let labels = ctx.caches.namespace(&namespace)?.labels().clone();
    let valid = validate_api_key(&key.spec).ok()?;
    Some(admit(&plan.tenant, &valid, &namespace, &labels).is_ok())
}

/// Everything that the runtime is told.
pub fn state(plan: &Plan, record: &TenantRecord, keys: DeclaredKeys) -> DesiredState {
    let pepper = record.pepper();
    DesiredState {
        tenant: DesiredTenant {
            display_name: plan.tenant.display_name.clone(),
            icao_code: plan.tenant.icao_code.clone(),
            public_url: plan.public_url.clone(),
            limits: DesiredLimits {
                pilots: plan.tenant.limits.pilots,
                pireps_per_day: plan.tenant.limits.pireps_per_day,
                storage_bytes: plan.tenant.limits.storage_bytes,
            },
        },
        admins: admins(plan)
            .into_iter()
            .map(|(email, (display_name, role))| DesiredAdmin {
                login_link: record
                    .links
                    .get(&email)
                    .and_then(|link| desired_link(link, &pepper)),
                email,
                display_name,
                role,
            })
            .collect(),
        api_keys: keys
            .issued
            .iter()
            .map(|issued| desired_key(issued, &pepper))
            .collect(),
        kept_api_keys: keys.kept,
    }
}

/// By address; who is in the hosting team is that in every tenant, whatever else is declared.
pub fn admins(plan: &Plan) -> BTreeMap<String, (String, AdminRole)> {
    let declared = plan.tenant.admins.iter().map(|admin| {
        let role = AdminRole::TenantAdmin;
        (admin.email.clone(), (admin.display_name.clone(), role))
    });
    let platform = plan.platform_admins.iter().map(|admin| {
        let role = AdminRole::PlatformAdmin;
        let email = admin.email.to_ascii_lowercase();
        (email, (admin.display_name.clone(), role))
    });
    declared.chain(platform).collect()
}

/// Every admin who has not logged in yet holds a link that still works; nobody else does.
pub fn refresh_links(
    record: &mut TenantRecord,
    plan: &Plan,
    answered: &[AnsweredAdmin],
    now: Timestamp,
    entropy: &dyn Entropy,
) {
    let wanted: BTreeSet<String> = admins(plan).into_keys().collect();
    record.links.retain(|email, _| wanted.contains(email));
    for email in wanted {
        let logged_in = answered
            .iter()
            .any(|admin| admin.has_logged_in && admin.email.eq_ignore_ascii_case(&email));
        let usable = match record.links.get(&email) {
            Some(AdminLink::Used) => true,
            Some(AdminLink::Open { expires_at, .. }) => *expires_at > now,
            None => false,
        };
        if logged_in {
            record.links.insert(email, AdminLink::Used);
        } else if !usable {
            let token = token::login_link(entropy).text.expose_secret().to_owned();
            let expires_at = now.checked_add(LINK_LIFETIME).unwrap_or(Timestamp::MAX);
            record
                .links
                .insert(email, AdminLink::Open { token, expires_at });
        }
    }
}

fn desired_link(link: &AdminLink, pepper: &[u8]) -> Option<DesiredLink> {
    let AdminLink::Open { token, expires_at } = link else {
        return None;
    };
    let secret = SecretString::from(token.clone());
    Some(DesiredLink {
        id: token::id_of(&secret)?.to_owned(),
        digest: token::login_link_digest(pepper, &secret),
        expires_at: *expires_at,
    })
}

fn desired_key(issued: &IssuedKey, pepper: &[u8]) -> DesiredApiKey {
    let IssuedKey { api_key, key } = issued;
    let mut scopes: Vec<String> = api_key
        .spec
        .scopes
        .iter()
        .map(|scope| scope.as_str().to_owned())
        .collect();
    scopes.sort();
    DesiredApiKey {
        key_id: key.id.clone(),
        digest: token::api_key_digest(pepper, &key.text),
        user: api_key
            .spec
            .user
            .as_ref()
            .map(|user| user.to_ascii_lowercase()),
        machine_user: format!(
            "{}/{}",
            api_key.namespace().unwrap_or_default(),
            api_key.name_any()
        ),
        scopes,
        expires_at: Some(key.expires_at),
        revoked: api_key.spec.revoked,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures::{self, Counting};

    fn issued() -> IssuedKey {
        let api_key = serde_json::from_value(json!({
            "apiVersion": "albatross.aero/v1alpha1",
            "kind": "ApiKey",
            "metadata": {"name": "acars", "namespace": "airline-clients", "uid": "k1"},
            "spec": {
                "tenantRef": {"name": "skyways"},
                "scopes": ["track:write", "pireps:write"],
                "ttl": "90d",
                "secretName": "acars",
            },
        }))
        .unwrap();
        let token = token::api_key(&Counting::default());
        IssuedKey {
            api_key: Arc::new(api_key),
            key: Key {
                id: token.id,
                text: token.text,
                issued_at: fixtures::NOW.parse().unwrap(),
                expires_at: "2027-02-22T00:00:00Z".parse().unwrap(),
            },
        }
    }

    #[test]
    fn the_runtime_is_told_digests_and_no_secrets() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let key = issued();
        let issued = vec![key.clone()];
        let kept = Vec::new();
        let state = state(&plan, &record, DeclaredKeys { issued, kept });
        insta::assert_json_snapshot!(state);
        let text = serde_json::to_string(&state).unwrap();
        assert!(!text.contains(key.key.text.expose_secret()));
    }

    #[test]
    fn the_runtime_is_told_its_limits() {
        let plan = fixtures::plan(json!({"limits": {
            "pilots": 20, "pirepsPerDay": 300, "storage": "1.5Gi",
        }}));
        let state = state(&plan, &fixtures::record(&plan), DeclaredKeys::default());
        let expected = json!({"pilots": 20, "pirepsPerDay": 300, "storageBytes": 1_610_612_736});
        assert_eq!(json!(state.tenant.limits), expected);
    }

    #[test]
    fn a_link_is_kept_while_it_works_and_closed_by_its_use() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let links = record.links.clone();
        let entropy = Counting::default();
        let now = fixtures::NOW.parse().unwrap();
        refresh_links(&mut record, &plan, &[], now, &entropy);
        assert_eq!(record.links, links);
        let later = "2026-12-24T00:00:00Z".parse().unwrap();
        refresh_links(&mut record, &plan, &[], later, &entropy);
        assert_ne!(record.links, links);
        let used = [AnsweredAdmin {
            email: "Ada@skyways.example".to_owned(),
            has_logged_in: true,
        }];
        refresh_links(&mut record, &plan, &used, later, &entropy);
        assert_eq!(record.links["ada@skyways.example"], AdminLink::Used);
        let much_later = "2028-01-01T00:00:00Z".parse().unwrap();
        refresh_links(&mut record, &plan, &[], much_later, &entropy);
        assert_eq!(record.links["ada@skyways.example"], AdminLink::Used);
    }

    #[test]
    fn who_is_no_longer_an_admin_has_no_link() {
        let plan = fixtures::plan(json!({}));
        let mut record = fixtures::record(&plan);
        let other = fixtures::plan(json!({
            "admins": [{"email": "grace@skyways.example", "displayName": "Grace"}],
        }));
        let now = fixtures::NOW.parse().unwrap();
        refresh_links(&mut record, &other, &[], now, &Counting::default());
        let holders: Vec<&str> = record.links.keys().map(String::as_str).collect();
        assert_eq!(holders, ["grace@skyways.example", "ops@platform.example"]);
    }
}
