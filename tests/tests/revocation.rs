//! Who logs out in one process is told no more by another: over a real Redis.

#![allow(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::sync::Arc;
use std::time::Duration;

use albatross::adapters::redis::Redis;
use albatross::adapters::{Stores, memory};
use albatross::application::airline::Airline;
use albatross::application::shared::Parts;
use albatross::application::users::Register;
use albatross::application::write::WriteOptions;
use albatross_tests::parts::parts;
use albatross_tests::random::{Random, supervisor};
use albatross_tests::servers::{RedisUser, servers};
use albatross_tests::wait::within;
use futures::StreamExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

const EMAIL: &str = "ada@skyways.example";

/// One of the airline's processes, with a connection of its own.
async fn process(stores: &Stores, user: &RedisUser) -> (Airline, Redis) {
    let redis = Redis::open(&user.url, &user.prefix, Arc::new(Random), &supervisor()).unwrap();
    within("Redis", redis.connected()).await;
    let parts = Parts {
        cache: redis.cache.clone(),
        wake_ups: redis.wake_ups.clone(),
        ..parts(stores)
    };
    let airline = Airline::new(parts, stores.schema_version);
    airline.prepare().await.unwrap();
    (airline, redis)
}

#[tokio::test]
async fn who_logs_out_in_one_process_is_told_no_more_by_another() {
    let user = servers().await.redis_user().await;
    let stores = memory::open();
    let (here, _here) = process(&stores, &user).await;
    let (there, _there) = process(&stores, &user).await;
    let password = || SecretString::from("correct horse battery staple");
    let ada = Register {
        email: EMAIL.to_owned(),
        display_name: "Ada".to_owned(),
        password: Some(password()),
    };
    let registered = here.users.register(None, ada, WriteOptions::default());
    registered.await.unwrap();
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    let session = here.auth.log_in(EMAIL, password(), address).await.unwrap();
    let cookie = session.cookie.expose_secret();
    let ada = there.auth.by_session(cookie).await.unwrap();
    let stream = there.changes.subscribe(ada.clone(), None).await.unwrap();
    here.auth.log_out(&ada).await.unwrap();
    // The limit is below the minute after which a lost notice is made up for: it was told.
    let end = timeout(Duration::from_secs(50), Box::pin(stream).next()).await;
    assert_eq!(end.expect("the stream is still open"), None);
}
