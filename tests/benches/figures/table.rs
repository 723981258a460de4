//! One table: on the terminal, and in docs/benchmarks.md.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::measured::Measured;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

const SPENT: &str = "\n## How it was spent\n\nLatencies in ms; WAL and processor time (µs) for each event.\n\n\
    | measurement | events/s | p50 | p99 | p99.9 | WAL bytes | WAL syncs | CPU server | CPU clients |\n\
    |---|---|---|---|---|---|---|---|---|\n";

pub struct Table {
    rows: Vec<[String; 6]>,
    spent: Vec<[String; 9]>,
    notes: Vec<String>,
}

/// What a figure is held against.
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// Measured, and promised to nobody.
    None,
}

impl Bar {
    fn text(&self) -> String {
        match self {
            Self::AtLeast(bar) => format!("≥ {bar}"),
            Self::AtMost(bar) => format!("≤ {bar}"),
            Self::None => String::new(),
        }
    }

    fn holds(&self, value: f64) -> &'static str {
        match self {
            Self::AtLeast(bar) if value >= *bar => "yes",
            Self::AtMost(bar) if value <= *bar => "yes",
            Self::None => "",
            Self::AtLeast(_) | Self::AtMost(_) => "no",
        }
    }
}

impl Table {
    pub fn new() -> Self {
        Self {
            rows: Vec::new(),
            spent: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A figure of ours alone, held against its bar.
    pub fn figure(&mut self, what: &str, value: f64, unit: &str, bar: Bar) {
        let holds = bar.holds(value).to_owned();
        let bar = bar.text();
        self.push([
            what.to_owned(),
            amount(value, unit),
            String::new(),
            String::new(),
            bar,
            holds,
        ]);
    }

    /// Ours beside another's, round by round: the median of each round's own ratio is held against the bar.
    /// What disturbs a round disturbs both.
    pub fn beside(&mut self, what: &str, [ours, theirs]: [&[f64]; 2], unit: &str, bar: Bar) {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let ratio = median(&ratios);
        let holds = bar.holds(ratio).to_owned();
        let bar = bar.text();
        let ratio = format!("{ratio:.2}");
        self.push([
            what.to_owned(),
            amount(median(ours), unit),
            amount(median(theirs), unit),
            ratio,
            bar,
            holds,
        ]);
    }

    /// How the time of a measurement was spent.
    pub fn spent(&mut self, what: &str, measured: &Measured) {
        let [p50, p99, p999] = [500, 990, 999].map(|it| measured.milliseconds(it));
        let [server, client] = measured.processor();
        let row = [
            what.to_owned(),
            format!("{:.0}", median(measured.per_second())),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
            format!("{p999:.2}"),
            format!("{:.0}", measured.wal_bytes()),
            format!("{:.4}", measured.wal_syncs()),
            format!("{server:.1}"),
            format!("{client:.1}"),
        ];
        eprintln!("{}", row.join("  "));
        self.spent.push(row);
    }

    pub fn note(&mut self, text: &str) {
        eprintln!("{text}");
        self.notes.push(text.to_owned());
    }

    pub fn finish(self) {
        let mut page = String::from(
            "# Benchmarks\n\nWritten by `make bench`. Medians of interleaved rounds on one machine; ratios travel, absolute numbers do not.\n\n",
        );
        let _ = writeln!(page, "Machine: {}\n", machine());
        page.push_str(
            "| figure | ours | beside | ratio | bar | holds |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(page, "| {} |", row.join(" | "));
        }
        page.push_str(SPENT);
        for row in &self.spent {
            let _ = writeln!(page, "| {} |", row.join(" | "));
        }
        page.push('\n');
        for note in &self.notes {
            let _ = writeln!(page, "- {note}");
        }
        println!("\n{page}");
        fs::write(PAGE, page).unwrap();
    }

    fn push(&mut self, row: [String; 6]) {
        eprintln!("{}", row.join("  "));
        self.rows.push(row);
    }
}

/// The middle one; of an even number the lower.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}

fn amount(value: f64, unit: &str) -> String {
    let digits = if value < 100.0 { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let postgres = Command::new("psql").arg("--version").output();
    let postgres = postgres.map_or_else(
        |_| "no psql".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!("{cores} cores, {postgres}")
}
