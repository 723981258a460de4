//! A disk that a test fills, and makes unwritable.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use albatross_tests::processes::Process;
use albatross_tests::wait::until;

/// A small file system, mounted for those alone that run inside; gone with this value, or with this process.
pub struct Disk {
    holder: Process,
    mount: PathBuf,
}

impl Disk {
    /// Belongs to this user, who alone may see it from outside beside root.
    pub async fn mounted_on(mount: &Path, owner: &str) -> Self {
        // Whoever is to enter by /proc must be the user whose process holds it.
        let script = r#"mount -t tmpfs -o size=32m,mode=700,uid="$(id -u "$1")",gid="$(id -g "$1")" tmpfs "$0" &&
            echo mounted && exec setpriv --reuid "$1" --regid "$1" --init-groups --pdeathsig KILL sleep infinity"#;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(["unshare", "--mount", "--propagation", "private", "--"])
            .args(["sh", "-c", script])
            .args([mount.as_os_str(), owner.as_ref()]);
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
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .args(["--target", &self.holder.id().to_string(), "--mount", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        inside
    }

    pub fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.mount);
        let done = self.inside(&mount).status().expect("nsenter runs");
        assert!(done.success(), "remount {how}");
    }

    /// The disk as it is seen from outside.
    pub fn path(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        PathBuf::from(format!("{root}{}", self.mount.display()))
    }

    /// Takes what is left of it.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.path().join("ballast")).expect("a file");
        for size in [64 * 1024, 1] {
            let block = vec![0x55; size];
            while ballast.write_all(&block).is_ok() {}
        }
    }

    pub fn free(&self) {
        fs::remove_file(self.path().join("ballast")).expect("the disk was filled");
    }

    /// Takes over what is in the folder that it covers.
    pub fn copy_in(&self) {
        copy(&self.mount, &self.path());
    }

    /// Leaves what is on it in the folder that it covered.
    pub fn copy_out(self) {
        copy(&self.path(), &self.mount);
    }
}

fn copy(from: &Path, to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("--archive").arg(from.join(".")).arg(to);
    assert!(copy.status().expect("cp runs").success());
}
