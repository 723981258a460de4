//! Which of several operators acts, and how it stops.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use albatross_operator::context::system::{Clock, SystemClock};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::{Operator, Platform, Setting, Ways};
use albatross_tests::processes::{Process, command};
use albatross_tests::proxy::{Mode, Proxy};
use albatross_tests::servers::{PrivateServer, servers};
use albatross_tests::wait::{recovered, until};
use futures::future::join_all;
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::Mutex;

const OTHER: &str = "other";
/// A busy machine may hold up a renewal for that long.
const LEASE_SECONDS: u16 = 10;
/// One keeps all processors busy, which others' Leases would not outlive.
static TURNS: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_clean_stop_gives_the_lease_back() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    let ended = operator.stop().await;
    assert!(ended.status.success(), "{}", ended.stdout);
    assert_eq!(platform.leader().await, "", "{}", ended.stdout);
}

#[tokio::test]
async fn of_two_replicas_only_the_leader_writes_and_the_other_follows_a_clean_stop() {
    let platform = Platform::new().await;
    let first = platform.operator().await;
    let mut second = platform.replica("second").await;
    platform.airline("led", json!({})).await;
    assert_ne!(writes(&platform, &first), 0);
    assert_eq!(writes(&platform, &second), 0);

    first.stop().await;
    until("the second leads", async || {
        second.must_live();
        platform.leader().await == "second"
    })
    .await;
    platform
        .change("led", json!({"displayName": "Led on"}))
        .await;
    platform.ready("led").await;
    assert_ne!(writes(&platform, &second), 0);
    platform.remove("led").await;
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_ends_without_another_write() {
    let _turn = TURNS.lock().await;
    let mut setting = Setting::straight().await;
    setting.lease_seconds = LEASE_SECONDS;
    let platform = Platform::with(setting).await;
    let mut first = platform.operator().await;
    let second = platform.replica("second").await;
    platform.airline("paused", json!({})).await;
    first.process.signal("STOP");
    until("the second leads", async || {
        platform.leader().await == "second"
    })
    .await;
    let before = writes(&platform, &first);
    // Something to do, for both of them.
    platform
        .change("paused", json!({"api": {"replicas": 2}}))
        .await;
    first.process.signal("CONT");
    until("the first has ended", async || first.process.has_ended()).await;
    platform.ready("paused").await;
    assert_eq!(writes(&platform, &first), before);
    platform.remove("paused").await;
    second.stop().await;
}

#[tokio::test]
async fn a_leader_that_was_paused_past_its_lease_changes_nothing_outside_either() {
    let _turn = TURNS.lock().await;
    let own = PrivateServer::postgres().await;
    let way = Proxy::before(own.database_url()).await;
    let mut setting = Setting::straight().await;
    setting.lease_seconds = LEASE_SECONDS;
    let ways = Ways {
        postgres: way.url(own.database_url()),
        postgres_account: "postgres-own",
        ..Ways::straight(servers().await)
    };
    setting.ways = vec![("main", ways)];
    let platform = Platform::with(setting).await;
    platform
        .create_account("postgres-own", own.database_url())
        .await;
    let mut first = platform.operator().await;
    // Slow enough to be met in the middle, of each tenant at another statement.
    way.set(Mode::Slow(Duration::from_millis(50)));
    let names = ["held-a", "held-b", "held-c", "held-d"];
    for name in names {
        platform.declare(name, json!({})).await;
    }
    let mut look = PgConnection::connect(own.database_url()).await.unwrap();
    recovered("something is there", async || {
        made(&mut look).await.iter().sum::<i64>() > 0
    })
    .await;
    first.process.signal("STOP");
    until("its Lease has run out", async || {
        has_run_out(&platform).await
    })
    .await;
    until(
        "nothing that it asked for before is under way",
        async || sessions(&mut look, "state <> 'idle'").await == 0,
    )
    .await;
    let before = made(&mut look).await;
    assert_ne!(before[3], 4, "all was done already");
    way.set(Mode::Pass);
    let busy = starve_watchdog(&first.process);
    first.process.signal("CONT");
    until("the first has ended", async || first.process.has_ended()).await;
    drop(busy);
    until("nothing that it asked for is under way", async || {
        sessions(&mut look, "true").await == 0
    })
    .await;
    assert_eq!(made(&mut look).await, before);

    let second = platform.replica("second").await;
    for name in names {
        platform.ready(name).await;
        platform.remove(name).await;
    }
    second.stop().await;
}

/// By the times in the Lease: all run here by one clock.
async fn has_run_out(platform: &Platform) -> bool {
    let leases: Api<Lease> = Api::namespaced(platform.client.clone(), NAMESPACE);
    let lease = leases.get("albatross-operator").await.unwrap();
    let spec = lease.spec.unwrap();
    let lasts = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap().into());
    spec.renew_time.unwrap().0 + lasts < SystemClock.now()
}

/// Keeps what ends a process past its Lease from being in time, as a busy machine may, until the others are dropped.
fn starve_watchdog(process: &Process) -> Vec<Process> {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let mut threads = threads.map(|thread| thread.unwrap().path());
    let name = |thread: &Path| fs::read_to_string(thread.join("comm")).unwrap();
    let watchdog = threads.find(|thread| name(thread) == "lease-watchdog\n");
    let id = watchdog.as_deref().and_then(Path::file_name).unwrap();
    // Only when nobody else wants to run.
    let idle = Command::new("chrt")
        .args(["--idle", "--pid", "0"])
        .arg(id)
        .status();
    assert!(idle.unwrap().success());
    let spin = || Process::start(command(Path::new("sh"), &["-c", "while :; do :; done"]));
    let cores = available_parallelism().unwrap().get();
    (0..2 * cores).map(|_| spin()).collect()
}

/// Tenants' roles, those of them that log in, memberships, databases, and those of them that are open.
async fn made(connection: &mut PgConnection) -> [i64; 5] {
    let roles = "FROM pg_roles WHERE rolname LIKE 'alb\\_%'";
    let databases = "FROM pg_database WHERE datname LIKE 'alb\\_%'";
    let members =
        "FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid WHERE rolname LIKE 'alb\\_%'";
    let of = [
        roles.to_owned(),
        format!("{roles} AND rolcanlogin"),
        members.to_owned(),
        databases.to_owned(),
        format!("{databases} AND datallowconn"),
    ];
    let mut made = [0; 5];
    for (made, of) in made.iter_mut().zip(of) {
        *made = count(connection, &of).await;
    }
    made
}

/// Of operators.
async fn sessions(connection: &mut PgConnection, condition: &str) -> i64 {
    let of = format!(
        "FROM pg_stat_activity WHERE application_name = 'albatross-operator' AND {condition}"
    );
    count(connection, &of).await
}

async fn count(connection: &mut PgConnection, of: &str) -> i64 {
    let query = AssertSqlSafe(format!("SELECT count(*) {of}"));
    let found = sqlx::query_scalar(query).fetch_one(connection).await;
    found.unwrap()
}

/// Times in a Lease are of its holder's clock, which may be hours off: what counts is whether it changes while one looks.
#[tokio::test]
async fn a_clock_that_is_hours_off_neither_takes_the_lease_nor_keeps_it() {
    let mut setting = Setting::straight().await;
    setting.lease_seconds = LEASE_SECONDS;
    let platform = Platform::with(setting).await;
    let leases: Api<Lease> = Api::namespaced(platform.client.clone(), NAMESPACE);
    // By its own word it has not renewed for hours, and it does so all the time.
    hold(&leases, -5).await;
    let mut operator = platform.replica("operator").await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(15) {
        operator.must_live();
        assert_eq!(platform.leader().await, OTHER, "{}", operator.said());
        hold(&leases, -5).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(writes(&platform, &operator), 0);
    // By its own word it holds the Lease for hours to come, and it is gone.
    hold(&leases, 5).await;
    until("the operator leads", async || {
        operator.must_live();
        platform.leader().await == operator.identity
    })
    .await;
    platform.airline("skewed", json!({})).await;
    platform.remove("skewed").await;
    operator.stop().await;
}

/// The other replica says that it renews its Lease, so many hours from now.
async fn hold(leases: &Api<Lease>, hours: i64) {
    let time = SystemClock.now() + SignedDuration::from_hours(hours);
    let time = MicroTime(time);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "albatross-operator"},
        "spec": {"holderIdentity": OTHER, "leaseDurationSeconds": LEASE_SECONDS, "acquireTime": time, "renewTime": time},
    });
    let parameters = PatchParams::apply("other").force();
    let held = leases
        .patch("albatross-operator", &parameters, &Patch::Apply(lease))
        .await;
    held.unwrap();
}

/// By this replica, the Lease and events aside.
fn writes(platform: &Platform, operator: &Operator) -> usize {
    let writes = platform.api_server.writes();
    let its = writes
        .iter()
        .filter(|write| write.credential == operator.credential)
        .filter(|write| !write.path.contains("/leases/"));
    its.count()
}

/// Airlines that are made, changed and deleted side by side.
const LANES: usize = 3;

#[tokio::test]
async fn operators_hand_over_while_tenants_come_change_and_go_without_pause() {
    let platform = Platform::new().await;
    platform.client_namespace().await;
    let mut leader = platform.operator().await;
    platform.airline("steady", json!({})).await;
    platform.declare_key("steady", "steady", json!({})).await;
    platform.key_comes_to("steady", "True", "Available").await;
    let before = platform.client_secret("steady").await;
    let (stop, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lanes = join_all((0..LANES).map(|lane| live(&platform, lane, &stop, &rounds)));
    let upgrades = async {
        let mut leaders = vec![leader.credential.clone()];
        // As a rolling update does it, twice.
        for identity in ["second", "third"] {
            let seen = rounds.load(Ordering::SeqCst);
            recovered("some come and go", async || {
                rounds.load(Ordering::SeqCst) > seen
            })
            .await;
            let mut next = platform.replica(identity).await;
            let ended = leader.stop().await;
            assert!(ended.status.success(), "{}", ended.stdout);
            until("the next one leads", async || {
                next.must_live();
                platform.leader().await == identity
            })
            .await;
            leaders.push(next.credential.clone());
            leader = next;
        }
        let seen = rounds.load(Ordering::SeqCst);
        recovered("some more come and go", async || {
            rounds.load(Ordering::SeqCst) > seen
        })
        .await;
        stop.store(true, Ordering::SeqCst);
        (leader, leaders)
    };
    let (_, (leader, leaders)) = futures::future::join(lanes, upgrades).await;

    platform.ready("steady").await;
    assert_eq!(platform.client_secret("steady").await, before);
    let all = platform.api_server.writes();
    let ours: Vec<_> = all
        .iter()
        .filter(|write| leaders.contains(&write.credential))
        .collect();
    let mut acted: Vec<_> = ours
        .iter()
        .filter(|write| !write.path.contains("/leases/"))
        .map(|write| write.credential.clone())
        .collect();
    acted.dedup();
    assert_eq!(acted, leaders, "one acts after the other");
    for credential in &leaders[..leaders.len() - 1] {
        let last = ours.iter().rfind(|write| write.credential == *credential);
        let path = &last.unwrap().path;
        assert!(path.contains("/leases/"), "after its release: {path}");
    }
    platform.remove_key("steady").await;
    platform.remove("steady").await;
    leader.stop().await;
}

/// One airline after the other, each with a key that must stay the same until it is deleted.
async fn live(platform: &Platform, lane: usize, stop: &AtomicBool, rounds: &AtomicUsize) {
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let name = format!("lane-{lane}-{round}");
        platform.declare(&name, json!({})).await;
        platform.declare_key(&name, &name, json!({})).await;
        platform.key_comes_to(&name, "True", "Available").await;
        let given = platform.client_secret(&name).await;
        let id = platform.record(&name).await["tenantId"].clone();
        platform
            .change(&name, json!({"api": {"replicas": 2}}))
            .await;
        platform.ready(&name).await;
        assert_eq!(platform.client_secret(&name).await, given, "{name}");
        assert_eq!(platform.record(&name).await["tenantId"], id, "{name}");
        platform.remove_key(&name).await;
        platform.remove(&name).await;
        rounds.fetch_add(1, Ordering::SeqCst);
    }
}
