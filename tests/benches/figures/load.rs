//! Clients that each do one thing after the other until the time is up.

use std::time::{Duration, Instant};

/// What clients did together.
#[derive(Default)]
pub struct Run {
    pub elapsed: Duration,
    pub events: u64,
    /// One for each thing that was done.
    pub latencies: Vec<Duration>,
}

impl Run {
    pub fn per_second(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

/// `operation` answers how many events it stored.
pub async fn clients<F>(
    count: usize,
    each: Duration,
    operation: impl Fn() -> F + Clone + Send + 'static,
) -> Run
where
    F: Future<Output = u64> + Send + 'static,
{
    let begun = Instant::now();
    let one = |_| {
        let operation = operation.clone();
        tokio::spawn(async move {
            let (mut latencies, mut events) = (Vec::new(), 0);
            while begun.elapsed() < each {
                let asked = Instant::now();
                events += operation().await;
                latencies.push(asked.elapsed());
            }
            (latencies, events)
        })
    };
    let running: Vec<_> = (0..count).map(one).collect();
    let mut run = Run::default();
    for client in running {
        let (latencies, events) = client.await.unwrap();
        run.latencies.extend(latencies);
        run.events += events;
    }
    run.elapsed = begun.elapsed();
    run
}
