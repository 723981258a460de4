//! What is PostgreSQL's own: roles, isolation, migration, and half of the hash chain written in SQL.

use albatross::adapters::{chain, migrate, open};
use albatross::ports::event_store::AppendError;
use albatross::ports::read_model::{Column, ColumnKind, Table};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{Database, servers};
use albatross_tests::wait::{LIMIT, until};
use rstest::rstest;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use crate::fixture::*;
use crate::packed_tracks::samples;

pub static TABLE: Table = Table {
    name: "things",
    lane: "things",
    revision: 1,
    columns: &[Column {
        name: "name",
        kind: ColumnKind::Text,
    }],
};

static TABLES: &[&Table] = &[&TABLE];

/// A database as the operator makes it: an owner that cannot log in, a role that migrates, one that serves.
struct Tenant {
    admin: PgConnection,
    database: Database,
}

impl Tenant {
    async fn create() -> Self {
        let database = servers().await.database().await;
        let mut admin = PgConnection::connect(&database.url).await.unwrap();
        let name = &database.name;
        for statement in [
            format!("CREATE ROLE {name}_owner NOLOGIN"),
            format!("CREATE ROLE {name}_migrate LOGIN PASSWORD 'migrate' IN ROLE {name}_owner"),
            format!("CREATE ROLE {name}_app LOGIN PASSWORD 'app'"),
            format!("GRANT {name}_owner, {name}_migrate, {name}_app TO CURRENT_USER"),
            format!("ALTER DATABASE {name} OWNER TO {name}_owner"),
            format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
            format!("GRANT CONNECT ON DATABASE {name} TO {name}_migrate, {name}_app"),
        ] {
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut admin)
                .await
                .unwrap();
        }
        Self { admin, database }
    }

    fn url(&self, role: &str) -> String {
        let mut url = reqwest::Url::parse(&self.database.url).unwrap();
        url.set_username(&format!("{}_{role}", self.database.name))
            .unwrap();
        url.set_password(Some(role)).unwrap();
        url.into()
    }

    /// Databases are removed by the next run, roles are not.
    async fn remove(mut self) {
        let name = &self.database.name;
        for statement in [
            format!("ALTER DATABASE {name} OWNER TO CURRENT_USER"),
            format!("REASSIGN OWNED BY {name}_owner, {name}_app TO CURRENT_USER"),
            format!("DROP OWNED BY {name}_owner, {name}_app, {name}_migrate"),
            format!("DROP ROLE {name}_migrate, {name}_app, {name}_owner"),
        ] {
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut self.admin)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_restored_dump_begins_another_epoch_and_goes_on_where_it_was() {
    let tenant = Tenant::create().await;
    migrate(&tenant.url("migrate")).await.unwrap();
    let stores = open(&tenant.url("app")).await.unwrap();
    let stream = Uuid::new_v4();
    stores.events.append(append(stream, 0, 2)).await.unwrap();
    let head = stores.events.head().await.unwrap();
    let again = open(&tenant.url("app")).await.unwrap();
    assert_eq!(again.events.head().await.unwrap(), head);
    stores.close().await;
    again.close().await;

    // In place, as it is documented, and by whoever owns it.
    let dump = tempfile::NamedTempFile::new().unwrap();
    let file = dump.path().to_str().unwrap();
    let url = tenant.database.url.as_str();
    let run = async |program: &str, arguments: &[&str]| {
        let ran = Command::new(program)
            .args(arguments)
            .output()
            .await
            .unwrap();
        assert!(
            ran.status.success(),
            "{}",
            String::from_utf8_lossy(&ran.stderr)
        );
    };
    run("pg_dump", &["--format=custom", "--file", file, url]).await;
    run("pg_restore", &["--clean", "--dbname", url, file]).await;
    let stores = open(&tenant.url("app")).await.unwrap();
    let restored = stores.events.head().await.unwrap();
    assert_eq!(restored.position, head.position);
    assert_ne!(restored.epoch, head.epoch);
    let appended = stores.events.append(append(stream, 2, 1)).await.unwrap();
    assert_eq!(appended.position, 3);
    let again = open(&tenant.url("app")).await.unwrap();
    assert_eq!(again.events.head().await.unwrap().epoch, restored.epoch);
    again.close().await;
    stores.close().await;
    tenant.remove().await;
}

#[tokio::test]
async fn the_applications_role_serves_but_cannot_change_the_log() {
    let tenant = Tenant::create().await;
    let version = migrate(&tenant.url("migrate")).await.unwrap();
    assert_eq!(
        migrate(&tenant.url("migrate")).await.unwrap(),
        version,
        "idempotent"
    );
    let stores = open(&tenant.url("app")).await.unwrap();
    assert_eq!(stores.schema_version, version);
    let stream = Uuid::new_v4();
    stores.events.append(append(stream, 0, 2)).await.unwrap();
    stores.read_model.prepare(&[&TABLE]).await.unwrap();
    stores.read_model.prepare(&[&TABLE]).await.unwrap();
    let lane = stores
        .read_model
        .lock_lane("things")
        .await
        .unwrap()
        .unwrap();
    lane.commit(
        vec![],
        albatross::ports::read_model::Checkpoint {
            epoch: stream,
            position: 2,
        },
    )
    .await
    .unwrap();
    let rebuild = stores.read_model.rebuild("things", TABLES).await;
    let mut rebuild = rebuild.unwrap().unwrap();
    rebuild.index().await.unwrap();
    let living = rebuild.lock_lane().await.unwrap();
    rebuild.swap(living).await.unwrap();
    let stored = stores
        .tracks
        .store(stream, stream, [0; 32], time(1), vec![])
        .await;
    assert_eq!(stored.unwrap().count, 0);
    for batch in [Uuid::new_v4(), Uuid::new_v4()] {
        let samples = samples(0..3);
        let stored = stores
            .tracks
            .store(stream, batch, [0; 32], time(1), samples);
        assert_eq!(stored.await.unwrap().count, 3);
        assert!(stores.tracks.pack(stream).await.unwrap());
    }

    let mut app = PgConnection::connect(&tenant.url("app")).await.unwrap();
    for forbidden in [
        "UPDATE log.events SET payload = ''",
        "DELETE FROM log.events",
        "TRUNCATE log.events",
        "DROP TABLE log.events",
        "ALTER TABLE log.events ADD COLUMN more int",
        "UPDATE log.log_epoch SET epoch = gen_random_uuid()",
        "UPDATE log.log_chain SET hash = ''",
        "DELETE FROM log.log_chain",
        "UPDATE log.log_epoch SET epoch = gen_random_uuid()",
        "DELETE FROM log.schema_migrations",
        "CREATE TABLE log.more (n int)",
        "CREATE OR REPLACE FUNCTION log.change_credentials(changes jsonb) RETURNS void LANGUAGE sql AS ''",
    ] {
        let refused = sqlx::query(forbidden).execute(&mut app).await.unwrap_err();
        let code = refused
            .as_database_error()
            .and_then(|e| e.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
    app.close().await.unwrap();
    tenant.remove().await;
}

#[rstest]
#[case::payload(
    "UPDATE log.events SET payload = 'x' WHERE position = 2",
    "positions 1 to 2"
)]
#[case::version(
    "UPDATE log.events SET version = 9 WHERE position = 3",
    "positions 3 to 3"
)]
#[case::removed("DELETE FROM log.events WHERE position = 3", "position 3 is missing")]
#[tokio::test]
async fn what_is_changed_by_hand_is_found(#[case] tampering: &'static str, #[case] found: &str) {
    let storage = storage(Postgres).await;
    let stream = Uuid::new_v4();
    let mut first = append(stream, 0, 2);
    first.causation_id = Some(stream);
    storage.events.append(first).await.unwrap();
    storage.events.append(append(stream, 2, 1)).await.unwrap();
    chain::verify(&*storage.events).await.unwrap();
    let mut owner = PgConnection::connect(&storage.url).await.unwrap();
    sqlx::query(tampering).execute(&mut owner).await.unwrap();
    let error = chain::verify(&*storage.events).await.unwrap_err();
    assert!(error.to_string().contains(found), "{error}");
}

#[rstest]
#[case("BEGIN ISOLATION LEVEL REPEATABLE READ")]
#[case("BEGIN ISOLATION LEVEL SERIALIZABLE")]
#[tokio::test]
async fn an_append_is_refused_outside_read_committed(#[case] begin: &'static str) {
    let storage = storage(Postgres).await;
    let mut connection = PgConnection::connect(&storage.url).await.unwrap();
    let mut transaction = connection.begin_with(begin).await.unwrap();
    let call = "SELECT log.append('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', \
         '{}', '{}', '{}', NULL)";
    let refused = sqlx::query(call)
        .execute(&mut *transaction)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("READ COMMITTED only"),
        "{refused}"
    );
}

/// Whoever set it up may have asked for speed.
#[tokio::test]
async fn what_is_acknowledged_is_flushed_whatever_the_database_is_set_to() {
    let storage = storage(Postgres).await;
    let mut owner = PgConnection::connect(&storage.url).await.unwrap();
    let watched = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$; \
         CREATE TABLE said (setting text); \
         CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO said VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
         CREATE TRIGGER say AFTER INSERT ON log.events FOR EACH ROW EXECUTE FUNCTION say()";
    sqlx::raw_sql(watched).execute(&mut owner).await.unwrap();
    let mut set = PgConnection::connect(&storage.url).await.unwrap();
    let set: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&mut set)
        .await
        .unwrap();
    assert_eq!(set, "off");
    let events = open(&storage.url).await.unwrap().events;
    let stream = Uuid::new_v4();
    // The first of a log, and of those behind it one event, many, and many commands.
    for (version, count) in [(0, 1), (1, 1), (2, 3)] {
        let appended = events.append(append(stream, version, count)).await;
        appended.unwrap();
    }
    let at_once = (0..20).map(|_| events.append(append(Uuid::new_v4(), 0, 1)));
    for appended in futures::future::join_all(at_once).await {
        appended.unwrap();
    }
    let said: Vec<(String, i64)> = sqlx::query_as("SELECT setting, count(*) FROM said GROUP BY 1")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(said, [("on".to_owned(), 25)]);
}

/// A lost connection after COMMIT was sent: the combiner repeats, and the log answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_cut_under_load_lose_and_double_nothing() {
    let storage = storage(Postgres).await;
    let mut admin = PgConnection::connect(&storage.url).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let events = storage.events.clone();
            tokio::spawn(async move {
                let stream = Uuid::new_v4();
                for version in 0..40 {
                    let one = append(stream, version, 1);
                    // What is unavailable is repeated with the same events, as the application does.
                    while let Err(error) = events.append(one.clone()).await {
                        assert!(error.to_string().contains("unavailable"), "{error}");
                    }
                }
            })
        })
        .collect();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
    let mut killed_at = 0;
    while !writers.iter().all(|writer| writer.is_finished()) {
        let head: i64 = sqlx::query_scalar("SELECT coalesce(max(position), 0) FROM log.events")
            .fetch_one(&mut admin)
            .await
            .unwrap();
        if head >= killed_at + 5 {
            killed_at = head;
            sqlx::query(kill).execute(&mut admin).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let events = open(&storage.url).await.unwrap().events;
    let verified = chain::verify(&*events).await.unwrap();
    assert_eq!(verified.events, 8 * 40);
}

#[tokio::test]
async fn an_answer_that_was_lost_after_the_commit_is_given_to_the_repetition() {
    let storage = storage(Postgres).await;
    let proxy = Proxy::before(&storage.url).await;
    let through = open(&proxy.url(&storage.url)).await.unwrap();
    let stream = Uuid::new_v4();
    through.events.append(append(stream, 0, 1)).await.unwrap();
    proxy.set(Mode::LoseAnswersTo(stream.into_bytes()));
    let second = append(stream, 1, 1);
    let unknown = through.events.append(second.clone()).await.unwrap_err();
    assert!(matches!(unknown, AppendError::Unavailable(_)), "{unknown}");
    assert_eq!(storage.events.head().await.unwrap().position, 2);
    proxy.set(Mode::Pass);
    let known = through.events.append(second).await.unwrap();
    assert_eq!((known.version, known.position), (2, 2));
    assert_eq!(chain::verify(&*storage.events).await.unwrap().events, 2);
}

#[tokio::test]
async fn a_database_without_schema_says_what_to_do() {
    let database = servers().await.database().await;
    let Err(refused) = open(&database.url).await else {
        panic!("opened without a schema");
    };
    assert!(
        refused.to_string().contains("run `albatross migrate`"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_schema_from_the_future_is_not_migrated_but_served() {
    let storage = storage(Postgres).await;
    let mut owner = PgConnection::connect(&storage.url).await.unwrap();
    let newer = "INSERT INTO log.schema_migrations SELECT 4711, '', now(), true, '', 0";
    sqlx::query(newer).execute(&mut owner).await.unwrap();
    let refused = migrate(&storage.url).await.unwrap_err();
    assert!(refused.to_string().contains("has schema 4711"), "{refused}");
    assert_eq!(open(&storage.url).await.unwrap().schema_version, 4711);
}

#[tokio::test]
async fn an_unreachable_server_is_named_without_its_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgres://ada:hidden@127.0.0.1:{port}/skyways");
    for refused in [open(&url).await.err(), migrate(&url).await.err()] {
        let reason = refused.unwrap().to_string();
        assert!(
            reason.contains("\"skyways\"") && reason.contains(&port.to_string()),
            "{reason}"
        );
        assert!(
            !reason.contains("hidden") && !reason.contains('\n'),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn connections_at_hand_go_with_the_storage_and_hold_up_no_transaction() {
    let database = servers().await.database().await;
    migrate(&database.url).await.unwrap();
    let stores = open(&database.url).await.unwrap();
    stores.read_model.prepare(TABLES).await.unwrap();
    let reads = (0..50).map(|_| stores.events.head());
    futures::future::try_join_all(reads).await.unwrap();
    // More at once than there are connections: those that wait get what others give back.
    let rounds = (0..50).map(|_| async {
        drop(stores.read_model.lock_lane("things").await.unwrap());
        stores.events.head().await.unwrap();
    });
    futures::future::join_all(rounds).await;
    let mut admin = PgConnection::connect(&database.url).await.unwrap();
    let mut open = async || {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND application_name = 'albatross'";
        let count = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut admin);
        count.await.unwrap()
    };
    assert!((1..=8).contains(&open().await));
    timeout(LIMIT, stores.close()).await.unwrap();
    until("none is open", async || open().await == 0).await;
}
