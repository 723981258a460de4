//! A TCP proxy before a server, to take the server away from one client without disturbing anybody else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// How the server looks from behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Pass,
    /// As above; but whoever asks something that holds these bytes is heard, and loses connection and answer.
    LoseAnswersTo([u8; 16]),
    /// Everything arrives this much later, either way.
    Slow(Duration),
    /// Connections stay open, and nothing comes through: a partition.
    Stall,
    /// What the client says arrives, and no answer comes back.
    Mute,
    /// Connections are closed, and new ones at once: a server that went away.
    Refuse,
}

pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepted: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone, Copy)]
struct State {
    mode: Mode,
    /// Connections from before are half open.
    generation: usize,
}

impl Proxy {
    /// Stands before the server that `url` names.
    ///
    /// # Panics
    /// When there is no free port, or `url` names no host and port.
    pub async fn before(url: &str) -> Self {
        let url = Url::parse(url).expect("a server has a URL");
        let (host, port) = (url.host_str(), url.port());
        let target = format!(
            "{}:{}",
            host.expect("a server has a host"),
            port.expect("a server has a port")
        );
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (state, states) = watch::channel(State {
            mode: Mode::Pass,
            generation: 0,
        });
        let accepted = Arc::new(AtomicUsize::new(0));
        let serving = serve(listener, target, states, accepted.clone());
        Self {
            address,
            state,
            accepted,
            _task: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// The same URL, through the proxy.
    ///
    /// # Panics
    /// When `url` is none.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a server has a URL");
        url.set_ip_host(self.address.ip())
            .and_then(|()| url.set_port(Some(self.address.port())))
            .expect("a server's URL can name another host");
        url.into()
    }

    pub fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Leaves every connection that there is half open: the server has closed it, and the client is told nothing, ever.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.generation += 1);
    }

    /// How many connections clients have begun.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

async fn serve(
    listener: TcpListener,
    target: String,
    states: watch::Receiver<State>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connect(client, target.clone(), states.clone()));
    }
}

/// Ends when either side does, or when the proxy refuses.
async fn connect(
    client: TcpStream,
    target: String,
    mut states: watch::Receiver<State>,
) -> io::Result<()> {
    let State { mode, generation } = *states.borrow();
    if mode == Mode::Refuse {
        return Ok(());
    }
    let server = TcpStream::connect(target).await?;
    let (mut client_reads, mut client_writes) = client.into_split();
    let (mut server_reads, mut server_writes) = server.into_split();
    let lost = AtomicBool::new(false);
    let hear = |asked: &[u8], mode| {
        if let Mode::LoseAnswersTo(bytes) = mode
            && asked.windows(bytes.len()).any(|window| window == bytes)
        {
            lost.store(true, Ordering::Relaxed);
        }
        true
    };
    let answer = |_: &[u8], _| !lost.load(Ordering::Relaxed);
    let there = Way {
        states: states.clone(),
        held_by: &[Mode::Stall],
    };
    let back = Way {
        states: states.clone(),
        held_by: &[Mode::Stall, Mode::Mute],
    };
    let over = |state: &State| state.mode == Mode::Refuse || state.generation != generation;
    let forgotten = tokio::select! {
        ended = there.copy(&mut client_reads, &mut server_writes, hear) => return ended,
        ended = back.copy(&mut server_reads, &mut client_writes, answer) => return ended,
        state = states.wait_for(over) => state.is_ok_and(|state| state.mode != Mode::Refuse),
    };
    if !forgotten {
        return Ok(());
    }
    drop((server_reads, server_writes));
    let mut nothing = [0; 1024];
    while client_reads.read(&mut nothing).await? > 0 {}
    Ok(())
}

/// One direction of a connection.
struct Way {
    states: watch::Receiver<State>,
    held_by: &'static [Mode],
}

impl Way {
    /// Passes pieces on, later where the mode says so, until one side ends, or `pass` says no.
    async fn copy(
        mut self,
        from: &mut OwnedReadHalf,
        to: &mut OwnedWriteHalf,
        pass: impl Fn(&[u8], Mode) -> bool,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = from.read(&mut buffer).await?;
            let moves = |state: &State| !self.held_by.contains(&state.mode);
            let Ok(mode) = self.states.wait_for(moves).await.map(|state| state.mode) else {
                return Ok(());
            };
            if count == 0 || !pass(&buffer[..count], mode) {
                return Ok(());
            }
            if let Mode::Slow(by) = mode {
                tokio::time::sleep(by).await;
            }
            to.write_all(&buffer[..count]).await?;
        }
    }
}
