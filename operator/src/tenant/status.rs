//! The status that follows from how the parts are doing: pure, but for the writing of it.

use std::time::Duration;

use albatross_crds::conditions::{self, ConditionStatus, ConditionType, ConditionUpdate, Reason};
use albatross_crds::tenant::{
    ApiStatus, ExternalResource, ExternalResourceKind, PlannedChange, Tenant, TenantStatus,
};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::config::Acl;
use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::names;
use crate::tenant::error::Error;
use crate::tenant::external::External;
use crate::tenant::hibernation::Hibernation;
use crate::tenant::part::{Part, State};
use crate::tenant::preview;
use crate::tenant::refusal::Refusal;
use crate::tenant::transitions;
use crate::tenant::validate::Plan;

/// Progress is told so often at most: each pod of a rollout would be a write, or two.
pub const PROGRESS: Duration = Duration::from_secs(1);

/// Everything that the status of a running tenant says.
#[derive(Debug, Clone)]
pub struct Facts {
    pub external: External,
    pub schema: Part,
    pub available: Part,
    pub rollout: Part,
    pub admins: Part,
    pub hibernation: Hibernation,
    pub exposure: Part,
    /// Whether anybody else lays hands on the objects.
    pub contention: Part,
    pub api: ApiStatus,
    /// Version of the runtime and of its schema, if it has said.
    pub runtime: Option<(String, i64)>,
    pub suspended: bool,
    /// A pod starts that cannot be told its state yet.
    pub starting: bool,
    /// What it waits for to be moved to the operator's image.
    pub turn: Option<Part>,
    /// What would be done for a tenant that is only observed.
    pub planned: Option<Vec<PlannedChange>>,
}

impl Facts {
    /// The state of the part that keeps the tenant from being ready.
    pub fn worst(&self) -> Option<State> {
        let parts = self.parts();
        [State::Stalled, State::Failing, State::Waiting]
            .into_iter()
            .find(|state| parts.iter().any(|(_, part)| part.state == *state))
    }

    /// What waits for us waits in vain while the tenant is suspended or observed; pods that there are go on by themselves.
    pub fn hold(&mut self, has_pods: bool) {
        let (reason, why) = match self.suspended {
            true => (Reason::Suspended, "spec.suspend is true"),
            false => (Reason::Observing, "spec.mode is Observe"),
        };
        let External {
            database,
            broker,
            cache,
        } = &mut self.external;
        let pods = Some(&mut self.rollout).filter(|_| !has_pods);
        let ours = [database, broker, cache, &mut self.schema, &mut self.admins];
        for part in ours.into_iter().chain(pods) {
            if part.state == State::Waiting {
                *part = Part::stalled(reason, format!("nothing is changed while {why}"));
            }
        }
    }

    /// Every part, with its condition if it has one of its own.
    fn parts(&self) -> [(Option<ConditionType>, &Part); 10] {
        [
            // First: as long as it lasts, the others come and go with each change.
            (None, &self.contention),
            (Some(ConditionType::DatabaseReady), &self.external.database),
            (Some(ConditionType::BrokerReady), &self.external.broker),
            (Some(ConditionType::CacheReady), &self.external.cache),
            (Some(ConditionType::SchemaReady), &self.schema),
            (Some(ConditionType::RuntimeAvailable), &self.available),
            (Some(ConditionType::AdminsReady), &self.admins),
            (None, &self.rollout),
            (None, &self.hibernation.part),
            (None, &self.exposure),
        ]
    }
}

/// Identity and names: what is known before anything is made.
pub fn identity(status: &mut TenantStatus, plan: &Plan, record: &TenantRecord) {
    status.tenant_id = Some(record.tenant_id.to_string());
    status.namespace = Some(plan.namespace.clone());
    status.endpoint = Some(plan.endpoint.clone());
    status.selector = Some(format!(
        "{}={},{}={}",
        names::COMPONENT_LABEL,
        names::API,
        names::TENANT_LABEL,
        plan.tenant.name
    ));
    status.resources = resources(plan, record);
    if status.api.is_none() {
        status.api = Some(ApiStatus::default());
    }
}

/// The first status of a generation that is being worked on.
pub fn claimed(
    status: &mut TenantStatus,
    plan: &Plan,
    record: &TenantRecord,
    generation: i64,
    now: Timestamp,
) {
    identity(status, plan, record);
    status.observed_generation = Some(generation);
    let mut set = setter(status, generation, now);
    let message = "the tenant is being set up";
    set(
        ConditionType::Ready,
        ConditionStatus::Unknown,
        Reason::Provisioning,
        message,
    );
    set(
        ConditionType::Reconciling,
        ConditionStatus::True,
        Reason::Provisioning,
        message,
    );
    set(
        ConditionType::Stalled,
        ConditionStatus::False,
        Reason::Reconciling,
        "",
    );
}

/// The status of a tenant that is being run.
pub fn observed(status: &mut TenantStatus, facts: &Facts, generation: i64, now: Timestamp) {
    status.observed_generation = Some(generation);
    status.api = Some(facts.api.clone());
    status.plan = facts.planned.clone().unwrap_or_default();
    if let Some((version, schema_version)) = &facts.runtime {
        status.version = Some(version.clone());
        status.schema_version = Some(*schema_version);
    }
    let mut set = setter(status, generation, now);
    let parts = facts.parts();
    for (condition, part) in parts {
        if let Some(condition) = condition {
            set(condition, part.status(), part.reason, &part.message);
        }
    }
    let well = if facts.hibernation.asleep {
        (Reason::Hibernated, facts.hibernation.part.message.as_str())
    } else {
        (Reason::Available, "the airline is up and as declared")
    };
    summarise(&mut set, parts.iter().map(|(_, part)| *part), well);
    let planned = facts.planned.as_ref();
    if let Some(planned) = planned.filter(|planned| !planned.is_empty()) {
        // Waiting does not help: somebody has to say Apply.
        let (no, yes, reason) = (
            ConditionStatus::False,
            ConditionStatus::True,
            Reason::Observing,
        );
        let message = preview::sentence(planned);
        set(ConditionType::Ready, no, reason, &message);
        set(ConditionType::Reconciling, no, reason, "");
        set(ConditionType::Stalled, yes, reason, &message);
    }
    let (pending, yes) = (ConditionType::UpgradePending, ConditionStatus::True);
    if let Some(turn) = &facts.turn {
        set(pending, yes, turn.reason, &turn.message);
    }
    let suspended = ConditionType::Suspended;
    if facts.suspended {
        let message = "spec.suspend is true: nothing is changed";
        set(suspended, yes, Reason::Suspended, message);
    } else if planned.is_some() {
        let message = "spec.mode is Observe: nothing is changed";
        set(suspended, yes, Reason::Observing, message);
    }
    drop(set);
    if !facts.suspended && planned.is_none() {
        conditions::remove(&mut status.conditions, suspended);
    }
    if facts.turn.is_none() {
        conditions::remove(&mut status.conditions, pending);
    }
}

/// Takes back what was said of the spec before: this one is neither carried out nor held back.
fn unsay(status: &mut TenantStatus) {
    status.plan = Vec::new();
    for said in [ConditionType::Suspended, ConditionType::UpgradePending] {
        conditions::remove(&mut status.conditions, said);
    }
}

/// The status of a tenant that waiting will not help.
pub fn refused(status: &mut TenantStatus, refusal: &Refusal, generation: i64, now: Timestamp) {
    status.observed_generation = Some(generation);
    unsay(status);
    let Refusal { reason, message } = refusal;
    let mut set = setter(status, generation, now);
    set(
        ConditionType::Ready,
        ConditionStatus::False,
        *reason,
        message,
    );
    set(
        ConditionType::Reconciling,
        ConditionStatus::False,
        *reason,
        "",
    );
    set(
        ConditionType::Stalled,
        ConditionStatus::True,
        *reason,
        message,
    );
}

/// The status of a tenant that the API server or an external system keeps from getting on.
pub fn failing(
    status: &mut TenantStatus,
    condition: Option<ConditionType>,
    reason: Reason,
    message: &str,
    generation: i64,
    now: Timestamp,
) {
    if status.observed_generation.replace(generation) != Some(generation) {
        unsay(status);
    }
    let mut set = setter(status, generation, now);
    set(
        ConditionType::Ready,
        ConditionStatus::False,
        reason,
        message,
    );
    set(
        ConditionType::Reconciling,
        ConditionStatus::True,
        reason,
        message,
    );
    set(ConditionType::Stalled, ConditionStatus::False, reason, "");
    if let Some(condition) = condition {
        set(condition, ConditionStatus::True, reason, message);
    }
}

/// Ready is what the first part says that is not done, else `well`; what is stalled weighs more than what may mend.
fn summarise<'a>(
    set: &mut impl FnMut(ConditionType, ConditionStatus, Reason, &str),
    parts: impl Iterator<Item = &'a Part> + Clone,
    well: (Reason, &str),
) {
    let worst = |state: State| parts.clone().find(|part| part.state == state);
    let blocking = worst(State::Stalled)
        .or_else(|| worst(State::Failing))
        .or_else(|| worst(State::Waiting));
    let (no, yes) = (ConditionStatus::False, ConditionStatus::True);
    match blocking {
        None => {
            set(ConditionType::Ready, yes, well.0, well.1);
            set(ConditionType::Reconciling, no, Reason::UpToDate, "");
            set(ConditionType::Stalled, no, Reason::UpToDate, "");
        }
        Some(part) if part.state == State::Stalled => {
            set(ConditionType::Ready, no, part.reason, &part.message);
            set(ConditionType::Reconciling, no, part.reason, "");
            set(ConditionType::Stalled, yes, part.reason, &part.message);
        }
        Some(part) => {
            let ready = match part.state {
                State::Waiting => ConditionStatus::Unknown,
                _ => no,
            };
            set(ConditionType::Ready, ready, part.reason, &part.message);
            set(ConditionType::Reconciling, yes, part.reason, &part.message);
            set(ConditionType::Stalled, no, part.reason, "");
        }
    }
}

fn setter(
    status: &mut TenantStatus,
    generation: i64,
    now: Timestamp,
) -> impl FnMut(ConditionType, ConditionStatus, Reason, &str) {
    let list = &mut status.conditions;
    move |condition, status, reason, message| {
        let update = ConditionUpdate {
            condition,
            status,
            reason,
            message: message.to_owned(),
            observed_generation: generation,
        };
        conditions::set(list, update, now);
    }
}

/// What the operator makes; an account that it is given is none of it.
fn resources(plan: &Plan, record: &TenantRecord) -> Vec<ExternalResource> {
    let of = |kind, server: &Option<String>, name: &str| {
        server.as_ref().map(|server| ExternalResource {
            kind,
            server: server.clone(),
            name: name.to_owned(),
        })
    };
    let postgres = Some(record.servers.postgres.clone());
    let rabbitmq = &record.servers.rabbitmq;
    let redis = plan.servers.redis.as_ref();
    let redis = redis.filter(|server| server.acl == Acl::Managed);
    let redis = &redis.map(|server| server.name.clone());
    let names = &record.names;
    [
        of(ExternalResourceKind::Database, &postgres, &names.database),
        of(
            ExternalResourceKind::DatabaseRole,
            &postgres,
            &names.owner_role,
        ),
        of(
            ExternalResourceKind::DatabaseRole,
            &postgres,
            &names.migrate_role,
        ),
        of(
            ExternalResourceKind::DatabaseRole,
            &postgres,
            &names.app_role,
        ),
        of(ExternalResourceKind::Vhost, rabbitmq, &names.vhost),
        of(
            ExternalResourceKind::BrokerUser,
            rabbitmq,
            &names.broker_user,
        ),
        of(ExternalResourceKind::CacheUser, redis, &names.cache_user),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes the status if it differs, and an event if readiness has changed.
pub async fn write(
    tenant: &Tenant,
    ctx: &Context,
    change: impl FnOnce(&mut TenantStatus),
) -> Result<(), Error> {
    patch(tenant, Duration::ZERO, ctx, change).await.map(drop)
}

/// The same, but for progress that follows a write too soon. Says whether any is left to be told.
pub async fn write_in_time(
    tenant: &Tenant,
    ctx: &Context,
    change: impl FnOnce(&mut TenantStatus),
) -> Result<bool, Error> {
    patch(tenant, PROGRESS, ctx, change).await
}

#[tracing::instrument(name = "status", level = "debug", skip_all)]
async fn patch(
    tenant: &Tenant,
    pause: Duration,
    ctx: &Context,
    change: impl FnOnce(&mut TenantStatus),
) -> Result<bool, Error> {
    let before = ctx.writer.status_of(tenant, tenant.status.as_ref());
    let mut after = before.clone();
    change(&mut after);
    if before == after {
        return Ok(false);
    }
    let (name, now) = (tenant.name_any(), ctx.clock.now());
    let reported = ctx.memory.of(&name).reported;
    let is_soon = reported.is_some_and(|at| now.duration_since(at).unsigned_abs() < pause);
    if is_soon && is_progress(&before, &after) {
        return Ok(true);
    }
    ctx.writer.status(tenant, &after).await?;
    ctx.memory
        .update(&name, |memory| memory.reported = Some(now));
    transitions::tell(tenant, &before, &after, ctx).await;
    Ok(false)
}

/// Whether nothing but numbers of pods and messages differ: every condition is as it was, and so is what it is said of.
fn is_progress(before: &TenantStatus, after: &TenantStatus) -> bool {
    let essence = |status: &TenantStatus| {
        let mut status = status.clone();
        status.api = None;
        let conditions = status.conditions.iter_mut();
        conditions.for_each(|condition| condition.message.clear());
        status
    };
    essence(before) == essence(after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use albatross_crds::tenant::Action;

    use super::*;
    use crate::tenant::{fixtures, hibernation};

    fn facts() -> Facts {
        let done = || Part::done(Reason::UpToDate, "");
        Facts {
            external: External {
                database: done(),
                broker: done(),
                cache: done(),
            },
            schema: done(),
            available: done(),
            rollout: done(),
            admins: done(),
            hibernation: hibernation::settled(false),
            exposure: done(),
            contention: done(),
            api: ApiStatus {
                replicas: 1,
                ready_replicas: 1,
            },
            runtime: Some(("0.1.0".to_owned(), 5)),
            suspended: false,
            starting: false,
            turn: None,
            planned: None,
        }
    }

    fn after(facts: &Facts) -> TenantStatus {
        let mut status = TenantStatus::default();
        observed(&mut status, facts, 2, fixtures::NOW.parse().unwrap());
        status
    }

    #[test]
    fn progress_is_what_changes_no_condition() {
        let mut rolling = facts();
        let waiting = |message: &str| Part::waiting(Reason::RollingOut, message);
        rolling.rollout = waiting("1 of 2 pods are up to date");
        let before = after(&rolling);
        rolling.rollout = waiting("2 of 2 pods are up to date");
        rolling.api.replicas = 2;
        assert!(is_progress(&before, &after(&rolling)));
        assert!(!is_progress(&before, &after(&facts())));
        let mut of_another = before.clone();
        of_another.observed_generation = Some(3);
        assert!(!is_progress(&before, &of_another));
        rolling.available = waiting("no pod is ready yet");
        assert!(!is_progress(&before, &after(&rolling)));
    }

    fn ready(status: &TenantStatus) -> (String, String) {
        let ready = conditions::find(&status.conditions, ConditionType::Ready).unwrap();
        (ready.status.clone(), ready.reason.clone())
    }

    #[test]
    fn the_first_status_says_all_that_tools_look_at_at_once() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let mut status = TenantStatus::default();
        claimed(
            &mut status,
            &plan,
            &record,
            1,
            fixtures::NOW.parse().unwrap(),
        );
        insta::assert_yaml_snapshot!(status);
    }

    #[test]
    fn a_user_that_others_make_is_no_resource_of_the_operators() {
        let made = |redis: &str| {
            let plan = fixtures::plan(json!({"placement": {"redis": redis}}));
            let resources = resources(&plan, &fixtures::record(&plan));
            let mut kinds = resources.iter().map(|resource| resource.kind);
            kinds.any(|kind| kind == ExternalResourceKind::CacheUser)
        };
        assert!(made("main"));
        assert!(!made("given"));
    }

    #[test]
    fn a_tenant_is_ready_when_every_part_is() {
        let status = after(&facts());
        assert_eq!(ready(&status), ("True".to_owned(), "Available".to_owned()));
        assert_eq!(status.observed_generation, Some(2));
        assert_eq!(status.schema_version, Some(5));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Reconciling
        ));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Stalled
        ));
    }

    #[test]
    fn a_server_that_is_away_is_named_and_may_come_back() {
        let mut facts = facts();
        facts.external.broker = Part::failing(Reason::BrokerUnreachable, "server mq is away");
        let status = after(&facts);
        assert_eq!(
            ready(&status),
            ("False".to_owned(), "BrokerUnreachable".to_owned())
        );
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::Reconciling
        ));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Stalled
        ));
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::DatabaseReady
        ));
        assert_eq!(facts.worst(), Some(State::Failing));
    }

    #[test]
    fn what_is_stalled_weighs_more_than_what_may_mend() {
        let mut facts = facts();
        facts.rollout = Part::waiting(Reason::RollingOut, "");
        facts.external.cache = Part::failing(Reason::CacheUnreachable, "");
        facts.external.broker = Part::stalled(Reason::ResourceConflict, "foreign");
        let status = after(&facts);
        assert_eq!(ready(&status).1, "ResourceConflict");
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::Stalled
        ));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Reconciling
        ));
    }

    #[test]
    fn the_same_facts_again_change_nothing() {
        let first = after(&facts());
        let mut second = first.clone();
        observed(
            &mut second,
            &facts(),
            2,
            "2027-01-01T00:00:00Z".parse().unwrap(),
        );
        assert_eq!(first, second);
    }

    #[test]
    fn a_hibernated_tenant_is_ready_and_says_why() {
        let mut facts = facts();
        facts.hibernation = hibernation::settled(true);
        let status = after(&facts);
        assert_eq!(ready(&status), ("True".to_owned(), "Hibernated".to_owned()));
        assert_eq!(facts.worst(), None);
    }

    #[test]
    fn suspension_is_said_and_unsaid() {
        let mut suspended = facts();
        suspended.suspended = true;
        let mut status = after(&suspended);
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::Suspended
        ));
        observed(&mut status, &facts(), 3, fixtures::NOW.parse().unwrap());
        assert!(conditions::find(&status.conditions, ConditionType::Suspended).is_none());
    }

    #[test]
    fn who_waits_for_an_upgrade_is_ready_and_told_until_it_goes() {
        let mut waiting = facts();
        waiting.turn = Some(Part::waiting(Reason::WaitingForRollout, "later"));
        let mut status = after(&waiting);
        assert_eq!(ready(&status), ("True".to_owned(), "Available".to_owned()));
        let pending = ConditionType::UpgradePending;
        let told = conditions::find(&status.conditions, pending).unwrap();
        assert_eq!(told.reason, "WaitingForRollout");
        observed(&mut status, &facts(), 2, fixtures::NOW.parse().unwrap());
        assert!(conditions::find(&status.conditions, pending).is_none());
    }

    #[test]
    fn a_plan_is_shown_while_the_tenant_is_observed() {
        let mut observing = facts();
        observing.planned = Some(Vec::new());
        let mut status = after(&observing);
        assert_eq!(ready(&status).1, "Available");
        observing.planned = Some(vec![PlannedChange {
            kind: "Deployment".to_owned(),
            name: "api".to_owned(),
            action: Action::Create,
            fields: Vec::new(),
        }]);
        let now = fixtures::NOW.parse().unwrap();
        observed(&mut status, &observing, 2, now);
        assert_eq!(ready(&status), ("False".to_owned(), "Observing".to_owned()));
        let list = &status.conditions;
        assert!(conditions::is_true(list, ConditionType::Suspended));
        assert!(conditions::is_true(list, ConditionType::Stalled));
        assert!(!conditions::is_true(list, ConditionType::Reconciling));
        assert_eq!(status.plan.len(), 1);
        observed(&mut status, &facts(), 3, now);
        assert!(status.plan.is_empty());
        assert!(conditions::find(&status.conditions, ConditionType::Suspended).is_none());
    }

    #[test]
    fn a_refusal_is_stalled_with_its_message() {
        let mut status = TenantStatus::default();
        let refusal = Refusal {
            reason: Reason::HostConflict,
            message: "taken".to_owned(),
        };
        refused(&mut status, &refusal, 1, fixtures::NOW.parse().unwrap());
        assert_eq!(
            ready(&status),
            ("False".to_owned(), "HostConflict".to_owned())
        );
        assert!(conditions::is_true(
            &status.conditions,
            ConditionType::Stalled
        ));
    }
}
