//! One connection for commands and messages, rebuilt with backoff and jitter whenever it is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, Msg,
    ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult, TlsCertificates,
};
use tokio::sync::{broadcast, mpsc, watch};

use crate::adapters::authority;
use crate::ports::backoff::Backoff;
use crate::ports::clock::Entropy;
use crate::ports::event_store::StoreError;

/// A cache that answers later than this is slower than what it saves.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Finds a connection that is dead without having been closed.
const PING_EVERY: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What those who share the connection hear from it.
#[derive(Clone)]
pub enum Heard {
    /// Connected anew: messages may have been missed.
    Connected,
    Message {
        channel: String,
        payload: Vec<u8>,
    },
}

pub struct Connection {
    info: ConnectionInfo,
    /// File of certificates in PEM, in place of those that the system trusts.
    authority: Option<String>,
    channels: Vec<String>,
    current: watch::Sender<Option<Live>>,
    heard: broadcast::Sender<Heard>,
    failing: AtomicBool,
    errors: Counter,
    connected: Gauge,
}

#[derive(Clone)]
struct Live {
    generation: u64,
    connection: MultiplexedConnection,
}

impl Connection {
    pub fn new(url: &str, channels: Vec<String>) -> Result<Self, StoreError> {
        let info = url.into_connection_info()?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        Ok(Self {
            info,
            authority: authority::file(url, "ssl_ca_certs"),
            channels,
            current: watch::Sender::new(None),
            heard: broadcast::Sender::new(1_024),
            failing: AtomicBool::new(false),
            errors: Counter::default(),
            connected: Gauge::default(),
        })
    }

    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.register(
            "albatross_redis_errors",
            "Commands and connection attempts that failed",
            self.errors.clone(),
        );
        registry.register(
            "albatross_redis_connected",
            "1 while Redis answers",
            self.connected.clone(),
        );
    }

    pub fn listen(&self) -> broadcast::Receiver<Heard> {
        self.heard.subscribe()
    }

    pub async fn connected(&self) {
        // The sender is this connection's own, so the wait cannot fail.
        let _ = self.current.subscribe().wait_for(Option::is_some).await;
    }

    /// Runs `command`; none when Redis is away or refuses, which is counted, and logged once until it is connected anew.
    pub async fn ask<T, F>(&self, command: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let Live {
            generation,
            connection,
        } = self.current.borrow().clone()?;
        match command(connection).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.note(&error);
                if error.is_io_error() || error.is_unrecoverable_error() {
                    self.give_up(generation);
                }
                None
            }
        }
    }

    /// Keeps the connection up; never returns.
    pub async fn supervise(self: Arc<Self>, entropy: Arc<dyn Entropy>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        for generation in 0.. {
            match self.connect().await {
                Ok((connection, pushed)) => {
                    backoff.reset();
                    self.came_up(Live {
                        generation,
                        connection: connection.clone(),
                    });
                    let error = self.tend(connection, pushed).await;
                    self.give_up(generation);
                    self.note(&error);
                }
                Err(error) => self.note(&error),
            }
            tokio::time::sleep(backoff.next(&*entropy)).await;
        }
    }

    async fn connect(
        &self,
    ) -> RedisResult<(MultiplexedConnection, mpsc::UnboundedReceiver<PushInfo>)> {
        let (push, pushed) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_push_sender(push);
        let mut connection = self
            .client()
            .await?
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        connection.subscribe(&self.channels).await?;
        Ok((connection, pushed))
    }

    async fn client(&self) -> RedisResult<Client> {
        let info = self.info.clone();
        match authority::read(self.authority.as_deref()).await? {
            Some(authority) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(authority.into_bytes()),
                },
            ),
            None => Client::open(info),
        }
    }

    fn came_up(&self, live: Live) {
        self.current.send_replace(Some(live));
        self.connected.set(1);
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis answers again");
        }
        // Without a listener there is nobody to tell.
        let _ = self.heard.send(Heard::Connected);
    }

    /// Passes messages on until the connection is lost, and says why it is.
    async fn tend(
        &self,
        mut connection: MultiplexedConnection,
        mut pushed: mpsc::UnboundedReceiver<PushInfo>,
    ) -> RedisError {
        let mut ping = tokio::time::interval(PING_EVERY);
        let mut current = self.current.subscribe();
        loop {
            tokio::select! {
                push = pushed.recv() => match push {
                    Some(push) if push.kind != PushKind::Disconnection => self.pass_on(push),
                    _ => return (ErrorKind::Io, "the connection was closed").into(),
                },
                () = given_up(&mut current) => return (ErrorKind::Io, "a command failed").into(),
                _ = ping.tick() => {
                    if let Err(error) = redis::cmd("PING").exec_async(&mut connection).await {
                        return error;
                    }
                }
            }
        }
    }

    fn pass_on(&self, push: PushInfo) {
        if let Some(message) = Msg::from_push_info(push) {
            // Without a listener there is nobody to tell.
            let _ = self.heard.send(Heard::Message {
                channel: message.get_channel_name().to_owned(),
                payload: message.get_payload_bytes().to_vec(),
            });
        }
    }

    /// From now on Redis is away, unless a newer connection has taken over already.
    fn give_up(&self, generation: u64) {
        let gave_up = self.current.send_if_modified(|current| {
            let same = current
                .as_ref()
                .is_some_and(|live| live.generation == generation);
            if same {
                *current = None;
            }
            same
        });
        if gave_up {
            self.connected.set(0);
        }
    }

    fn note(&self, error: &RedisError) {
        self.errors.inc();
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis fails; going on without it");
        }
    }
}

/// Returns once somebody has found the connection to be lost.
async fn given_up(current: &mut watch::Receiver<Option<Live>>) {
    // The sender outlives this wait, which therefore cannot fail.
    drop(current.wait_for(Option::is_none).await);
}
