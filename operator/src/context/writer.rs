//! The one place that writes to Kubernetes. What is as wanted already is not written again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{Request, Status, request};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::contention::Contention;
use crate::context::metrics::Metrics;
use crate::context::object::{ObjectKey, Wanted, key_of};
use crate::context::strangers::{self, Owner};
use crate::lease::Leadership;
use crate::names::{API_KEY_UID_ANNOTATION, FIELD_MANAGER, FINALIZER};

/// Applies, patches and deletes, and remembers what it has applied until the caches have caught up.
pub struct Writer {
    client: Client,
    leadership: Arc<Leadership>,
    metrics: Metrics,
    applied: Mutex<HashMap<ObjectKey, Applied>>,
    contention: Contention,
    /// By UID, until the caches show it.
    statuses: Mutex<HashMap<String, Reported>>,
}

struct Applied {
    digest: String,
    resource_version: Option<u64>,
}

/// A status as last written.
struct Reported {
    resource_version: Option<u64>,
    /// A tree of values takes a multiple of its memory.
    json: Box<str>,
}

impl Writer {
    pub fn new(client: Client, leadership: Arc<Leadership>, metrics: Metrics) -> Self {
        Self {
            client,
            leadership,
            metrics,
            applied: Mutex::default(),
            contention: Contention::default(),
            statuses: Mutex::default(),
        }
    }

    /// Server-side apply, unless `live` (from a cache that may lag behind) is as wanted, or somebody else changed it so
    /// often that it has to wait. Says whether it wrote.
    pub async fn apply(
        &self,
        wanted: &Wanted,
        live: Option<&DynamicObject>,
    ) -> Result<bool, kube::Error> {
        let key = wanted.key();
        let is_up_to_date = |live: &DynamicObject| {
            let seen = live.metadata.resource_version.as_deref();
            self.is_last_applied(&key, wanted, seen) || wanted.is_met_by(live)
        };
        if live.is_some_and(is_up_to_date) {
            return Ok(false);
        }
        let is_repair = live.is_some() && self.has_applied(&key, wanted);
        if is_repair && !self.contention.may_repair(&key, Instant::now()) {
            return Ok(false);
        }
        let mut answer = self.put(wanted).await?;
        if answer.has_strangers() {
            self.take_over(wanted).await?;
            answer = self.put(wanted).await?;
        }
        // Whoever was faster once more is found out by what the cache shows.
        let resource_version = answer.version().filter(|_| !answer.has_strangers());
        let applied = Applied {
            digest: wanted.digest.clone(),
            resource_version,
        };
        self.applied().insert(key, applied);
        Ok(true)
    }

    /// Applies; what cannot become as it is declared goes first, whatever labels it wears.
    async fn put(&self, wanted: &Wanted) -> Result<PatchedMetadata, kube::Error> {
        let key = wanted.key();
        let because = match self.send_apply(wanted).await {
            Err(kube::Error::Api(refusal)) if must_be_made_anew(wanted, &refusal) => {
                refusal.message
            }
            Ok(answer) if answer.is_headless() => "the Service has no address".to_owned(),
            answer => return Ok(answer?.metadata),
        };
        let api = self.api(&wanted.resource, key.namespace.as_deref());
        if let Some(live) = api.get_opt(&key.name).await? {
            tracing::info!(
                kind = key.kind,
                namespace = key.namespace,
                name = key.name,
                because,
                "it is made anew"
            );
            self.delete(&wanted.resource, &live).await?;
        }
        Ok(self.send_apply(wanted).await?.metadata)
    }

    async fn send_apply(&self, wanted: &Wanted) -> Result<Patched, kube::Error> {
        let key = wanted.key();
        self.about_to("apply", &key.kind);
        tracing::debug!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            "apply"
        );
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(&wanted.object);
        let at = at(&wanted.resource, key.namespace.as_deref());
        self.send(at.patch(&key.name, &parameters, &patch)).await
    }

    /// Makes what others state in an object the operator's, so that applying it, where that is not stated, takes it away.
    async fn take_over(&self, wanted: &Wanted) -> Result<(), kube::Error> {
        let key = wanted.key();
        let api = self.api(&wanted.resource, key.namespace.as_deref());
        // No answer says which fields they are.
        let Some(live) = api.get_opt(&key.name).await? else {
            return Ok(());
        };
        self.about_to("take over", &key.kind);
        tracing::info!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            "what others have added is taken away"
        );
        let patch = json_patch(strangers::take_over(&live))?;
        let at = at(&wanted.resource, key.namespace.as_deref());
        let request = at.patch(&key.name, &PatchParams::apply(FIELD_MANAGER), &patch);
        self.send(request).await?;
        Ok(())
    }

    /// Server-side apply of a part of an object under another manager's name. Unless `forced`, it fails when somebody
    /// states something else.
    pub async fn apply_as(
        &self,
        manager: &str,
        resource: &ApiResource,
        object: &DynamicObject,
        forced: bool,
    ) -> Result<(), kube::Error> {
        let key = key_of(resource, object);
        self.about_to("apply", &key.kind);
        tracing::debug!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            manager,
            "apply"
        );
        let parameters = PatchParams {
            force: forced,
            ..PatchParams::apply(manager)
        };
        let patch = Patch::Apply(object);
        let at = at(resource, key.namespace.as_deref());
        self.send(at.patch(&key.name, &parameters, &patch)).await?;
        Ok(())
    }

    /// Deletes exactly this object, and not one that took its name. One that is gone already is fine.
    pub async fn delete(
        &self,
        resource: &ApiResource,
        object: &DynamicObject,
    ) -> Result<(), kube::Error> {
        let key = key_of(resource, object);
        let parameters = DeleteParams {
            preconditions: object.uid().map(|uid| Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let api = self.api(resource, key.namespace.as_deref());
        self.about_to("delete", &key.kind);
        tracing::debug!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            "delete"
        );
        self.applied().remove(&key);
        match api.delete(&key.name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Stores a Secret that must not exist yet (no resourceVersion) or must be the one that was read.
    pub async fn store(&self, secret: &Secret) -> Result<Secret, kube::Error> {
        let namespace = secret.namespace().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let parameters = as_operator();
        if secret.metadata.resource_version.is_some() {
            self.about_to("update", "Secret");
            api.replace(&secret.name_any(), &parameters, secret).await
        } else {
            self.about_to("create", "Secret");
            api.create(&parameters, secret).await
        }
    }

    /// The status as last written, if `object` comes from a cache that does not show it yet; else as it shows.
    pub fn status_of<K, S>(&self, object: &K, shown: Option<&S>) -> S
    where
        K: Resource<DynamicType = ()>,
        S: Clone + Default + DeserializeOwned,
    {
        let key = object.uid().unwrap_or_default();
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = match statuses.get(&key) {
            Some(last)
                if version(object.meta().resource_version.as_deref()) < last.resource_version =>
            {
                serde_json::from_str(&last.json).ok()
            }
            Some(_) => {
                statuses.remove(&key);
                None
            }
            None => None,
        };
        newer.or_else(|| shown.cloned()).unwrap_or_default()
    }

    /// Replaces `status` of a Tenant or ApiKey.
    pub async fn status<K, S>(&self, object: &K, status: &S) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()>,
        S: Serialize,
    {
        // A merge patch would keep fields that the new status no longer has.
        let json = serde_json::to_string(status).map_err(kube::Error::SerdeError)?;
        let patch = json_patch(json!([{"op": "add", "path": "/status", "value": status}]))?;
        self.about_to("status", &K::kind(&()));
        let (name, parameters) = (object.name_any(), PatchParams::default());
        let request = at_kind_of(object).patch_subresource("status", &name, &parameters, &patch);
        let last = Reported {
            resource_version: self.send(request).await?.metadata.version(),
            json: json.into(),
        };
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.insert(object.uid().unwrap_or_default(), last);
        Ok(())
    }

    /// Nothing more is written about an object that is gone.
    pub fn forget(&self, uid: Option<&str>) {
        self.statuses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid.unwrap_or_default());
    }

    /// The same of all objects but those.
    pub fn forget_all_but(&self, uids: &BTreeSet<String>) {
        self.statuses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|uid, _| uids.contains(uid));
    }

    /// Puts the finalizer on, or takes it off; fails when somebody else changed the list meanwhile.
    pub async fn finalizer<K>(&self, object: &K, present: bool) -> Result<(), kube::Error>
    where
        K: Resource<DynamicType = ()>,
    {
        let mut finalizers = object.finalizers().to_vec();
        if finalizers.iter().any(|name| name == FINALIZER) == present {
            return Ok(());
        }
        finalizers.retain(|name| name != FINALIZER);
        if present {
            finalizers.push(FINALIZER.to_owned());
        }
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.resource_version(),
        }});
        self.about_to("finalizer", &K::kind(&()));
        let (name, parameters) = (object.name_any(), PatchParams::default());
        let request = at_kind_of(object).patch(&name, &parameters, &Patch::Merge(patch));
        match self.send(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if !present && status.is_not_found() => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Whether a cache that shows the version `seen` does not show yet what was applied last.
    pub fn is_behind(&self, key: &ObjectKey, seen: Option<&str>) -> bool {
        let applied = self.applied();
        let last = applied.get(key);
        last.is_some_and(|applied| version(seen) < applied.resource_version)
    }

    /// Whether an object that no cache shows may be made. One that was made before is gone, or hidden, by somebody's hand once a
    /// cache `has_seen` what was written then: to make it again is a repair like any other.
    pub fn may_make(
        &self,
        key: &ObjectKey,
        wanted: &Wanted,
        has_seen: impl FnOnce(u64) -> bool,
    ) -> bool {
        let made = {
            let applied = self.applied();
            let last = applied.get(key).filter(|it| it.digest == wanted.digest);
            last.and_then(|applied| applied.resource_version)
        };
        !made.is_some_and(has_seen) || self.contention.may_repair(key, Instant::now())
    }

    /// Nothing of a namespace that is gone is remembered.
    pub fn forget_namespace(&self, namespace: &str) {
        self.applied().retain(|key, _| !key.is_of(namespace));
    }

    /// What of a namespace somebody else changes again and again, as `Kind name`.
    pub fn fought_over(&self, namespace: &str) -> Vec<String> {
        self.contention.fought_over(namespace, Instant::now())
    }

    /// Whether a cache that shows the version `seen` is behind our own write of `wanted`, or shows just that. Then there is
    /// nothing to compare.
    pub fn is_last_applied(&self, key: &ObjectKey, wanted: &Wanted, seen: Option<&str>) -> bool {
        let applied = self.applied();
        let same = applied.get(key).filter(|it| it.digest == wanted.digest);
        same.is_some_and(|applied| version(seen) <= applied.resource_version)
    }

    fn has_applied(&self, key: &ObjectKey, wanted: &Wanted) -> bool {
        let applied = self.applied();
        let last = applied.get(key);
        last.is_some_and(|applied| applied.digest == wanted.digest)
    }

    /// Makes an object that is not to be there yet, and fails if one is. It is as if it had been applied.
    pub async fn create(&self, wanted: &Wanted) -> Result<DynamicObject, kube::Error> {
        let key = wanted.key();
        self.about_to("create", &key.kind);
        tracing::debug!(
            kind = key.kind,
            namespace = key.namespace,
            name = key.name,
            "create"
        );
        let api = self.api(&wanted.resource, key.namespace.as_deref());
        let made = api.create(&as_operator(), &wanted.object).await?;
        // For the server, who makes an object is not who applies it, be it under one name.
        let mut owners = made.managed_fields().to_vec();
        for owner in &mut owners {
            owner.operation = Some("Apply".to_owned());
        }
        let patch = json_patch(json!([
            {"op": "replace", "path": "/metadata/resourceVersion", "value": made.metadata.resource_version},
            {"op": "replace", "path": "/metadata/managedFields", "value": owners},
        ]))?;
        self.about_to("own", &key.kind);
        let at = at(&wanted.resource, key.namespace.as_deref());
        let request = at.patch(&key.name, &PatchParams::apply(FIELD_MANAGER), &patch);
        let owned = self.send(request).await?;
        let applied = Applied {
            digest: wanted.digest.clone(),
            resource_version: owned.metadata.version(),
        };
        self.applied().insert(key, applied);
        Ok(made)
    }

    /// Every write passes here: only the leader writes, and each is counted.
    fn about_to(&self, verb: &str, kind: &str) {
        self.leadership.require();
        self.metrics.written(verb, kind);
    }

    fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Sends a patch. Little of the answer is read.
    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, request::Error>,
    ) -> Result<Patched, kube::Error> {
        let mut request = request.map_err(kube::Error::BuildRequest)?;
        // What spans are called by.
        request.extensions_mut().insert("patch");
        self.client.request(request).await
    }

    fn applied(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, Applied>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a patch.
#[derive(Deserialize)]
struct Patched {
    metadata: PatchedMetadata,
    spec: Option<PatchedSpec>,
}

impl Patched {
    /// A Service that somebody made so keeps no address of its own, and none of the operator's is wanted so.
    fn is_headless(&self) -> bool {
        let address = self.spec.as_ref().and_then(|it| it.cluster_ip.as_deref());
        address == Some("None")
    }
}

#[derive(Deserialize)]
struct PatchedSpec {
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatchedMetadata {
    resource_version: Option<String>,
    #[serde(default)]
    managed_fields: Vec<Owner>,
}

impl PatchedMetadata {
    fn version(&self) -> Option<u64> {
        version(self.resource_version.as_deref())
    }

    fn has_strangers(&self) -> bool {
        self.managed_fields.iter().any(Owner::is_stranger)
    }
}

fn as_operator() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// RFC 6902.
fn json_patch(operations: Value) -> Result<Patch<()>, kube::Error> {
    let operations = serde_json::from_value(operations).map_err(kube::Error::SerdeError)?;
    Ok(Patch::Json(operations))
}

fn at(resource: &ApiResource, namespace: Option<&str>) -> Request {
    Request::new(DynamicObject::url_path(resource, namespace))
}

fn at_kind_of<K: Resource<DynamicType = ()>>(object: &K) -> Request {
    let resource = ApiResource::erase::<K>(&());
    at(&resource, object.namespace().as_deref())
}

/// Some fields are decided when an object is made: the server names the field then, as no policy of the cluster's does. A
/// namespace is never deleted for that, nor a migration that may be running, nor a client's key: to lose its Secret is to
/// revoke it.
fn must_be_made_anew(wanted: &Wanted, refusal: &Status) -> bool {
    const WORDS: [&str; 4] = [
        "immutable",
        "cannot change roleRef",
        "may not change once set",
        "can not be unset",
    ];
    let is_kept = ["Namespace", "Job"].contains(&wanted.resource.kind.as_str())
        || wanted
            .object
            .annotations()
            .contains_key(API_KEY_UID_ANNOTATION);
    let causes = refusal.details.iter().flat_map(|details| &details.causes);
    let is_decided = causes
        .filter(|cause| !cause.field.is_empty())
        .any(|cause| WORDS.iter().any(|words| cause.message.contains(words)));
    refusal.code == 422 && is_decided && !is_kept
}

/// Versions of one kind of object are comparable as numbers.
fn version(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::batch::v1::Job;
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    const DECIDED: &str = "field is immutable";

    fn refusal(code: u16, field: &str, message: &str) -> Status {
        let status = json!({
            "code": code, "message": message,
            "details": {"causes": [{"reason": "FieldValueInvalid", "message": message, "field": field}]},
        });
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn only_what_the_server_decided_is_made_anew() {
        let deployment = Wanted::new(&Deployment::default());
        for (refusal, expected) in [
            (refusal(422, "spec.selector", DECIDED), true),
            (refusal(422, "roleRef", "cannot change roleRef"), true),
            (refusal(422, "spec.replicas", "must be positive"), false),
            (
                refusal(422, "", "images must have immutable digests"),
                false,
            ),
            (refusal(403, "spec.selector", DECIDED), false),
        ] {
            assert_eq!(must_be_made_anew(&deployment, &refusal), expected);
        }
    }

    #[test]
    fn what_must_not_be_lost_stays() {
        let mut key = Secret::default();
        let uid = (API_KEY_UID_ANNOTATION.to_owned(), "u".to_owned());
        key.annotations_mut().extend([uid]);
        let kept = [
            Wanted::new(&Namespace::default()),
            Wanted::new(&Job::default()),
            Wanted::new(&key),
        ];
        let refusal = refusal(422, "data", DECIDED);
        assert!(kept.iter().all(|it| !must_be_made_anew(it, &refusal)));
        let copy = Wanted::new(&Secret::default());
        assert!(must_be_made_anew(&copy, &refusal));
    }
}
