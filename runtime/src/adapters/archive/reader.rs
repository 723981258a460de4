//! Reads an export commit by commit; whatever is not as it was written is an error before anything of it is given out.

use std::io::{BufRead, Read};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::adapters::archive::error::ArchiveError;
use crate::adapters::archive::format::{
    AnyHeader, CommitLine, EndLine, Header, Line, MAX_LINE_BYTES, VERSION,
};
use crate::adapters::batch::event_weight;
use crate::adapters::chain::{Commit, Verified};
use crate::adapters::combiner::MAX_COMMANDS;
use crate::adapters::packing;
use crate::ports::event_store::{MAX_APPEND_BYTES, RecordedEvent, SubjectKey};
use crate::ports::track_store::LogLine;

/// Of every export, whatever its format.
const BEGINNING: &[u8] = b"{\"export\":";
/// No commit weighs as much: it holds one append, or several that weigh no more than the largest payloads of one.
const MAX_COMMIT_WEIGHT: usize = 2 * MAX_APPEND_BYTES;

/// A flight has 5,000 lines of a log at most, of which the writer puts 1,000 into one.
const LOGS_OF_FLIGHT: usize = 5;

/// A commit, and the keys and tracks of the streams that begin in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    pub commit: Commit,
    pub keys: Vec<SubjectKey>,
    pub tracks: Vec<Track>,
    pub logs: Vec<FlightLog>,
}

/// Samples of a flight, packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub flight: Uuid,
    pub packed: Vec<u8>,
    /// When the server received its last sample; unknown of older exports.
    pub received_at: Option<Timestamp>,
}

/// Lines of a flight's ACARS log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightLog {
    pub flight: Uuid,
    pub lines: Vec<LogLine>,
}

/// An export that is read from its start.
pub struct Reader<R> {
    input: R,
    header: Header,
    lines: u64,
    digest: Sha256,
    verified: Verified,
    keys: u64,
    tracks: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// When this is no export, or one of a later format.
    pub fn open(mut input: R) -> Result<Self, ArchiveError> {
        let bytes = read_line(&mut input)?;
        if !bytes.starts_with(BEGINNING) {
            return Err(ArchiveError::NotAnExport);
        }
        check_whole(&bytes, 0, 0)?;
        let any = serde_json::from_slice::<AnyHeader>(&bytes);
        let version = any.map_err(|_| ArchiveError::NotAnExport)?.export.version;
        if version != VERSION {
            return Err(ArchiveError::UnknownVersion(version));
        }
        let Ok(Line::Export(header)) = serde_json::from_slice(&bytes) else {
            return Err(ArchiveError::NotAnExport);
        };
        Ok(Self {
            input,
            header,
            lines: 1,
            digest: Sha256::new_with_prefix(&bytes),
            verified: Verified::NOTHING,
            keys: 0,
            tracks: 0,
            ended: false,
        })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What has been read so far.
    pub fn verified(&self) -> Verified {
        self.verified
    }

    /// How many keys and tracks have been read so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.keys, self.tracks)
    }

    /// The next commit; none behind the last line, which covers the whole file.
    ///
    /// # Errors
    /// At the first line or position that is not as it was written, and where the file is cut off.
    pub fn next_commit(&mut self) -> Result<Option<Archived>, ArchiveError> {
        let (mut events, mut keys) = (Vec::new(), Vec::new());
        let (mut tracks, mut logs) = (Vec::new(), Vec::new());
        let mut weight = 0;
        while !self.ended {
            let most = keys.len().max(tracks.len());
            let most = most.max(logs.len().div_ceil(LOGS_OF_FLIGHT));
            if weight > MAX_COMMIT_WEIGHT || most > MAX_COMMANDS {
                return Err(self.fault("no commit holds so much"));
            }
            let before = self.digest.clone();
            match self.line()? {
                Line::Event(event) => {
                    let event = RecordedEvent::from(event);
                    weight += event_weight(&event.payload);
                    events.push(event);
                }
                Line::Key(key) => keys.push(key.into()),
                Line::Track(track) => {
                    let packed = track.samples.0;
                    packing::unpack(&packed).map_err(|error| self.fault(error))?;
                    tracks.push(Track {
                        flight: track.flight,
                        packed,
                        received_at: track.received_at,
                    });
                }
                Line::Log(log) => logs.push(FlightLog {
                    flight: log.flight,
                    lines: log.lines.into_iter().map(Into::into).collect(),
                }),
                Line::Commit(line) => {
                    let link = line
                        .link()
                        .ok_or_else(|| self.fault("a hash has 32 bytes"))?;
                    let verified = self.verified.followed_by(&events, &link)?;
                    self.check_file(before, &line)?;
                    self.verified = verified;
                    self.keys += keys.len() as u64;
                    self.tracks += tracks.len() as u64;
                    let commit = Commit { events, link };
                    return Ok(Some(Archived {
                        commit,
                        keys,
                        tracks,
                        logs,
                    }));
                }
                Line::End(end) => {
                    let nothing = keys.is_empty() && tracks.is_empty() && logs.is_empty();
                    if !(events.is_empty() && nothing) {
                        return Err(self.fault("the last commit is missing"));
                    }
                    self.check_end(before, &end)?;
                    self.ended = true;
                }
                Line::Export(_) => return Err(self.fault("a second first line")),
            }
        }
        Ok(None)
    }

    /// Keys and tracks are no part of the log's own chain.
    fn check_file(&self, before: Sha256, line: &CommitLine) -> Result<(), ArchiveError> {
        if before.finalize()[..] == line.file.0[..] {
            return Ok(());
        }
        Err(self.fault("it does not cover the lines before it"))
    }

    fn check_end(&mut self, before: Sha256, end: &EndLine) -> Result<(), ArchiveError> {
        if before.finalize()[..] != end.file.0[..] {
            return Err(self.fault("it does not cover the lines before it"));
        }
        let (keys, tracks, events) = (self.keys, self.tracks, self.verified.events);
        if (end.events, end.keys, end.tracks, self.header.head) != (events, keys, tracks, events) {
            return Err(self.fault("it counts otherwise"));
        }
        match self.input.fill_buf()? {
            [] => Ok(()),
            _ => Err(self.fault("something follows the end")),
        }
    }

    fn line(&mut self) -> Result<Line, ArchiveError> {
        let bytes = read_line(&mut self.input)?;
        check_whole(&bytes, self.lines, self.verified.events)?;
        self.lines += 1;
        self.digest.update(&bytes);
        serde_json::from_slice(&bytes).map_err(|error| self.fault(error))
    }

    /// What is wrong with the line that was read last.
    fn fault(&self, reason: impl ToString) -> ArchiveError {
        ArchiveError::Line {
            line: self.lines,
            position: self.verified.events,
            reason: reason.to_string(),
        }
    }
}

/// A line with its end, or as much of it as there is.
fn read_line(input: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = input.take(MAX_LINE_BYTES as u64);
    limited.read_until(b'\n', &mut bytes)?;
    Ok(bytes)
}

fn check_whole(bytes: &[u8], lines: u64, position: i64) -> Result<(), ArchiveError> {
    if bytes.last() == Some(&b'\n') {
        return Ok(());
    }
    if bytes.len() < MAX_LINE_BYTES {
        return Err(ArchiveError::Truncated { lines, position });
    }
    Err(ArchiveError::Line {
        line: lines + 1,
        position,
        reason: "it is too long".to_owned(),
    })
}
