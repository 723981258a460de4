//! The servers that the suites run against are there, and give each test a corner of its own.

use albatross_tests::servers::{connect_to_redis, servers};
use lapin::{Connection as AmqpConnection, ConnectionProperties};
use redis::{AsyncCommands, ServerErrorKind};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, other) = (
        servers().await.database().await,
        servers().await.database().await,
    );
    assert_ne!(one.name, other.name);
    let mut connection = PgConnection::connect(&one.url).await.unwrap();
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(name, one.name);
}

#[tokio::test]
async fn each_test_has_a_virtual_host_of_its_own() {
    let (one, other) = (
        servers().await.virtual_host().await,
        servers().await.virtual_host().await,
    );
    AmqpConnection::connect(&one.url, ConnectionProperties::default())
        .await
        .unwrap();
    let neighbour = one
        .url
        .replace(&format!("/{}", one.name), &format!("/{}", other.name));
    let refused = AmqpConnection::connect(&neighbour, ConnectionProperties::default()).await;
    assert!(
        refused.is_err(),
        "a user entered the neighbour's virtual host"
    );
}

#[tokio::test]
async fn each_test_has_a_redis_prefix_of_its_own() {
    let (one, other) = (
        servers().await.redis_user().await,
        servers().await.redis_user().await,
    );
    let mut connection = connect_to_redis(&one.url).await.unwrap();
    let _: () = connection
        .set(format!("{}key", one.prefix), 1)
        .await
        .unwrap();
    let refused: redis::RedisResult<()> = connection.set(format!("{}key", other.prefix), 1).await;
    assert!(
        refused.is_err_and(|error| error.kind() == ServerErrorKind::NoPerm.into()),
        "a user wrote under the neighbour's prefix"
    );
}
