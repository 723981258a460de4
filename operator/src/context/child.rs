//! The cache of one kind of object in tenants' namespaces. Objects are kept as text: trees of values take a multiple of its
//! memory, and one tenant's are looked at now and then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::reflector::store::{Writer, WriterDropped};
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use tokio::sync::Notify;

use crate::context::object::ObjectKey;
use crate::names::TENANT_LABEL;

/// A kind that is not served may come to be. The watch's own pauses do not grow: each attempt begins with a success.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// What is kept of an object.
#[derive(Debug, Clone)]
pub struct Kept {
    name: Box<str>,
    namespace: Option<Box<str>>,
    tenant: Option<Box<str>>,
    resource_version: Option<Box<str>>,
    json: Arc<[u8]>,
}

/// A kind of object, and those that there are.
#[derive(Clone)]
pub struct Child {
    pub kind: ApiResource,
    store: Store<Kept>,
    /// Told when the cluster does not serve the kind. The watch goes on trying: it may come to be served.
    missing: Arc<Notify>,
}

/// Keeps a [`Child`] up to date.
pub struct Reflection {
    writer: Writer<Kept>,
    store: Store<Kept>,
    missing: Arc<Notify>,
}

impl Kept {
    fn new(mut object: DynamicObject) -> Self {
        object.metadata.managed_fields = None;
        object.types = None;
        let boxed = |text: &Option<String>| text.as_deref().map(Box::from);
        Self {
            name: object.name_any().into(),
            namespace: boxed(&object.metadata.namespace),
            tenant: boxed(&object.labels().get(TENANT_LABEL).cloned()),
            resource_version: boxed(&object.metadata.resource_version),
            json: serde_json::to_vec(&object)
                .expect("an object is plain JSON")
                .into(),
        }
    }

    /// As it was last seen, but for who owns which field.
    pub fn object(&self) -> DynamicObject {
        serde_json::from_slice(&self.json).expect("what was written can be read")
    }

    pub fn key(&self, kind: &ApiResource) -> ObjectKey {
        ObjectKey {
            kind: kind.kind.clone(),
            namespace: self.namespace.as_deref().map(str::to_owned),
            name: self.name.clone().into(),
        }
    }
}

/// Each store holds one kind, which it need not be told.
impl Lookup for Kept {
    type DynamicType = ();

    fn kind((): &()) -> Cow<'_, str> {
        "object".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "objects".into()
    }

    fn name(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }

    fn namespace(&self) -> Option<Cow<'_, str>> {
        self.namespace.as_deref().map(Cow::Borrowed)
    }

    fn resource_version(&self) -> Option<Cow<'_, str>> {
        self.resource_version.as_deref().map(Cow::Borrowed)
    }

    fn uid(&self) -> Option<Cow<'_, str>> {
        None
    }
}

impl Child {
    pub fn new(kind: ApiResource) -> (Self, Reflection) {
        let writer = Writer::new(());
        let (store, missing) = (writer.as_reader(), Arc::<Notify>::default());
        let reflection = Reflection {
            writer,
            store: store.clone(),
            missing: Arc::clone(&missing),
        };
        let child = Self {
            kind,
            store,
            missing,
        };
        (child, reflection)
    }

    /// Waits until all have been listed once, or there are none because the cluster does not serve them.
    pub async fn wait_until_ready(&self) -> Result<(), WriterDropped> {
        tokio::select! {
            ready = self.store.wait_until_ready() => ready,
            () = self.missing.notified() => Ok(()),
        }
    }

    pub fn get(&self, key: &ObjectKey) -> Option<DynamicObject> {
        let mut reference = ObjectRef::new(&key.name);
        reference.namespace = key.namespace.clone();
        self.store.get(&reference).map(|kept| kept.object())
    }

    /// All that carry the tenant's label in its namespace.
    pub fn of(&self, tenant: &str, namespace: &str) -> Vec<Arc<Kept>> {
        self.store.state_filter(|kept| {
            kept.namespace.as_deref() == Some(namespace) && kept.tenant.as_deref() == Some(tenant)
        })
    }
}

impl Reflection {
    /// Follows a watch. `changed` is told the tenant of each object that is not as it was, once the cache shows it.
    pub async fn run(
        mut self,
        events: impl Stream<Item = watcher::Result<Event<DynamicObject>>>,
        changed: impl Fn(&str),
    ) {
        let mut events = std::pin::pin!(events);
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => kept(event),
                Err(cause) if is_not_served(&cause) => {
                    tracing::debug!(%cause, "the cluster serves no such kind, asking again later");
                    self.missing.notify_one();
                    tokio::time::sleep(ASK_AGAIN).await;
                    continue;
                }
                Err(cause) => {
                    tracing::warn!(%cause, "watch interrupted, it resumes by itself");
                    continue;
                }
            };
            let news = self.news(&event);
            self.writer.apply_watcher_event(&event);
            match event {
                // They are seen when the list is whole.
                Event::Init | Event::InitApply(_) => listed.extend(news),
                Event::InitDone => listed.drain(..).for_each(|tenant| changed(&tenant)),
                Event::Apply(_) | Event::Delete(_) => {
                    news.iter().for_each(|tenant| changed(tenant))
                }
            }
        }
    }

    /// The tenant of what is not as it was.
    fn news(&self, event: &Event<Kept>) -> Option<Box<str>> {
        let is_known = |kept: &Kept| {
            let known = self.store.get(&kept.to_object_ref(()));
            known.is_some_and(|known| known.resource_version == kept.resource_version)
        };
        match event {
            Event::Apply(kept) | Event::InitApply(kept) if !is_known(kept) => kept.tenant.clone(),
            Event::Delete(kept) => kept.tenant.clone(),
            Event::Apply(_) | Event::InitApply(_) | Event::Init | Event::InitDone => None,
        }
    }
}

fn kept(event: Event<DynamicObject>) -> Event<Kept> {
    match event {
        Event::Apply(object) => Event::Apply(Kept::new(object)),
        Event::Delete(object) => Event::Delete(Kept::new(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(Kept::new(object)),
        Event::InitDone => Event::InitDone,
    }
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

    fn service(version: &str) -> DynamicObject {
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

    /// How often the tenant was said to have changed, and what is kept in the end.
    async fn after(events: Vec<Event<DynamicObject>>) -> (usize, Option<DynamicObject>) {
        let (child, reflection) = Child::new(ApiResource::erase::<Service>(&()));
        let told = RefCell::new(0);
        let changed = |tenant: &str| {
            assert_eq!(tenant, "skyways");
            *told.borrow_mut() += 1;
        };
        let events = stream::iter(events.into_iter().map(Ok));
        reflection.run(events, changed).await;
        let key = ObjectKey {
            kind: "Service".to_owned(),
            namespace: Some("albatross-skyways".to_owned()),
            name: "api".to_owned(),
        };
        let of = child.of("skyways", "albatross-skyways");
        assert_eq!(
            of.iter().any(|kept| kept.key(&child.kind) == key),
            child.get(&key).is_some()
        );
        assert!(child.of("nordwind", "albatross-skyways").is_empty());
        (told.into_inner(), child.get(&key))
    }

    #[tokio::test]
    async fn what_is_kept_is_what_was_seen() {
        let (told, found) = after(vec![Event::Apply(service("1"))]).await;
        let found = found.unwrap();
        assert_eq!((told, &found.data), (1, &service("1").data));
        assert_eq!(found.metadata, service("1").metadata);
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
    async fn what_is_deleted_is_told_and_forgotten() {
        let events = vec![Event::Apply(service("1")), Event::Delete(service("2"))];
        assert_eq!(after(events).await, (2, None));
    }
}
