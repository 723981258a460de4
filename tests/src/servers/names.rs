//! Names that tell which process made a thing, so that a later run knows what nobody uses any more.

use std::fs;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

const PREFIX: &str = "albtest_";

/// `albtest_<process id>_<its start time>_<number>`: fit for a database, a virtual host and a user.
pub fn unique() -> Result<String, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let id = process::id();
    let started = start_time(id).ok_or("this system has no /proc")?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Ok(format!("{PREFIX}{id}_{started}_{number}"))
}

/// For a user of a test server.
#[expect(
    clippy::disallowed_methods,
    reason = "a test server's password need not be repeatable"
)]
pub fn password() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Whether the name is one of ours and its process has ended. A reused process id has another start time.
pub fn is_abandoned(name: &str) -> bool {
    let Some((id, rest)) = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split_once('_'))
    else {
        return false;
    };
    let Some((started, _)) = rest.split_once('_') else {
        return false;
    };
    match (id.parse(), started.parse()) {
        (Ok(id), Ok(started)) => start_time(id) != Some(started),
        _ => false,
    }
}

/// Ticks between the machine's start and the process's: field 22 of proc(5)'s `stat`.
fn start_time(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, behind_the_command) = stat.rsplit_once(')')?;
    behind_the_command.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_abandoned, unique};

    #[test]
    fn a_living_process_keeps_what_it_made() {
        let first = unique().unwrap();
        assert!(!is_abandoned(&first));
        assert_ne!(first, unique().unwrap());
    }

    #[test]
    fn another_process_with_the_same_id_does_not_keep_it() {
        let name = format!("albtest_{}_1_0", std::process::id());
        assert!(is_abandoned(&name));
    }

    #[test]
    fn what_others_made_is_left_alone() {
        for name in [
            "postgres",
            "alb_0123456789abcdef",
            "albtest_",
            "albtest_x_y_z",
        ] {
            assert!(!is_abandoned(name), "{name}");
        }
    }
}
