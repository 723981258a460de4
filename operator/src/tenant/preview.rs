//! What would be done to the objects of a tenant that is only observed.

use albatross_crds::tenant::{Action, MAX_PLANNED, MAX_PLANNED_FIELDS, PlannedChange};
use kube::api::DynamicObject;
use kube::{Api, ResourceExt};

use crate::context::Context;
use crate::context::live::Live;
use crate::context::object::{Wanted, dynamic};
use crate::context::record::TenantRecord;
use crate::tenant::apply::{self, Applicable};
use crate::tenant::build;
use crate::tenant::dereference::Record;
use crate::tenant::error::Error;
use crate::tenant::input;
use crate::tenant::validate::Plan;

/// Longest path of a field that is listed.
const LONGEST_PATH: usize = 253;

/// What would be created, changed and deleted. A tenant that has claimed nothing gets credentials that nobody is told.
pub async fn changes(
    plan: &Plan,
    record: &Record,
    is_migrated: bool,
    ctx: &Context,
) -> Result<Vec<PlannedChange>, Error> {
    let record = match record {
        Record::Present(record) => (**record).clone(),
        Record::Absent | Record::Unreadable(_) => {
            TenantRecord::generate(ctx.entropy.as_ref(), plan.servers.names())
        }
    };
    let Some(input) = input::read(plan, &record, ctx).await else {
        return Ok(Vec::new());
    };
    let wanted = &Applicable::new(build::build(&input));
    let mut changes = Vec::new();
    let migration = (!is_migrated).then_some(&wanted.migration);
    for object in wanted.all().chain(migration) {
        let live = live(object, ctx).await?;
        changes.extend(change(object, live.as_ref()));
    }
    let unwanted = apply::unwanted(plan, wanted, is_migrated, ctx);
    let deletions = unwanted.iter().map(|(resource, object)| PlannedChange {
        kind: resource.kind.clone(),
        name: object.name_any(),
        action: Action::Delete,
        fields: Vec::new(),
    });
    changes.extend(deletions);
    changes.truncate(MAX_PLANNED);
    Ok(changes)
}

/// As last seen; copies of Secrets are not watched, and asked for.
async fn live(wanted: &Wanted, ctx: &Context) -> Result<Option<DynamicObject>, Error> {
    let name = wanted.object.name_any();
    if wanted.resource.kind == "Namespace" {
        let live = ctx.caches.namespace(&name);
        return Ok(live.map(|live| dynamic(&*live)));
    }
    if !wanted.is_secret() {
        return Ok(ctx.caches.live(wanted));
    }
    let namespace = wanted.object.namespace().unwrap_or_default();
    // Elsewhere the operator has no right to ask, and there is nothing.
    if namespace != ctx.namespace && ctx.caches.namespace(&namespace).is_none() {
        return Ok(None);
    }
    let client = ctx.client.clone();
    let api: Api<Live> = Api::namespaced_with(client, &namespace, &wanted.resource);
    Ok(api.get_opt(&name).await?.map(|Live(live)| live))
}

/// What is to be done to one object; nothing if it is as wanted.
fn change(wanted: &Wanted, live: Option<&DynamicObject>) -> Option<PlannedChange> {
    let (action, fields) = match live {
        None => (Action::Create, Vec::new()),
        Some(live) if wanted.is_met_by(live) => return None,
        Some(live) => (Action::Change, wanted.differences(live)),
    };
    let short = |path: String| path.chars().take(LONGEST_PATH).collect();
    let fields = fields.into_iter().take(MAX_PLANNED_FIELDS).map(short);
    Some(PlannedChange {
        kind: wanted.resource.kind.clone(),
        name: wanted.object.name_any(),
        action,
        fields: fields.collect(),
    })
}

/// The plan in a sentence.
pub fn sentence(changes: &[PlannedChange]) -> String {
    let count = |action| {
        changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    };
    format!(
        "spec.mode is Observe: nothing is changed; {} objects would be created, {} changed, {} deleted, see status.plan",
        count(Action::Create),
        count(Action::Change),
        count(Action::Delete)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    fn applicable(change: serde_json::Value) -> Applicable {
        let plan = fixtures::plan(change);
        let record = fixtures::record(&plan);
        Applicable::new(build::build(&fixtures::input(&plan, &record)))
    }

    #[test]
    fn what_is_as_wanted_is_not_planned_and_what_is_not_there_is_created() {
        for object in applicable(json!({})).all() {
            assert_eq!(change(object, Some(&object.object)), None);
            let created = change(object, None).unwrap();
            assert_eq!(created.action, Action::Create);
            assert_eq!(created.name, object.object.name_any());
        }
    }

    #[test]
    fn what_would_be_changed_is_told_and_never_what_it_says() {
        let (before, after) = (
            applicable(json!({})),
            applicable(json!({
                "api": {"replicas": 3},
                "admins": [{"email": "grace@skyways.example", "displayName": "Grace"}],
            })),
        );
        let changed: Vec<PlannedChange> = after
            .all()
            .zip(before.all())
            .filter_map(|(wanted, live)| change(wanted, Some(&live.object)))
            .collect();
        let of = |kind: &str, name: &str| {
            let mut changed = changed.iter();
            changed.find(|change| change.kind == kind && change.name == name)
        };
        let api = of("Deployment", "api").unwrap();
        assert_eq!(api.action, Action::Change);
        assert_eq!(api.fields, ["spec.replicas"]);
        let links = of("Secret", "albatross-admin-links").unwrap();
        assert!(links.fields.iter().all(|path| path.starts_with("data.")));
        assert!(sentence(&changed).contains("0 objects would be created"));
        assert!(changed.len() < 5, "{changed:?}");
    }
}
