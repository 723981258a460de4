//! Times that people and programs send in: as the log keeps them, and none that nobody can mean.

use jiff::Timestamp;

use crate::domain::refusal::Faults;

/// 2200-01-01T00:00:00Z.
const TOO_LATE_SECOND: i64 = 7_258_118_400;

pub const TOO_LATE: &str = "Must be before the year 2200.";

/// Whether nobody can mean it: clocks of clients may be wrong, but not by centuries.
pub fn is_too_late(time: Timestamp) -> bool {
    time.as_second() >= TOO_LATE_SECOND
}

/// Adds a fault if nobody can mean it.
pub fn check(faults: &mut Faults, pointer: &str, time: Option<Timestamp>) {
    let valid = !time.is_some_and(is_too_late);
    faults.check(valid, pointer, "out-of-range", TOO_LATE);
}

/// The log's precision.
pub fn to_microsecond(time: Timestamp) -> Timestamp {
    // Nearer to 1970 than a time that there is: the fallback is never taken.
    let whole = time.subsec_nanosecond() / 1_000 * 1_000;
    Timestamp::new(time.as_second(), whole).unwrap_or(time)
}
