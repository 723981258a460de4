//! What an operator asked of the API server, by the audit log; the Lease aside.

use std::collections::BTreeMap;

use albatross_tests::api_server::{ApiServer, Request};

#[derive(Default)]
pub struct Asked {
    pub requests: usize,
    pub writes: usize,
    /// Made, events aside.
    pub objects: usize,
    pub status_patches: usize,
    /// By verb and kind.
    kinds: BTreeMap<String, usize>,
}

/// Reads the log onwards.
pub struct Log {
    api_server: &'static ApiServer,
    user: &'static str,
    offset: u64,
}

impl Log {
    /// From its end.
    pub fn new(api_server: &'static ApiServer, user: &'static str) -> Self {
        let mut log = Self {
            api_server,
            user,
            offset: 0,
        };
        log.take();
        log
    }

    /// What was asked since the last time.
    pub fn take(&mut self) -> Asked {
        let (requests, offset) = self.api_server.requests_since(self.offset);
        self.offset = offset;
        let mut asked = Asked::default();
        let its = requests.iter().filter(|request| request.user == self.user);
        for request in its.filter(|request| !request.path.contains("/leases")) {
            asked.add(request);
        }
        asked
    }
}

impl Asked {
    fn add(&mut self, request: &Request) {
        let kind = kind(&request.path);
        self.requests += 1;
        self.writes += usize::from(request.writes());
        self.status_patches += usize::from(request.writes() && kind == "tenants/status");
        self.objects += usize::from(request.code == 201 && kind != "events");
        let refused = if request.code >= 400 {
            format!(" {}", request.code)
        } else {
            String::new()
        };
        *self
            .kinds
            .entry(format!("{} {kind}{refused}", request.verb))
            .or_default() += 1;
    }

    /// On the terminal.
    pub fn tell(&self) {
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        eprintln!("  asked: {}", kinds.join(", "));
    }
}

/// `deployments`, or `tenants/status`.
fn kind(path: &str) -> String {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let group = if segments[0] == "api" { 2 } else { 3 };
    let of_resource = match segments.get(group) {
        Some(&"namespaces") if segments.len() > group + 2 => group + 2,
        _ => group,
    };
    let resource = segments.get(of_resource).copied().unwrap_or("discovery");
    match segments.get(of_resource + 2) {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.to_owned(),
    }
}
