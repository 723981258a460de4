//! An airline as a library: what it is made of, unless a test says otherwise.

use std::sync::Arc;

use albatross::adapters::Stores;
use albatross::adapters::memory::{MemoryCache, MemoryWakeUps};
use albatross::adapters::system::SystemClock;
use albatross::application::passwords::Passwords;
use albatross::application::shared::Parts;
use albatross::domain::ids::TenantId;
use uuid::Uuid;

use crate::random::Random;

pub const TENANT_ID: Uuid = Uuid::from_u128(0x5c1);
pub const PUBLIC_URL: &str = "http://skyways.localhost:8080";
pub const TENANT_KEY: [u8; 32] = [9; 32];
pub const PEPPER: [u8; 32] = [7; 32];

/// Skyways over this storage, with cache and wake-ups of this process alone.
pub fn parts(stores: &Stores) -> Parts {
    Parts {
        tenant: TenantId(TENANT_ID),
        name: "skyways".to_owned(),
        public_url: PUBLIC_URL.to_owned(),
        events: stores.events.clone(),
        credentials: stores.credentials.clone(),
        read_model: stores.read_model.clone(),
        tracks: stores.tracks.clone(),
        storage: stores.storage.clone(),
        erasures: stores.erasures.clone(),
        cache: Arc::new(MemoryCache::new()),
        wake_ups: Arc::new(MemoryWakeUps::new()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(Random),
        tenant_key: TENANT_KEY,
        pepper: PEPPER,
        passwords: Arc::new(Passwords::new(2, Arc::new(Random))),
    }
}
