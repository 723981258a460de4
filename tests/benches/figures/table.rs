//! One table: on the terminal, and in docs/benchmarks.md.

use std::fmt::Write;
use std::fs;
use std::process::Command;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

pub struct Table {
    rows: Vec<[String; 6]>,
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

    /// A figure beside another's; their ratio is held against the bar.
    pub fn beside(&mut self, what: &str, ours: f64, theirs: f64, unit: &str, bar: Bar) {
        let ratio = ours / theirs;
        let holds = bar.holds(ratio).to_owned();
        let bar = bar.text();
        let ratio = format!("{ratio:.2}");
        self.push([
            what.to_owned(),
            amount(ours, unit),
            amount(theirs, unit),
            ratio,
            bar,
            holds,
        ]);
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
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
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
