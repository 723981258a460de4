//! Ports for processes that must keep theirs over a restart.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the system gives to outgoing connections, and below the test servers'.
const FIRST: u16 = 12_000;
const COUNT: u16 = 8_000;

/// A port on which nobody listens, given once by this process.
///
/// # Panics
/// When all of them are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin at different places, so that two seldom look at the same port.
    let begin = (process::id() % u32::from(COUNT)) as u16;
    let ports = (0..COUNT).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        FIRST + (begin.wrapping_add(next)) % COUNT
    });
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("there is a free port")
}
