//! PostgreSQL whose disk is full.

use albatross_tests::servers::PrivateServer;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::audit;
use crate::disk::refused_for_a_while;
use crate::mount::Disk;
use crate::plan::Plan;
use crate::postgres::{Airline, TENANT_KEY};

/// Moves a database, which nobody may be using, to a disk of its own.
async fn move_to(disk: &Disk, server: &PrivateServer, database: &str) {
    let mut superuser = PgConnection::connect(&server.superuser_url()).await;
    let superuser = superuser.as_mut().expect("PostgreSQL answers");
    let path = disk.path();
    for statement in [
        format!("CREATE TABLESPACE small LOCATION '{}'", path.display()),
        format!("ALTER DATABASE {database} SET TABLESPACE small"),
    ] {
        let done = sqlx::query(AssertSqlSafe(statement)).execute(&mut *superuser);
        done.await.expect("a superuser may");
    }
}

#[tokio::test]
async fn a_full_disk_under_postgres_refuses_writes_and_nothing_else() {
    let mut plan = Plan::new("PostgreSQL on a full disk", 1);
    let server = PrivateServer::postgres().await;
    let database = server.database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Disk::mounted_on(folder.path(), "postgres").await;
    move_to(&disk, &server, &database.name).await;
    let (airline, link) = Airline::new(&database.url, Vec::new()).await;
    let process = airline.serve(0).await;
    let callers = airline.callers(&link).await[..1].to_vec();
    let why = "No space left on device";
    let moments = (async || disk.fill(), async || disk.free());
    let flights = refused_for_a_while(&mut plan, process, &callers, why, moments).await;
    audit::storage(&database.url, TENANT_KEY, &flights).await;
}
