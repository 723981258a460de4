//! How far something long has come, for whoever watches a terminal.

use std::io::{IsTerminal, Stderr, Write, stderr};

/// One line that is written over and over, and gone in the end.
pub struct Progress<W: Write> {
    what: &'static str,
    terminal: Option<W>,
    shown: Option<i64>,
}

impl Progress<Stderr> {
    /// On standard error; nothing where that is no terminal.
    pub fn new(what: &'static str) -> Self {
        let stderr = stderr();
        Self::on(what, stderr.is_terminal().then_some(stderr))
    }
}

impl<W: Write> Progress<W> {
    fn on(what: &'static str, terminal: Option<W>) -> Self {
        Self {
            what,
            terminal,
            shown: None,
        }
    }

    /// So much of it is done.
    pub fn at(&mut self, done: i64, of: i64) {
        let percent = done.saturating_mul(100) / of.max(1);
        if self.shown != Some(percent) {
            self.shown = Some(percent);
            self.write(&format!("\r{} {percent} % ({done} of {of})", self.what));
        }
    }

    /// Whoever does not take it is not worth a failure.
    fn write(&mut self, text: &str) {
        if let Some(terminal) = &mut self.terminal {
            let _ = terminal.write_all(text.as_bytes());
            let _ = terminal.flush();
        }
    }
}

impl<W: Write> Drop for Progress<W> {
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
        let mut progress = Progress::on("exporting", Some(&mut shown));
        for done in 0..=400 {
            progress.at(done, 800);
        }
        drop(progress);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.matches("exporting").count(), 51);
        assert!(shown.starts_with("\rexporting 0 % (0 of 800)\rexporting 1 % (8 of 800)"));
        assert!(shown.ends_with("50 % (400 of 800)\r\x1b[K"));
    }

    #[test]
    fn an_empty_log_is_no_division_by_zero() {
        let mut progress = Progress::on("verifying", None::<Vec<u8>>);
        progress.at(0, 0);
    }
}
