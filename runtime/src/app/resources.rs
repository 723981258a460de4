//! What this process may use of the machine.

use std::fs;
use std::sync::Arc;
use std::thread::available_parallelism;

use crate::application::passwords::Passwords;
use crate::ports::clock::Entropy;

/// Memory of one password hash.
const HASH_BYTES: u64 = 19 * 1024 * 1024;
/// Where control groups (version 2, then 1) say how much memory there is.
const MEMORY_LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Hashes as many passwords at a time as there are cores and a quarter of the memory has room for.
pub fn passwords(entropy: Arc<dyn Entropy>) -> Arc<Passwords> {
    let cores = available_parallelism().map_or(1, usize::from);
    let slots = slots(cores, memory_limit());
    Arc::new(Passwords::new(slots, entropy))
}

fn slots(cores: usize, memory: Option<u64>) -> usize {
    let room = memory.map_or(u64::MAX, |bytes| bytes / 4 / HASH_BYTES);
    cores
        .min(usize::try_from(room).unwrap_or(usize::MAX))
        .max(1)
}

/// None where nothing limits it.
fn memory_limit() -> Option<u64> {
    let read = |path| fs::read_to_string(path).ok();
    let text = MEMORY_LIMITS.iter().find_map(read)?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_or_cores_bound_the_hashes() {
        let mebibytes = |count: u64| Some(count * 1024 * 1024);
        assert_eq!(slots(8, None), 8);
        assert_eq!(slots(8, mebibytes(256)), 3);
        assert_eq!(slots(2, mebibytes(4_096)), 2);
        assert_eq!(slots(8, mebibytes(32)), 1);
    }
}
