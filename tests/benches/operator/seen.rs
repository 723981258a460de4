//! Objects of which something has come true, by a watch.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// A broken run ends.
const LIMIT: Duration = Duration::from_secs(900);
const PROGRESS: Duration = Duration::from_secs(10);

#[derive(Default)]
struct State {
    seen: HashSet<String>,
    awaited: HashMap<String, oneshot::Sender<()>>,
}

/// By their namespaces, or by their names when they have none.
pub struct Seen {
    state: Arc<Mutex<State>>,
    _watch: AbortOnDropHandle<()>,
}

impl Seen {
    pub fn of<K>(api: Api<K>, selector: &str, holds: fn(&K) -> bool) -> Self
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let state = Arc::<Mutex<State>>::default();
        let objects = watcher(api, watcher::Config::default().labels(selector));
        let objects = objects.default_backoff().applied_objects();
        let told = Arc::clone(&state);
        let watch = objects.for_each(move |object| {
            if let Some(object) = object.ok().filter(holds) {
                told.lock().unwrap().see(&object);
            }
            std::future::ready(())
        });
        Self {
            state,
            _watch: AbortOnDropHandle::new(tokio::spawn(watch)),
        }
    }

    /// Returns once it is true of that one.
    pub async fn one(&self, key: &str) {
        let told = {
            let mut state = self.state.lock().unwrap();
            if state.seen.contains(key) {
                return;
            }
            let (tell, told) = oneshot::channel();
            state.awaited.insert(key.to_owned(), tell);
            told
        };
        told.await.unwrap();
    }

    /// Returns once it is true of all of them, and says how far it is until then.
    pub async fn all(&self, what: &str, keys: &[String]) {
        let begun = Instant::now();
        for key in keys {
            while tokio::time::timeout(PROGRESS, self.one(key)).await.is_err() {
                let seen = self.state.lock().unwrap().seen.len();
                eprintln!("{:4.0} s: {seen} {what}", begun.elapsed().as_secs_f64());
                assert!(begun.elapsed() < LIMIT, "{key} is not {what} in time");
            }
        }
    }
}

impl State {
    fn see(&mut self, object: &impl ResourceExt) {
        let key = object.namespace().unwrap_or_else(|| object.name_any());
        if let Some(tell) = self.awaited.remove(&key) {
            // Whoever waited may have given up.
            let _ = tell.send(());
        }
        self.seen.insert(key);
    }
}
