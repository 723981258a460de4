//! A disk that is full, or that cannot be written any more.

use std::fs;
use std::time::Duration;

use albatross_tests::airline::Caller;
use albatross_tests::processes::{Process, Site};
use albatross_tests::wait::until;
use reqwest::{Response, StatusCode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use crate::audit;
use crate::load::{self, Client, Flight, Load};
use crate::mount::Disk;
use crate::plan::Plan;
use crate::sqlite::{SKYWAYS, tenant_key};

/// Longer than a connection stays open that nobody uses.
const IDLE: Duration = Duration::from_secs(12);

/// An airline whose data lies on a disk of its own.
async fn site_on_a_disk() -> (Site, Disk) {
    let site = Site::of(&SKYWAYS);
    fs::create_dir(site.data()).expect("a directory");
    let disk = Disk::mounted_on(&site.data(), "root").await;
    (site, disk)
}

async fn up(site: &Site, disk: &Disk) -> Process {
    let mut process = Process::start(disk.inside(&site.command()));
    site.answers(&mut process).await;
    process
}

/// A caller with the airline's key, which lies on the disk.
fn caller(site: &Site, disk: &Disk) -> Caller {
    let key = fs::read_to_string(disk.path().join("skyways/keys/skyways-acars"));
    let key = key.expect("the key was issued");
    Caller::with_key(&site.address(), &site.host("skyways"), key.trim())
}

/// Storage that takes nothing under load, from `begin` until `end`, and says `why`. Who was refused asks again, and all is
/// there, once; answers the flights.
pub async fn refused_for_a_while(
    plan: &mut Plan,
    process: Process,
    callers: &[Caller],
    why: &str,
    (begin, end): (impl AsyncFnOnce(), impl AsyncFnOnce()),
) -> Vec<Flight> {
    let load = Load::begin(callers, &mut plan.random);
    plan.moment(&load).await;
    begin().await;
    let probes = load::until_refused(&callers[0]).await;
    assert_eq!(callers[0].status_of("/pireps").await, 200, "reads go on");
    until("it is told why", async || process.stderr().contains(why)).await;
    end().await;
    plan.moment(&load).await;
    let (mut flights, _) = load.end().await;
    for probe in probes {
        flights.push(load::fly(&mut Client::new(callers.to_vec()), probe).await);
    }
    audit::repeats(callers, &flights).await;
    audit::visible(&callers[0], &flights).await;
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    flights
}

async fn file(caller: &Caller, id: Uuid) -> Response {
    let answer = load::file(caller, id).send().await;
    answer.expect("the process answers")
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let mut plan = Plan::new("up on a full disk", 1);
    let (site, disk) = site_on_a_disk().await;
    let process = up(&site, &disk).await;
    let callers = [caller(&site, &disk)];
    let moments = (async || disk.fill(), async || disk.free());
    let why = "disk is full";
    let flights = refused_for_a_while(&mut plan, process, &callers, why, moments).await;
    disk.copy_out();
    let url = site.database_url("skyways");
    audit::storage(&url, tenant_key(&site), &flights).await;
}

#[tokio::test]
async fn an_airline_that_nobody_used_for_a_while_is_read_on_a_full_disk() {
    let (site, disk) = site_on_a_disk().await;
    let process = up(&site, &disk).await;
    let caller = caller(&site, &disk);
    let id = Uuid::nil();
    assert_eq!(file(&caller, id).await.status(), StatusCode::CREATED);
    let listed = format!("/pireps/{id}");
    until("the flight is listed", async || {
        caller.status_of(&listed).await == 200
    })
    .await;
    tokio::time::sleep(IDLE).await;
    disk.fill();
    for path in ["/pireps", &listed, &format!("{listed}/track")] {
        assert_eq!(caller.status_of(path).await, 200, "{path}");
    }
    disk.free();
    let next = file(&caller, Uuid::from_u128(1)).await;
    assert_eq!(next.status(), StatusCode::CREATED);
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_told_and_left_as_it_is() {
    let (site, disk) = site_on_a_disk().await;
    let process = up(&site, &disk).await;
    let filed = file(&caller(&site, &disk), Uuid::nil()).await;
    assert_eq!(filed.status(), StatusCode::CREATED);
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let wal = disk.path().join("skyways/log.db-wal");
    assert!(!wal.exists(), "a clean stop leaves whole files");

    for (make, reason) in [("ro", "Read-only file system"), ("rw", "full")] {
        disk.remount(make);
        if make == "rw" {
            disk.fill();
        }
        let ended = Process::start(disk.inside(&site.command())).ended().await;
        let said = &ended.stderr;
        assert_eq!(ended.status.code(), Some(1), "{said}");
        let mut lines = said.lines();
        let error = lines.find(|line| line.starts_with("error: "));
        assert!(error.is_some_and(|it| it.contains(reason)), "{said}");
    }
    disk.free();
    let _process = up(&site, &disk).await;
    let filed = file(&caller(&site, &disk), Uuid::nil()).await;
    assert_eq!(filed.status(), StatusCode::OK, "it is there");
}

/// Somebody who has logged in with the link that the first start prints.
async fn logged_in(site: &Site, process: &Process) -> Caller {
    let said = process.stdout();
    let link = said.split_whitespace().find(|word| word.contains('#'));
    Caller::by_link(
        &site.address(),
        &site.host("skyways"),
        link.expect("a link"),
    )
    .await
}

/// Whoever calls next was here an hour ago: that they are here again is to be noted.
async fn an_hour_passes(log: &mut SqliteConnection) {
    let sql = "UPDATE credentials SET last_used_at = last_used_at - 3600000000";
    log.execute(sql).await.expect("the log is written");
}

#[tokio::test]
async fn whoever_is_logged_in_reads_while_nothing_can_be_written() {
    let site = Site::of(&SKYWAYS);
    let process = site.up().await;
    let person = logged_in(&site, &process).await;
    let options = SqliteConnectOptions::new().filename(site.data().join("skyways/log.db"));
    let mut log = options.connect().await.expect("the log opens");

    an_hour_passes(&mut log).await;
    log.execute("BEGIN IMMEDIATE").await.expect("nobody writes");
    assert_eq!(person.status_of("/me").await, StatusCode::OK);
    until("the lock is found", async || {
        process.stderr().contains("last use was not noted")
    })
    .await;
    assert_eq!(person.status_of("/pireps").await, StatusCode::OK);
    log.execute("ROLLBACK").await.expect("a transaction");

    an_hour_passes(&mut log).await;
    log.close().await.expect("the log is closed");
    assert!(process.interrupt().await.status.success());
    let disk = Disk::mounted_on(&site.data(), "root").await;
    disk.copy_in();
    let process = up(&site, &disk).await;
    let key = caller(&site, &disk);
    disk.fill();
    load::until_refused(&key).await;
    assert_eq!(person.status_of("/me").await, StatusCode::OK);
    until("the full disk is found", async || {
        process.stderr().contains("last use was not noted")
    })
    .await;
    assert_eq!(person.status_of("/pireps").await, StatusCode::OK);
    disk.free();
    assert_eq!(file(&key, Uuid::nil()).await.status(), StatusCode::CREATED);
}
