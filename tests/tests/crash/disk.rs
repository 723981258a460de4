//! A disk that is full, or that cannot be written any more.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use albatross_tests::airline::Caller;
use albatross_tests::processes::{Process, Site};
use albatross_tests::wait::until;
use reqwest::{Response, StatusCode};
use uuid::Uuid;

use crate::audit;
use crate::load::{self, Client, Load};
use crate::plan::Plan;
use crate::sqlite::{SKYWAYS, tenant_key};

/// The flight that is filed to see whether a write is taken.
const PROBE: Uuid = Uuid::from_u128(4711);

/// A small file system, mounted for those alone that run inside; gone with this value, or with this process.
struct Disk {
    holder: Process,
    mount: PathBuf,
}

impl Disk {
    async fn mounted_on(mount: &Path) -> Self {
        let script =
            r#"mount -t tmpfs -o size=16m tmpfs "$0" && echo mounted && exec sleep infinity"#;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(["unshare", "--mount", "--propagation", "private", "--"])
            .args(["sh", "-c", script])
            .arg(mount);
        let mut holder = Process::start(command);
        until("the disk is mounted", async || {
            assert!(!holder.has_ended(), "{}", holder.stderr());
            holder.stdout().contains("mounted")
        })
        .await;
        Self {
            holder,
            mount: mount.to_owned(),
        }
    }

    /// The command, run where the disk is mounted.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .args(["--target", &self.holder.id().to_string(), "--mount", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.mount);
        let done = self.inside(&mount).status().expect("nsenter runs");
        assert!(done.success(), "remount {how}");
    }

    /// The disk as it is seen from outside.
    fn path(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        PathBuf::from(format!("{root}{}", self.mount.display()))
    }

    /// Takes what is left of it.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.path().join("ballast")).expect("a file");
        for size in [64 * 1024, 1] {
            let block = vec![0x55; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.path().join("ballast")).expect("the disk was filled");
    }

    /// Leaves what is on it in the folder that it covered.
    fn copy_out(self) {
        let from = self.path().join(".");
        let copied = Command::new("cp")
            .arg("--archive")
            .args([&from, &self.mount])
            .status();
        assert!(copied.expect("cp runs").success());
    }
}

/// An airline whose data lies on a disk of its own.
async fn site_on_a_disk() -> (Site, Disk) {
    let site = Site::of(&SKYWAYS);
    fs::create_dir(site.data()).expect("a directory");
    let disk = Disk::mounted_on(&site.data()).await;
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

async fn file(caller: &Caller) -> Response {
    let answer = load::file(caller, PROBE).send().await;
    answer.expect("the process answers")
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_nothing_else() {
    let mut plan = Plan::new("up on a full disk", 1);
    let (site, disk) = site_on_a_disk().await;
    let process = up(&site, &disk).await;
    let callers = [caller(&site, &disk)];
    let load = Load::begin(&callers, &mut plan.random);
    plan.moment(&load).await;
    disk.fill();
    let mut refused = file(&callers[0]).await;
    until("a write is refused", async || {
        refused = file(&callers[0]).await;
        refused.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(callers[0].status_of("/pireps").await, 200, "reads go on");
    let said = process.stderr();
    assert!(said.contains("disk is full"), "it is told why: {said}");
    disk.free();
    plan.moment(&load).await;
    let (mut flights, _) = load.end().await;
    flights.push(load::fly(&mut Client::new(callers.to_vec()), PROBE).await);
    audit::repeats(&callers, &flights).await;
    audit::visible(&callers[0], &flights).await;
    let ended = process.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    disk.copy_out();
    let url = site.database_url("skyways");
    audit::storage(&url, tenant_key(&site), &flights).await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_told_and_left_as_it_is() {
    let (site, disk) = site_on_a_disk().await;
    let process = up(&site, &disk).await;
    let filed = file(&caller(&site, &disk)).await;
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
    let filed = file(&caller(&site, &disk)).await;
    assert_eq!(filed.status(), StatusCode::OK, "it is there");
}
