//! A storage per test, and short ways to say what is appended.

use albatross::adapters::{Stores, migrate, open};
use albatross::ports::event_store::{Append, NewEvent};
use albatross_tests::servers::{Database, servers};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    Memory,
    Sqlite,
    Postgres,
}

pub use Adapter::{Memory, Postgres, Sqlite};

/// A storage of the test's own, gone with the test.
pub struct Storage {
    pub stores: Stores,
    pub url: String,
    _directory: Option<TempDir>,
}

impl std::ops::Deref for Storage {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

pub async fn storage(adapter: Adapter) -> Storage {
    let (url, directory) = match adapter {
        Memory => ("memory:".to_owned(), None),
        Sqlite => {
            let directory = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}", directory.path().display());
            (url, Some(directory))
        }
        Postgres => (servers().await.database().await.url, None),
    };
    migrate(&url).await.unwrap();
    Storage {
        stores: open(&url).await.unwrap(),
        url,
        _directory: directory,
    }
}

/// Gives many storages of one kind: databases are copies of one that was migrated once.
pub struct Template(Adapter, Option<Database>);

impl Template {
    pub async fn of(adapter: Adapter) -> Self {
        let database = match adapter {
            Postgres => {
                let database = servers().await.database().await;
                migrate(&database.url).await.unwrap();
                Some(database)
            }
            Memory | Sqlite => None,
        };
        Self(adapter, database)
    }

    pub async fn storage(&self) -> Storage {
        let Some(migrated) = &self.1 else {
            return storage(self.0).await;
        };
        let url = servers().await.copy_of(migrated).await.url;
        Storage {
            stores: open(&url).await.unwrap(),
            url,
            _directory: None,
        }
    }
}

/// Microseconds since the Unix epoch.
pub fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap()
}

pub fn new_event() -> NewEvent {
    NewEvent {
        event_id: Uuid::new_v4(),
        kind: 7,
        schema: 1,
        payload: b"payload".to_vec(),
    }
}

/// An append of `count` events to `stream` as it stands at `expected_version`.
pub fn append(stream: Uuid, expected_version: i32, count: usize) -> Append {
    Append {
        command_id: Uuid::new_v4(),
        stream_id: stream,
        expected_version,
        events: std::iter::repeat_with(new_event).take(count).collect(),
        causation_id: None,
        correlation_id: Some(Uuid::new_v4()),
        actor: "user:é".to_owned(),
        recorded_at: time(1_700_000_000_123_456),
        claims: Vec::new(),
        request: None,
        credentials: Vec::new(),
        subject_keys: Vec::new(),
    }
}
