//! How far something long has come: for whoever watches a terminal, else for whoever reads the log.

use std::io::{IsTerminal, Stderr, Write, stderr};

use crate::application::progress::{ProgressLog, percent};

/// On a terminal one line that is written over and over, and gone in the end; elsewhere now and then a line of the log.
pub enum Progress<W: Write> {
    Terminal(Line<W>),
    Log(ProgressLog),
}

pub struct Line<W: Write> {
    what: String,
    terminal: W,
    shown: Option<i64>,
}

impl Progress<Stderr> {
    /// On standard error, as the log is.
    pub fn new(what: impl Into<String>) -> Self {
        let (what, stderr) = (what.into(), stderr());
        match stderr.is_terminal() {
            true => Self::Terminal(Line::on(what, stderr)),
            false => Self::Log(ProgressLog::new(what)),
        }
    }
}

impl<W: Write> Progress<W> {
    /// So much of it is done.
    pub fn at(&mut self, done: i64, of: i64) {
        match self {
            Self::Terminal(line) => line.at(done, of),
            Self::Log(log) => log.at(done, of),
        }
    }
}

impl<W: Write> Line<W> {
    fn on(what: String, terminal: W) -> Self {
        Self {
            what,
            terminal,
            shown: None,
        }
    }

    fn at(&mut self, done: i64, of: i64) {
        let percent = percent(done, of);
        if self.shown != Some(percent) {
            self.shown = Some(percent);
            self.write(&format!("\r{} {percent} % ({done} of {of})", self.what));
        }
    }

    /// Whoever does not take it is not worth a failure.
    fn write(&mut self, text: &str) {
        let _ = self.terminal.write_all(text.as_bytes());
        let _ = self.terminal.flush();
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            self.write("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percent_is_shown_once_and_the_line_is_cleared() {
        let mut shown = Vec::new();
        let mut line = Line::on("exporting".to_owned(), &mut shown);
        for done in 0..=400 {
            line.at(done, 800);
        }
        drop(line);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.matches("exporting").count(), 51);
        assert!(shown.starts_with("\rexporting 0 % (0 of 800)\rexporting 1 % (8 of 800)"));
        assert!(shown.ends_with("50 % (400 of 800)\r\x1b[K"));
    }
}
