//! How far every tenant is in the rollout of the operator's image, from the declarations, their records and statuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use albatross_crds::conditions::{self, ConditionType};
use albatross_crds::tenant::{Mode, Tenant, TenantStatus};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::config::OperatorConfig;
use crate::context::Context;
use crate::context::upgrade::Images;
use crate::names;
use crate::tenant::dereference;
use crate::tenant::rollout::{Member, Standing};

/// All whom the rollout concerns, as this process knows them.
pub fn members(ctx: &Context) -> Vec<Member> {
    let known = |tenant: &Arc<Tenant>| {
        let name = tenant.name_any();
        let secret = ctx
            .caches
            .secret(&ctx.namespace, &names::record_secret(&name))?;
        let images = match dereference::remembered(&name, &secret, ctx) {
            Some(remembered) => remembered.images.clone(),
            None => Images::of(&secret),
        };
        let status: TenantStatus = ctx.writer.status_of(&**tenant, tenant.status.as_ref());
        member(tenant, &images, Some(&status), &ctx.config)
    };
    ctx.caches
        .tenants
        .state()
        .iter()
        .filter_map(known)
        .collect()
}

/// Whom the rollout does not concern: who is new, going, or told to stay; those whose pods rest come when they wake.
fn member(
    tenant: &Tenant,
    images: &Images,
    status: Option<&TenantStatus>,
    config: &OperatorConfig,
) -> Option<Member> {
    let is = |kind| status.is_some_and(|it| conditions::is_true(&it.conditions, kind));
    let target = &config.defaults.image;
    let canary = config.rollout.is_canary(tenant.labels());
    let upgrade = images.upgrade.as_ref();
    let upgrade = upgrade.filter(|upgrade| upgrade.image == *target);
    let stays = tenant.spec.version.is_some()
        || tenant.spec.suspend
        || tenant.spec.mode == Mode::Observe
        || images.hibernated;
    let is_refused = status.is_some_and(|it| conditions::refusal(&it.conditions).is_some());
    let standing = match (upgrade, images.current()) {
        _ if tenant.metadata.deletion_timestamp.is_some() => return None,
        (Some(upgrade), _) if upgrade.failed => Standing::Failed,
        _ if stays => return None,
        // It cannot go on before somebody has changed something, and only canaries are waited for.
        (Some(_), _) if is_refused && !canary => return None,
        (Some(_), _) => Standing::UnderWay,
        (None, Some(current)) if current != target => {
            if is(ConditionType::Stalled) && !canary {
                return None;
            }
            Standing::Waiting
        }
        (None, _) if canary && !is(ConditionType::Ready) => Standing::UnderWay,
        (None, _) => Standing::Done,
    };
    Some(Member {
        tenant: tenant.name_any(),
        canary,
        standing,
    })
}

/// The same as a gauge over the caches, which every replica keeps.
#[derive(Debug)]
pub struct Upgrades {
    pub tenants: Store<Tenant>,
    pub secrets: Store<Secret>,
    /// The operator's own.
    pub namespace: String,
    pub config: OperatorConfig,
}

impl Upgrades {
    fn member(&self, tenant: &Tenant) -> Option<Member> {
        let record = names::record_secret(&tenant.name_any());
        let secret = ObjectRef::new(&record).within(&self.namespace);
        let images = Images::of(&*self.secrets.get(&secret)?);
        member(tenant, &images, tenant.status.as_ref(), &self.config)
    }
}

impl Collector for Upgrades {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let states = [
            (Standing::Waiting, "waiting"),
            (Standing::UnderWay, "under_way"),
            (Standing::Failed, "failed"),
            (Standing::Done, "done"),
        ];
        let mut counts = BTreeMap::<_, i64>::new();
        for tenant in self.tenants.state() {
            if let Some(member) = self.member(&tenant) {
                *counts.entry(member.standing).or_default() += 1;
            }
        }
        let help = "Tenants without a version of their own, by how far they are on the way to the operator's image";
        let mut gauge = encoder.encode_descriptor("upgrades", help, None, MetricType::Gauge)?;
        for (standing, state) in states {
            let count = counts.get(&standing).copied().unwrap_or_default();
            ConstGauge::new(count).encode(gauge.encode_family(&[("state", state)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::context::upgrade::Upgrade;
    use crate::tenant::fixtures;

    fn images(migrated: &str, upgrade: Option<(&str, bool)>) -> Images {
        Images {
            migrated: Some(migrated.to_owned()),
            upgrade: upgrade.map(|(image, failed)| Upgrade {
                image: image.to_owned(),
                failed,
            }),
            hibernated: false,
        }
    }

    fn standing(change: Value, images: &Images) -> Option<Standing> {
        let mut config = fixtures::config();
        config.defaults.image = "a:2".to_owned();
        let tenant = fixtures::tenant(change);
        let member = member(&tenant, images, None, &config)?;
        Some(member.standing)
    }

    #[rstest]
    #[case("a:1", None, Some(Standing::Waiting))]
    #[case("a:1", Some(("a:2", false)), Some(Standing::UnderWay))]
    #[case("a:2", Some(("a:2", false)), Some(Standing::UnderWay))]
    #[case("a:1", Some(("a:2", true)), Some(Standing::Failed))]
    #[case::on_the_way_to_another("a:1", Some(("a:3", false)), Some(Standing::Waiting))]
    #[case::failed_at_another("a:2", Some(("a:3", true)), Some(Standing::Waiting))]
    #[case("a:2", None, Some(Standing::Done))]
    fn the_record_says_how_far_a_tenant_is(
        #[case] migrated: &str,
        #[case] upgrade: Option<(&str, bool)>,
        #[case] expected: Option<Standing>,
    ) {
        assert_eq!(standing(json!({}), &images(migrated, upgrade)), expected);
    }

    #[rstest]
    #[case(json!({"version": "1.0.0"}))]
    #[case(json!({"suspend": true}))]
    #[case(json!({"mode": "Observe"}))]
    fn who_is_told_to_stay_is_no_part_of_it_unless_it_has_failed(#[case] change: Value) {
        let found = |upgrade| standing(change.clone(), &images("a:1", upgrade));
        assert_eq!(found(None), None);
        assert_eq!(found(Some(("a:2", false))), None);
        assert_eq!(found(Some(("a:2", true))), Some(Standing::Failed));
    }

    #[rstest]
    #[case("ServerFull", None, None)]
    #[case("ServerFull", Some(("a:2", false)), None)]
    #[case::goes_on_all_the_same("GatewayApiMissing", Some(("a:2", false)), Some(Standing::UnderWay))]
    fn nobody_waits_for_whom_only_a_change_helps_on(
        #[case] reason: &str,
        #[case] upgrade: Option<(&str, bool)>,
        #[case] expected: Option<Standing>,
    ) {
        let mut config = fixtures::config();
        config.defaults.image = "a:2".to_owned();
        let status = json!({"conditions": [{
            "type": "Stalled", "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": fixtures::NOW,
        }]});
        let status: TenantStatus = serde_json::from_value(status).unwrap();
        let images = images("a:1", upgrade);
        let found = member(
            &fixtures::tenant(json!({})),
            &images,
            Some(&status),
            &config,
        );
        assert_eq!(found.map(|found| found.standing), expected);
    }

    #[test]
    fn who_sleeps_comes_when_it_wakes() {
        let mut asleep = images("a:1", None);
        asleep.hibernated = true;
        assert_eq!(standing(json!({}), &asleep), None);
    }
}
