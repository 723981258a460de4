//! What a test run is configured by.

#[expect(
    clippy::disallowed_methods,
    reason = "a test run is configured by its environment"
)]
pub fn soak() -> bool {
    std::env::var("ALBATROSS_SOAK").is_ok_and(|value| value == "1")
}

/// `ALBATROSS_SEED` repeats a run.
#[expect(
    clippy::disallowed_methods,
    reason = "a test run is configured by its environment"
)]
pub fn seed() -> u64 {
    let given = std::env::var("ALBATROSS_SEED").ok();
    given.map_or_else(rand::random, |seed| seed.parse().unwrap())
}
