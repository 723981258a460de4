//! PostgreSQL that takes no writes: a standby, or a server whose platform set it so because its disk is almost full.

use albatross_tests::servers::PrivateServer;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::audit;
use crate::disk::refused_for_a_while;
use crate::plan::Plan;
use crate::postgres::{Airline, TENANT_KEY};

/// Of every transaction of the database from now on; connections from before have ended.
async fn set_read_only(server: &PrivateServer, database: &str, read_only: bool) {
    let superuser = PgConnection::connect(&server.superuser_url()).await;
    let mut superuser = superuser.expect("PostgreSQL answers");
    for statement in [
        format!("ALTER DATABASE {database} SET default_transaction_read_only = {read_only}"),
        format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"
        ),
    ] {
        let done = sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser);
        done.await.expect("a superuser may");
    }
}

#[tokio::test]
async fn postgres_that_takes_no_writes_is_read_and_loses_nothing() {
    let mut plan = Plan::new("PostgreSQL that takes no writes", 1);
    let server = PrivateServer::postgres().await;
    let database = server.database().await;
    let (airline, link) = Airline::new(&database.url, Vec::new()).await;
    let process = airline.serve(0).await;
    let callers = airline.callers(&link).await[..1].to_vec();
    let set = async |read_only| set_read_only(&server, &database.name, read_only).await;
    let moments = (async || set(true).await, async || set(false).await);
    let why = "in a read-only transaction";
    let flights = refused_for_a_while(&mut plan, process, &callers, why, moments).await;
    audit::storage(&database.url, TENANT_KEY, &flights).await;
}
