//! What cannot be started says so in one clear line and ends with a failure.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use albatross_tests::processes::{Ended, Process, Site};

use crate::EXAMPLES;

/// One line of error that names `what`, and nothing runs.
fn assert_refused(ended: &Ended, what: &[&str]) {
    let said = &ended.stderr;
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| !is_log(line)).collect();
    let [line] = errors[..] else {
        panic!("not one line: {said}");
    };
    assert!(line.starts_with("error: "), "{line}");
    for what in what {
        assert!(line.contains(what), "{line} does not say {what}");
    }
}

/// A line of the log begins with its time.
fn is_log(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit())
}

#[tokio::test]
async fn a_port_in_use_is_told() {
    let site = Site::of(&EXAMPLES);
    let _taken = TcpListener::bind(("127.0.0.1", site.port)).expect("it is free");
    let ended = site.refusal().await;
    assert_refused(&ended, &[&site.port.to_string(), "in use"]);
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let site = Site::of(&EXAMPLES);
    let _process = site.up().await;
    let data = site.data().to_string_lossy().into_owned();
    let ended = site.refusal().await;
    assert_refused(&ended, &["another process", &data]);
}

#[tokio::test]
async fn a_file_in_the_place_of_the_data_directory_is_told() {
    let site = Site::of(&EXAMPLES);
    fs::write(site.data(), "not a directory").expect("a file");
    let ended = site.refusal().await;
    assert_refused(&ended, &[&site.data().to_string_lossy()]);
    let kept = fs::read_to_string(site.data()).expect("a file");
    assert_eq!(kept, "not a directory");
}

/// Root may write everywhere, so its process goes without that right.
fn without_rights(command: Command) -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !root {
        return command;
    }
    let mut limited = Command::new("setpriv");
    limited
        .args(["--bounding-set", "-dac_override", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    limited
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_told() {
    let site = Site::of(&EXAMPLES);
    fs::create_dir(site.data()).expect("a directory");
    let set_mode = |mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(site.data(), mode).expect("our own directory");
    };
    set_mode(0o555);
    let ended = Process::start(without_rights(site.command())).ended().await;
    set_mode(0o755);
    let data = site.data().to_string_lossy().into_owned();
    assert_refused(&ended, &[&data, "ermission denied"]);
}

#[tokio::test]
async fn a_database_file_that_is_none_is_told_and_left_as_it_is() {
    for name in ["log.db", "track.db"] {
        let site = Site::of(&EXAMPLES);
        let file = site.data().join("skyways").join(name);
        fs::create_dir_all(site.data().join("skyways")).expect("a directory");
        let rubbish = "rubbish ".repeat(1_000);
        fs::write(&file, &rubbish).expect("a file");
        let ended = site.refusal().await;
        assert_refused(
            &ended,
            &["Tenant skyways", &file.to_string_lossy(), "not a database"],
        );
        let kept = fs::read_to_string(&file).expect("a file");
        assert_eq!(kept, rubbish, "it may be worth a rescue");
    }
}

#[tokio::test]
async fn a_damaged_database_is_told() {
    let site = Site::of(&EXAMPLES);
    let ended = site.up().await.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let file = site.data().join("skyways/log.db");
    damage(&file);
    let ended = site.refusal().await;
    assert_refused(&ended, &["Tenant skyways", &file.to_string_lossy()]);
    let verify = site.verify("skyways");
    assert_eq!(verify.status.code(), Some(1));
}

#[tokio::test]
async fn a_log_that_was_lost_is_told_and_not_begun_anew() {
    let site = Site::of(&EXAMPLES);
    let ended = site.up().await.interrupt().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let file = site.data().join("skyways/log.db");
    fs::remove_file(&file).expect("a log");
    let ended = site.refusal().await;
    assert_refused(
        &ended,
        &["Tenant skyways", &file.to_string_lossy(), "backup"],
    );
    assert!(!file.exists());
}

/// Everything behind the header, as a disk that lies would.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).expect("a database");
    bytes[100..].fill(0x55);
    fs::write(file, bytes).expect("a database");
    for beside in ["-wal", "-shm"] {
        let path = format!("{}{beside}", file.display());
        if Path::new(&path).exists() {
            fs::remove_file(path).expect("a file");
        }
    }
}

#[tokio::test]
async fn a_wrong_manifest_is_told_by_file_and_field() {
    let site = Site::of(&EXAMPLES);
    let path = site.manifests().join("10-skyways.yaml");
    let text = fs::read_to_string(&path).expect("a manifest");
    fs::write(&path, text.replace("icaoCode: SKY", "icaoCode: sky-ways")).expect("a manifest");
    let ended = site.refusal().await;
    assert_refused(&ended, &["10-skyways.yaml", "spec.icaoCode", "sky-ways"]);
    assert!(!site.data().exists(), "nothing was begun");
}
