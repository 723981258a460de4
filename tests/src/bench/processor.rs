//! What processes took of processor and memory, as the kernel counts it: proc(5).

use std::fs;
use std::time::Duration;

/// `sysconf(_SC_CLK_TCK)` on every Linux that there is.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time of this process and of its children that have ended.
pub fn of_this() -> Duration {
    ticks(times("self").iter().sum())
}

/// Processor time of a process alone.
pub fn of(process: u32) -> Duration {
    ticks(times(&process.to_string())[..2].iter().sum())
}

/// Processor time of a process and of all its children, those that have ended included.
///
/// # Panics
/// Where there is no /proc.
pub fn of_family(parent: u32) -> Duration {
    let own: u64 = times(&parent.to_string()).iter().sum();
    let processes = fs::read_dir("/proc").expect("a /proc").flatten();
    let names = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let children = names.filter(|name| parent_of(name) == Some(parent));
    let living: u64 = children
        .map(|name| times(&name)[..2].iter().sum::<u64>())
        .sum();
    ticks(own + living)
}

/// The process that started another.
pub fn parent_of(process: &str) -> Option<u32> {
    fields(process)?.get(1)?.parse().ok()
}

/// What is resident now.
///
/// # Panics
/// When the process is gone.
pub fn resident_mebibytes(process: u32) -> f64 {
    mebibytes(process, "VmRSS:")
}

/// The most that ever was.
///
/// # Panics
/// When the process is gone.
pub fn peak_mebibytes(process: u32) -> f64 {
    mebibytes(process, "VmHWM:")
}

fn mebibytes(process: u32, of: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(of));
    let kibibytes = line.expect("its memory").trim().trim_end_matches(" kB");
    kibibytes.parse::<f64>().expect("a number") / 1024.0
}

/// User and system time of a process, then of its children that have ended; zeroes when it is gone.
fn times(process: &str) -> [u64; 4] {
    let fields = fields(process).unwrap_or_default();
    std::array::from_fn(|index| {
        let field = fields.get(11 + index);
        field.and_then(|it| it.parse().ok()).unwrap_or(0)
    })
}

/// What follows the command's name, which may hold blanks: the state is first.
fn fields(process: &str) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1_000 / TICKS_PER_SECOND)
}
