//! A TCP proxy before a server, to take the server away from one client without disturbing anybody else.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Connections stay open, and nothing comes through: a partition.
    Stall,
    /// Connections are closed, and new ones at once: a server that went away.
    Refuse,
}

pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    _task: AbortOnDropHandle<()>,
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
        let (mode, modes) = watch::channel(Mode::Pass);
        Self {
            address,
            mode,
            _task: AbortOnDropHandle::new(tokio::spawn(serve(listener, target, modes))),
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
        self.mode.send_replace(mode);
    }
}

async fn serve(listener: TcpListener, target: String, modes: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connect(client, target.clone(), modes.clone()));
    }
}

/// Ends when either side does, or when the proxy refuses.
async fn connect(
    client: TcpStream,
    target: String,
    mut modes: watch::Receiver<Mode>,
) -> io::Result<()> {
    if *modes.borrow() == Mode::Refuse {
        return Ok(());
    }
    let server = TcpStream::connect(target).await?;
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
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
    tokio::select! {
        ended = copy(client_reads, server_writes, modes.clone(), hear) => ended,
        ended = copy(server_reads, client_writes, modes.clone(), answer) => ended,
        _ = modes.wait_for(|mode| *mode == Mode::Refuse) => Ok(()),
    }
}

/// Until one side ends, or `pass` says no.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    pass: impl Fn(&[u8], Mode) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        let moves = |mode: &Mode| matches!(mode, Mode::Pass | Mode::LoseAnswersTo(_));
        let Ok(mode) = modes.wait_for(moves).await.map(|mode| *mode) else {
            return Ok(());
        };
        if count == 0 || !pass(&buffer[..count], mode) {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
    }
}
