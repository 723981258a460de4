//! Listeners, and routers that answer on them until the process ends.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::{Listener, ListenerExt};
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::app::shutdown::Shutdown;

/// Most connections of one listener; more wait until one ends.
const MAX_CONNECTIONS: usize = 10_000;

/// How long a connection may keep the server waiting.
#[derive(Clone, Copy)]
struct Patience {
    /// From its begin until its first request has a whole head.
    head: Duration,
    /// The same for each later one, counted from the answer before: hyper tells waiting for a request and waiting for
    /// the rest of its head not apart. Proxies keep connections for a minute, and must be the ones who close them.
    next_head: Duration,
    /// Between two pings of HTTP/2, and for the answer to each.
    ping: Duration,
}

const PATIENCE: Patience = Patience {
    head: Duration::from_secs(10),
    next_head: Duration::from_secs(75),
    ping: Duration::from_secs(30),
};

/// Takes the address before anything else is begun: a port in use is told at once.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}"))
}

/// Answers until the shutdown begins; requests that have begun are finished. From its announcement on clients are told to
/// come back on another connection, which leads to another process.
pub fn spawn(listener: TcpListener, router: Router, shutdown: &Shutdown) {
    spawn_with(PATIENCE, listener, router, shutdown);
}

fn spawn_with(patience: Patience, listener: TcpListener, router: Router, shutdown: &Shutdown) {
    let (begun, tasks) = (shutdown.begun.clone(), shutdown.tasks.clone());
    let announced = shutdown.announced.clone();
    let parting = announced.clone();
    let part = move |request, next| say_goodbye(parting.clone(), request, next);
    let router = router.layer(from_fn(part));
    let mut listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::trace!(%error, "a connection keeps its delay");
        }
    });
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    shutdown.tasks.spawn(async move {
        let next = async |listener: &mut _| {
            let place = places.clone().acquire_owned().await;
            (place, Listener::accept(listener).await)
        };
        loop {
            let (place, (io, peer)) = tokio::select! {
                () = begun.cancelled() => return,
                accepted = next(&mut listener) => accepted,
            };
            let router = router.clone();
            let (announced, begun) = (announced.clone(), begun.clone());
            tasks.spawn(async move {
                answer(patience, io, peer, router, announced, begun).await;
                drop(place);
            });
        }
    });
}

async fn answer(
    patience: Patience,
    io: TcpStream,
    peer: SocketAddr,
    router: Router,
    announced: CancellationToken,
    begun: CancellationToken,
) {
    let asked = Arc::new(Asked::new());
    let service = FromPeer {
        inner: router,
        peer,
        asked: asked.clone(),
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.next_head);
    // Whoever does not answer a ping is gone, and is not waited for when the connection is to end.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(patience.ping)
        .keep_alive_timeout(patience.ping);
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    // hyper's own time-out begins only once it knows the version of HTTP, and HTTP/2 has none.
    let mut silent = pin!(asked.silence(patience));
    let (mut ending, mut told) = (false, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::trace!(%peer, %error, "a connection failed");
                }
                return;
            }
            asked = silent.as_mut(), if !ending => {
                tracing::trace!(%peer, "a connection asks for nothing");
                if !asked {
                    return;
                }
                // What is still being answered is finished.
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            () = announced.cancelled(), if !told => {
                told = true;
                // HTTP/2 has a frame for it, which loses no request that is on its way (RFC 9113, 6.8); a connection of HTTP/1
                // is told by its next answer.
                if asked.is_multiplexed() {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
            () = begun.cancelled(), if !ending => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// The next answer of a connection of HTTP/1 is its last (RFC 9112, 9.6).
async fn say_goodbye(announced: CancellationToken, request: Request, next: Next) -> Response {
    let is_multiplexed = request.version() > Version::HTTP_11;
    let mut response = next.run(request).await;
    if announced.is_cancelled() && !is_multiplexed {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// When and how a connection was last asked for something.
struct Asked {
    connected: Instant,
    /// Milliseconds after that; 0 before the first time.
    last: AtomicU64,
    multiplexed: AtomicBool,
}

impl Asked {
    fn new() -> Self {
        Self {
            connected: Instant::now(),
            last: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
        }
    }

    /// By HTTP/2: several requests at once.
    fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Ordering::Relaxed)
    }

    fn note(&self, version: Version) {
        let multiplexed = version > Version::HTTP_11;
        self.multiplexed.store(multiplexed, Ordering::Relaxed);
        let after = self.connected.elapsed().as_millis().max(1);
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.last.store(after, Ordering::Relaxed);
    }

    /// Ends when nobody has asked for as long as the patience lasts; says whether anybody ever did.
    async fn silence(&self, patience: Patience) -> bool {
        let mut until = self.connected + patience.head;
        loop {
            tokio::time::sleep_until(until.into()).await;
            let last = self.last.load(Ordering::Relaxed);
            if last == 0 {
                return false;
            }
            until = self.connected + Duration::from_millis(last) + patience.next_head;
            if until <= Instant::now() {
                return true;
            }
        }
    }
}

/// Tells the router who asks, and the connection that it was asked.
#[derive(Clone)]
struct FromPeer<S> {
    inner: S,
    peer: SocketAddr,
    asked: Arc<Asked>,
}

impl<B, S: Service<http::Request<B>>> Service<http::Request<B>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> S::Future {
        self.asked.note(request.version());
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures::StreamExt;
    use rstest::rstest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Longer than a busy machine lets a client wait for its turn.
    const SHORT: Duration = Duration::from_secs(2);
    const LONG: Duration = Duration::from_secs(60);

    async fn serve(head: Duration, next_head: Duration) -> (SocketAddr, Shutdown) {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route(
                "/",
                get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
            )
            .route("/slow", get(slow));
        let shutdown = Shutdown::default();
        let ping = next_head;
        let patience = Patience {
            head,
            next_head,
            ping,
        };
        spawn_with(patience, listener, router, &shutdown);
        (address, shutdown)
    }

    /// Begins at once, and ends long after every time-out.
    async fn slow() -> Body {
        let begin = futures::stream::once(async { "begin" });
        let end = futures::stream::once(async {
            tokio::time::sleep(SHORT * 2).await;
            "end"
        });
        let texts = begin.chain(end).map(Bytes::from);
        Body::from_stream(texts.map(Ok::<_, std::convert::Infallible>))
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: skyways.localhost\r\n\r\n")
    }

    /// Reads on until `end` has come, or else until the server closes.
    async fn read_until(stream: &mut TcpStream, end: &str) -> String {
        let mut text = String::new();
        while end.is_empty() || !text.contains(end) {
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(LONG, stream.read(&mut bytes)).await;
            match read.expect("the server keeps the connection open") {
                Ok(0) | Err(_) => break,
                Ok(count) => text.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
            }
        }
        text
    }

    #[rstest]
    #[case::silent("")]
    #[case::half_a_head("GET / HTTP/1.1\r\nhost: skyw")]
    #[case::half_a_preface("PRI * HTTP/2.0\r\n")]
    #[tokio::test]
    async fn whoever_does_not_ask_is_cut_off(#[case] sent: &str) {
        let (address, _shutdown) = serve(SHORT, LONG * 10).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(read_until(&mut stream, "").await, "");
    }

    #[tokio::test]
    async fn a_connection_serves_again_and_again_and_is_closed_when_nothing_comes() {
        let (address, _shutdown) = serve(LONG, SHORT).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        for _ in 0..2 {
            stream.write_all(request("/").as_bytes()).await.unwrap();
            let answer = read_until(&mut stream, &peer).await;
            assert!(answer.ends_with(&peer), "{answer}");
        }
        stream.write_all(b"GET / HT").await.unwrap();
        read_until(&mut stream, "").await;
    }

    /// One request of HTTP/2 (RFC 9113): preface, settings, and a head of the static table (RFC 7541).
    const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
        \x00\x00\x00\x04\x00\x00\x00\x00\x00\
        \x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01a";

    #[tokio::test]
    async fn a_connection_of_http_2_is_closed_too_when_nothing_comes() {
        let (address, _shutdown) = serve(LONG * 10, SHORT).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        stream.write_all(HTTP_2).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(LONG, stream.read_to_end(&mut answer)).await;
        closed
            .expect("the server keeps the connection open")
            .unwrap();
        let said = String::from_utf8_lossy(&answer);
        assert!(said.contains(&peer), "{said}");
    }

    #[tokio::test]
    async fn an_answer_takes_as_long_as_it_takes_and_is_finished_at_the_end() {
        let (address, shutdown) = serve(SHORT, SHORT).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request("/slow").as_bytes()).await.unwrap();
        read_until(&mut stream, "begin").await;
        shutdown.begun.cancel();
        let rest = read_until(&mut stream, "").await;
        assert!(rest.contains("end"), "{rest}");
        tokio::time::timeout(LONG, shutdown.finished())
            .await
            .unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn whoever_asks_during_the_notice_is_answered_and_told_to_come_back_on_another_connection()
     {
        let (address, shutdown) = serve(LONG, LONG).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        stream.write_all(request("/").as_bytes()).await.unwrap();
        let before = read_until(&mut stream, &peer).await;
        assert!(!before.contains("connection: close"), "{before}");
        shutdown.announced.cancel();
        stream.write_all(request("/").as_bytes()).await.unwrap();
        let last = read_until(&mut stream, "").await;
        assert!(last.contains("connection: close"), "{last}");
        assert!(last.ends_with(&peer), "{last}");
        // Whoever has not heard of it comes in as before.
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(request("/").as_bytes()).await.unwrap();
        let answer = read_until(&mut other, "").await;
        assert!(answer.contains("200 OK"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_of_http_2_is_told_at_once() {
        let (address, shutdown) = serve(LONG, LONG).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        stream.write_all(HTTP_2).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(&peer) {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
        shutdown.announced.cancel();
        // A frame of type GOAWAY with eight bytes.
        let goodbye = [0, 0, 8, 7, 0, 0, 0, 0, 0];
        let told = async {
            while !answer.windows(goodbye.len()).any(|it| it == goodbye) {
                assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
            }
        };
        let told = tokio::time::timeout(LONG, told).await;
        told.expect("the server says goodbye");
    }

    #[tokio::test]
    async fn http_2_is_spoken_too() {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let (address, _shutdown) = serve(LONG, LONG).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(preface).await.unwrap();
        stream.write_all(&SETTINGS).await.unwrap();
        let mut frame = [0; 9];
        let read = tokio::time::timeout(LONG, stream.read_exact(&mut frame)).await;
        read.expect("the server is silent").unwrap();
        assert_eq!(frame[3], SETTINGS[3], "{frame:?}");
    }
}
