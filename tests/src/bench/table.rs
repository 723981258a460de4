//! One table: on the terminal, and on a page of docs/.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

pub struct Table {
    page: &'static str,
    command: &'static str,
    columns: &'static str,
    rows: Vec<[String; 6]>,
    details: Vec<Vec<String>>,
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
    /// `page` is a file of docs/, `command` what writes it, `columns` the heading of a second table.
    pub fn new(page: &'static str, command: &'static str, columns: &'static str) -> Self {
        Self {
            page,
            command,
            columns,
            rows: Vec::new(),
            details: Vec::new(),
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

    /// A row of the second table.
    pub fn detail(&mut self, row: Vec<String>) {
        eprintln!("{}", row.join("  "));
        self.details.push(row);
    }

    pub fn note(&mut self, text: &str) {
        eprintln!("{text}");
        self.notes.push(text.to_owned());
    }

    /// # Panics
    /// When the page cannot be written.
    pub fn finish(self) {
        let mut page = format!(
            "# Benchmarks\n\nWritten by `{}`. Medians of interleaved rounds on one machine; ratios travel, absolute numbers do not.\n\n",
            self.command
        );
        let _ = writeln!(page, "Machine: {}\n", machine());
        page.push_str(
            "| figure | ours | beside | ratio | bar | holds |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            let _ = writeln!(page, "| {} |", row.join(" | "));
        }
        page.push_str(self.columns);
        for row in &self.details {
            let _ = writeln!(page, "| {} |", row.join(" | "));
        }
        page.push('\n');
        for note in &self.notes {
            let _ = writeln!(page, "- {note}");
        }
        println!("\n{page}");
        fs::write(Path::new(DOCS).join(self.page), page).expect("a written page");
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
