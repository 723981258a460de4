//! The cache of one kind of object in tenants' namespaces. Objects are kept as text: trees of values take a multiple of its
//! memory, and one tenant's are looked at now and then. They are kept by namespace, which is what is asked for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::sync::watch::error::RecvError;

use crate::context::live::{self, Live};
use crate::names::TENANT_LABEL;

/// A kind that is not served may come to be. The watch's own pauses do not grow: each attempt begins with a success.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// What is kept of an object.
#[derive(Debug)]
pub struct Kept {
    name: Box<str>,
    tenant: Option<Box<str>>,
    resource_version: Option<Box<str>>,
    json: Box<[u8]>,
}

/// By namespace. There are few of one kind in each.
#[derive(Default)]
struct Objects(HashMap<Box<str>, Vec<Arc<Kept>>>);

/// A kind of object, and those that there are.
#[derive(Clone)]
pub struct Child {
    pub kind: ApiResource,
    objects: Arc<RwLock<Objects>>,
    latest: Arc<AtomicU64>,
    ready: watch::Receiver<bool>,
}

/// Keeps a [`Child`] up to date.
pub struct Reflection {
    objects: Arc<RwLock<Objects>>,
    /// The newest version of any object that `objects` shows, or shows no more.
    latest: Arc<AtomicU64>,
    /// All have been listed once, or there are none because the cluster does not serve them. The watch goes on trying.
    ready: watch::Sender<bool>,
}

impl Kept {
    fn new(Live(mut object): Live) -> Self {
        object.types = None;
        let boxed = |text: &Option<String>| text.as_deref().map(Box::from);
        Self {
            name: object.name_any().into(),
            tenant: boxed(&object.labels().get(TENANT_LABEL).cloned()),
            resource_version: boxed(&object.metadata.resource_version),
            json: serde_json::to_vec(&object)
                .expect("an object is plain JSON")
                .into(),
        }
    }

    /// As it was last seen, but for who owns which field.
    pub fn object(&self) -> DynamicObject {
        let mut json = serde_json::Deserializer::from_slice(&self.json);
        live::plain(&mut json).expect("what was written can be read")
    }

    /// As much of it as `T` holds: the rest is passed over, which is a fraction of the work.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.json)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn resource_version(&self) -> Option<&str> {
        self.resource_version.as_deref()
    }

    /// As a number: all of one API server are comparable.
    fn version(&self) -> u64 {
        let version = self.resource_version().and_then(|text| text.parse().ok());
        version.unwrap_or_default()
    }
}

impl Objects {
    fn of(&self, namespace: &str) -> &[Arc<Kept>] {
        self.0.get(namespace).map_or(&[], Vec::as_slice)
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Kept>> {
        self.of(namespace).iter().find(|kept| *kept.name == *name)
    }

    fn insert(&mut self, namespace: Box<str>, kept: Kept) {
        let its = self.0.entry(namespace).or_default();
        let kept = Arc::new(kept);
        match its.iter_mut().find(|other| other.name == kept.name) {
            Some(before) => *before = kept,
            None => its.push(kept),
        }
    }

    fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(its) = self.0.get_mut(namespace) {
            its.retain(|kept| *kept.name != *name);
            if its.is_empty() {
                self.0.remove(namespace);
            }
        }
    }
}

impl Child {
    pub fn new(kind: ApiResource) -> (Self, Reflection) {
        let objects = Arc::<RwLock<Objects>>::default();
        let latest = Arc::<AtomicU64>::default();
        let (sender, ready) = watch::channel(false);
        let reflection = Reflection {
            objects: Arc::clone(&objects),
            latest: Arc::clone(&latest),
            ready: sender,
        };
        let child = Self {
            kind,
            objects,
            latest,
            ready,
        };
        (child, reflection)
    }

    /// Waits until all have been listed once, or there are none because the cluster does not serve them.
    pub async fn wait_until_ready(&self) -> Result<(), RecvError> {
        let mut ready = self.ready.clone();
        ready.wait_for(|ready| *ready).await.map(drop)
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Kept>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(namespace, name).cloned()
    }

    /// Whether what was written at `version` must show here, or is gone again.
    pub fn has_seen(&self, version: u64) -> bool {
        self.latest.load(Ordering::Acquire) >= version
    }

    /// All that carry the tenant's label in its namespace.
    pub fn of(&self, tenant: &str, namespace: &str) -> Vec<Arc<Kept>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let its = objects.of(namespace).iter();
        its.filter(|kept| kept.tenant.as_deref() == Some(tenant))
            .cloned()
            .collect()
    }
}

impl Reflection {
    /// Follows a watch. `changed` is told the tenant of each object that is not as it was, once the cache shows it.
    pub async fn run(
        self,
        events: impl Stream<Item = watcher::Result<Event<Live>>>,
        changed: impl Fn(&str),
    ) {
        let mut events = std::pin::pin!(events);
        let (mut listed, mut news) = (Objects::default(), Vec::new());
        let mut newest = 0;
        while let Some(event) = events.next().await {
            match event {
                // They are seen when the list is whole.
                Ok(Event::Init) => (listed, news) = (Objects::default(), Vec::new()),
                Ok(Event::InitApply(object)) => {
                    let (namespace, kept) = seen(object);
                    newest = newest.max(kept.version());
                    if !self.knows(&namespace, &kept) {
                        news.extend(kept.tenant.clone());
                    }
                    listed.insert(namespace, kept);
                }
                Ok(Event::InitDone) => {
                    self.change(newest, |objects| *objects = std::mem::take(&mut listed));
                    self.ready.send_replace(true);
                    news.drain(..).for_each(|tenant: Box<str>| changed(&tenant));
                }
                Ok(Event::Apply(object)) => {
                    let (namespace, kept) = seen(object);
                    let tenant = kept.tenant.clone();
                    let is_known = self.knows(&namespace, &kept);
                    // It may carry the label no more.
                    let before = self.tenant_of(&namespace, &kept.name);
                    let before = before.filter(|before| Some(before) != tenant.as_ref());
                    self.change(kept.version(), |objects| objects.insert(namespace, kept));
                    let told = tenant.filter(|_| !is_known).into_iter().chain(before);
                    told.for_each(|it| changed(&it));
                }
                Ok(Event::Delete(object)) => {
                    let (namespace, kept) = seen(object);
                    self.change(kept.version(), |objects| {
                        objects.remove(&namespace, &kept.name);
                    });
                    kept.tenant.inspect(|it| changed(it));
                }
                Err(cause) if is_not_served(&cause) => {
                    tracing::debug!(%cause, "the cluster serves no such kind, asking again later");
                    self.ready.send_replace(true);
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(cause) => {
                    tracing::warn!(%cause, "watch interrupted, it resumes by itself");
                }
            }
        }
    }

    fn knows(&self, namespace: &str, kept: &Kept) -> bool {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let known = objects.get(namespace, &kept.name);
        known.is_some_and(|known| known.resource_version == kept.resource_version)
    }

    fn tenant_of(&self, namespace: &str, name: &str) -> Option<Box<str>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(namespace, name)?.tenant.clone()
    }

    /// `version`: what shows then.
    fn change(&self, version: u64, change: impl FnOnce(&mut Objects)) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut objects);
        self.latest.fetch_max(version, Ordering::Release);
    }
}

/// Its namespace, and what is kept of it.
fn seen(object: Live) -> (Box<str>, Kept) {
    let namespace = object.namespace().unwrap_or_default();
    (namespace.into(), Kept::new(object))
}

fn is_not_served(cause: &watcher::Error) -> bool {
    matches!(
        cause,
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 404
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::stream;
    use k8s_openapi::api::core::v1::Service;
    use serde_json::json;

    use super::*;

    fn service(version: &str) -> Live {
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "api", "namespace": "albatross-skyways", "resourceVersion": version,
                "labels": {TENANT_LABEL: "skyways"},
            },
            "spec": {"clusterIP": "10.96.0.7"},
        }))
        .unwrap()
    }

    fn named(name: &str) -> Live {
        let Live(mut object) = service("1");
        object.metadata.name = Some(name.to_owned());
        Live(object)
    }

    /// How often the tenant was said to have changed, and what is kept in the end.
    async fn after(events: Vec<Event<Live>>) -> (usize, Option<DynamicObject>) {
        let (child, reflection) = Child::new(ApiResource::erase::<Service>(&()));
        let told = RefCell::new(0);
        let changed = |tenant: &str| {
            assert_eq!(tenant, "skyways");
            *told.borrow_mut() += 1;
        };
        let events = stream::iter(events.into_iter().map(Ok));
        reflection.run(events, changed).await;
        let found = child.get("albatross-skyways", "api");
        let of = child.of("skyways", "albatross-skyways");
        let is_of = of.iter().any(|kept| kept.name() == "api");
        assert_eq!(is_of, found.is_some());
        assert!(child.of("nordwind", "albatross-skyways").is_empty());
        assert!(child.of("skyways", "albatross-nordwind").is_empty());
        assert!(child.get("albatross-nordwind", "api").is_none());
        let found = found.map(|kept| kept.object());
        (told.into_inner(), found)
    }

    #[tokio::test]
    async fn what_is_kept_is_what_was_seen() {
        let (told, found) = after(vec![Event::Apply(service("1"))]).await;
        let found = found.unwrap();
        assert_eq!((told, &found.data), (1, &service("1").0.data));
        assert_eq!(found.metadata, service("1").0.metadata);
    }

    #[tokio::test]
    async fn a_list_tells_what_differs_once_all_of_it_is_there() {
        let list = |version| {
            vec![
                Event::Init,
                Event::InitApply(service(version)),
                Event::InitDone,
            ]
        };
        let (told, _) = after(list("1")).await;
        assert_eq!(told, 1);
        let (told, _) = after([list("1"), list("1")].concat()).await;
        assert_eq!(told, 1, "nothing was new");
        let (told, found) = after([list("1"), list("2")].concat()).await;
        assert_eq!(
            (told, found.unwrap().metadata.resource_version.as_deref()),
            (2, Some("2"))
        );
        let unfinished = vec![Event::Init, Event::InitApply(service("1"))];
        assert_eq!(after(unfinished).await, (0, None));
    }

    #[tokio::test]
    async fn whose_label_was_taken_away_is_told() {
        let Live(mut stripped) = service("2");
        stripped.metadata.labels = None;
        let events = vec![Event::Apply(service("1")), Event::Apply(Live(stripped))];
        let (child, reflection) = Child::new(ApiResource::erase::<Service>(&()));
        let told = RefCell::new(Vec::new());
        let changed = |tenant: &str| told.borrow_mut().push(tenant.to_owned());
        reflection
            .run(stream::iter(events.into_iter().map(Ok)), changed)
            .await;
        assert_eq!(told.into_inner(), ["skyways", "skyways"]);
        assert!(child.of("skyways", "albatross-skyways").is_empty());
    }

    #[tokio::test]
    async fn what_was_deleted_is_known_to_have_been_there() {
        for (events, seen) in [
            (vec![Event::Apply(service("3"))], 3),
            (
                vec![Event::Apply(service("3")), Event::Delete(service("5"))],
                5,
            ),
            (
                vec![
                    Event::Init,
                    Event::InitApply(named("other")),
                    Event::InitDone,
                ],
                1,
            ),
            (vec![Event::Init, Event::InitApply(service("3"))], 0),
        ] {
            let (child, reflection) = Child::new(ApiResource::erase::<Service>(&()));
            reflection
                .run(stream::iter(events.into_iter().map(Ok)), |_| ())
                .await;
            assert!(child.has_seen(seen) && !child.has_seen(seen + 1), "{seen}");
        }
    }

    #[tokio::test]
    async fn a_kind_that_is_not_served_is_not_asked_for_at_once() {
        let missing = kube::core::Status {
            code: 404,
            ..kube::core::Status::default()
        };
        let not_served = watcher::Error::InitialListFailed(kube::Error::Api(missing.boxed()));
        for (cause, is_asked) in [
            (not_served, false),
            (watcher::Error::NoResourceVersion, true),
        ] {
            let (child, reflection) = Child::new(ApiResource::erase::<Service>(&()));
            let events = stream::iter([Err(cause), Ok(Event::Apply(service("1")))]);
            let mut running = std::pin::pin!(reflection.run(events, |_| ()));
            assert_eq!(futures::poll!(&mut running).is_ready(), is_asked);
            assert_eq!(
                child.of("skyways", "albatross-skyways").len(),
                usize::from(is_asked)
            );
            if !is_asked {
                child.wait_until_ready().await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_list_replaces_all_that_was_kept() {
        let gone = vec![
            Event::Apply(service("1")),
            Event::Init,
            Event::InitApply(named("other")),
            Event::InitDone,
        ];
        assert_eq!(after(gone).await, (2, None));
    }

    #[tokio::test]
    async fn what_is_deleted_leaves_its_neighbours() {
        let events = vec![
            Event::Apply(named("other")),
            Event::Apply(service("1")),
            Event::Delete(named("other")),
        ];
        let (told, found) = after(events).await;
        assert_eq!((told, found.is_some()), (3, true));
    }

    #[tokio::test]
    async fn what_is_deleted_is_told_and_forgotten() {
        let events = vec![Event::Apply(service("1")), Event::Delete(service("2"))];
        assert_eq!(after(events).await, (2, None));
    }
}
