//! Who waits to be reconciled since something happened to it, and for how long: what is called twice waits once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::context::metrics::Metrics;

/// Objects of one kind on their way to the controller, which takes them from the channel and collapses repeats.
pub struct Queue<K: Resource<DynamicType = ()>> {
    kind: &'static str,
    sender: UnboundedSender<ObjectRef<K>>,
    since: Mutex<HashMap<ObjectRef<K>, Instant>>,
    metrics: Metrics,
}

impl<K: Resource<DynamicType = ()>> Queue<K> {
    pub fn new(kind: &'static str, metrics: &Metrics) -> (Self, UnboundedReceiver<ObjectRef<K>>) {
        let (sender, receiver) = unbounded_channel();
        let queue = Self {
            kind,
            sender,
            since: Mutex::default(),
            metrics: metrics.clone(),
        };
        queue.metrics.waiting(kind, 0);
        (queue, receiver)
    }

    /// Something happened to it.
    pub fn call(&self, object: ObjectRef<K>) {
        self.change(|since| {
            since.entry(object.clone()).or_insert_with(Instant::now);
        });
        // A closed channel means that the operator is stopping.
        let _ = self.sender.send(object);
    }

    /// It is being reconciled. What begins by itself, after its time, has waited for nobody.
    pub fn begin(&self, object: &ObjectRef<K>) {
        if let Some(called) = self.change(|since| since.remove(object)) {
            self.metrics
                .waited(self.kind, called.elapsed().as_secs_f64());
        }
    }

    /// It is gone, and will not be reconciled.
    pub fn forget(&self, namespace: Option<&str>, name: &str) {
        let mut object = ObjectRef::new(name);
        object.namespace = namespace.map(str::to_owned);
        self.change(|since| since.remove(&object));
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<ObjectRef<K>, Instant>) -> T) -> T {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut since);
        self.metrics.waiting(self.kind, since.len());
        changed
    }
}

#[cfg(test)]
mod tests {
    use albatross_crds::ApiKey;

    use super::*;

    #[test]
    fn what_is_called_twice_waits_once_until_it_is_begun_or_gone() {
        let metrics = Metrics::new();
        let (queue, mut called) = Queue::<ApiKey>::new("ApiKey", &metrics);
        let counted = |name: &str, count: u32| {
            let line = format!("albatross_operator_{name}{{kind=\"ApiKey\"}} {count}\n");
            let text = metrics.text().unwrap();
            assert!(text.contains(&line), "{line}{text}");
        };
        counted("reconciles_waiting", 0);
        let one = ObjectRef::new("one").within("home");
        queue.call(one.clone());
        queue.call(one.clone());
        queue.call(ObjectRef::new("two").within("home"));
        counted("reconciles_waiting", 2);
        queue.begin(&one);
        queue.begin(&one);
        counted("reconciles_waiting", 1);
        counted("reconcile_wait_seconds_count", 1);
        queue.forget(Some("home"), "two");
        counted("reconciles_waiting", 0);
        counted("reconcile_wait_seconds_count", 1);
        assert_eq!(called.try_recv().unwrap(), one);
    }
}
