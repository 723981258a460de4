//! What was asked of an API server, and by whom, by its own audit log: every write, and the operator's reads.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde_json::Value;

use crate::api_server::ApiServer;

const WRITING: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// A request that was to change something.
pub type Write = Request;

/// A request, as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub user: String,
    /// Identity of the token that was shown; empty for other kinds of proof.
    pub credential: String,
    pub verb: String,
    /// Without its query.
    pub path: String,
    /// HTTP status of the answer.
    pub code: u64,
}

impl Request {
    pub fn writes(&self) -> bool {
        WRITING.contains(&self.verb.as_str())
    }
}

impl ApiServer {
    /// Every write so far, in the order of their answers.
    ///
    /// # Panics
    /// When there is no log.
    pub fn writes(&self) -> Vec<Write> {
        let (mut requests, _) = self.requests_since(0);
        requests.retain(Request::writes);
        requests
    }

    /// What was logged after the first `offset` bytes of the log, and how long it is now. A watch counts as it begins.
    ///
    /// # Panics
    /// When there is no log.
    pub fn requests_since(&self, offset: u64) -> (Vec<Request>, u64) {
        let mut log = File::open(self.directory.join("audit.log")).expect("an audit log");
        let mut text = String::new();
        log.seek(SeekFrom::Start(offset))
            .and_then(|_| log.read_to_string(&mut text))
            .expect("a readable log");
        let whole_lines = text.rfind('\n').map_or(0, |end| end + 1);
        let requests = text[..whole_lines].lines().filter_map(read).collect();
        (requests, offset + whole_lines as u64)
    }
}

/// None for the end of a watch, whose begin was logged.
fn read(line: &str) -> Option<Request> {
    let event: Value = serde_json::from_str(line).expect("the log's lines are JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (verb, user) = (text(&event["verb"]), &event["user"]);
    if verb == "watch" && event["stage"] != "ResponseStarted" {
        return None;
    }
    let uri = text(&event["requestURI"]);
    Some(Request {
        user: text(&user["username"]),
        credential: text(&user["extra"]["authentication.kubernetes.io/credential-id"][0]),
        verb,
        path: uri.split('?').next().unwrap_or_default().to_owned(),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}
