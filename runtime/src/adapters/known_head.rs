//! What a process knows of the end of its log without asking for it.

use tokio::sync::watch;

use crate::ports::event_store::Head;

/// The highest position that was appended, read or heard of since the log has its epoch.
#[derive(Default)]
pub struct KnownHead(watch::Sender<Head>);

impl KnownHead {
    pub fn watch(&self) -> watch::Receiver<Head> {
        self.0.subscribe()
    }

    /// Never lowers it.
    pub fn raise(&self, position: i64) {
        self.0.send_if_modified(|known| {
            let grown = position > known.position;
            known.position = position.max(known.position);
            grown
        });
    }

    /// Takes over what was read, and gives it back. Of another epoch, what was known says nothing.
    pub fn read(&self, head: Head) -> Head {
        self.0.send_if_modified(|known| {
            let restored = known.epoch != head.epoch;
            if restored {
                *known = head;
            }
            restored
        });
        self.raise(head.position);
        head
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const BEFORE: Uuid = Uuid::from_u128(1);
    const AFTER: Uuid = Uuid::from_u128(2);

    fn head(epoch: Uuid, position: i64) -> Head {
        Head { epoch, position }
    }

    #[test]
    fn it_grows_within_an_epoch_and_begins_anew_with_the_next() {
        let known = KnownHead::default();
        let mut watch = known.watch();
        known.read(head(BEFORE, 7));
        assert_eq!(*watch.borrow_and_update(), head(BEFORE, 7));
        known.raise(9);
        known.read(head(BEFORE, 8));
        assert_eq!(*watch.borrow_and_update(), head(BEFORE, 9));
        known.raise(3);
        assert!(!watch.has_changed().unwrap());
        known.read(head(AFTER, 2));
        assert!(watch.has_changed().unwrap());
        known.raise(3);
        assert_eq!(*watch.borrow(), head(AFTER, 3));
    }
}
