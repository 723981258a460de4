//! A gate before PostgreSQL or Redis. Their clients wait for each answer, so that what they send at once is one call.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::faults::{Fault, Journal, SHARED, SILENCE};

pub struct TcpGate {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl TcpGate {
    /// Stands before the server that `url` names.
    ///
    /// # Panics
    /// When there is no free port, or `url` names no host and port.
    pub async fn before(url: &str, system: &'static str, journal: &Arc<Journal>) -> Self {
        let url = Url::parse(url).expect("a server has a URL");
        let (host, port) = (url.host_str(), url.port());
        let target = format!(
            "{}:{}",
            host.expect("a server has a host"),
            port.expect("a server has a port")
        );
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let journal = journal.clone();
        let serving = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let conversation = Conversation {
                    journal: journal.clone(),
                    system,
                    subject: SHARED.to_owned(),
                    statement: String::new(),
                };
                connections.spawn(conversation.hold(client, target.clone()));
            }
        };
        Self {
            address,
            _task: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// The same URL, through the gate.
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
}

/// One connection. It is for the first whom it names.
struct Conversation {
    journal: Arc<Journal>,
    system: &'static str,
    subject: String,
    /// The last one that was given as text.
    statement: String,
}

impl Conversation {
    /// Ends when either side does, or when something is to go wrong.
    async fn hold(mut self, client: TcpStream, target: String) -> io::Result<()> {
        let server = TcpStream::connect(target).await?;
        let (mut asks, mut told) = client.into_split();
        let (mut answers, mut asked) = server.into_split();
        let (mut question, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            tokio::select! {
                count = answers.read(&mut answer) => match count? {
                    0 => return Ok(()),
                    count => told.write_all(&answer[..count]).await?,
                },
                count = asks.read(&mut question) => match count? {
                    0 => return Ok(()),
                    count => match self.ask(&question[..count]) {
                        None => asked.write_all(&question[..count]).await?,
                        Some(fault) => {
                            return self.fail(fault, &question[..count], &mut asked, &mut answers, &mut asks).await;
                        }
                    },
                },
            }
        }
    }

    fn ask(&mut self, question: &[u8]) -> Option<Fault> {
        if let Some(subject) = self.journal.subject(question) {
            self.subject = subject;
        }
        let what = match self.system {
            "redis" => command(question),
            _ => self.statement(question)?,
        };
        let what = self.journal.normal(&what, &self.subject);
        // Connection limits depend on the moment.
        let letters = what.chars().filter(|c| !c.is_ascii_digit());
        let what: String = letters.take(160).collect();
        self.journal
            .pass(&self.subject, format!("{}: {what}", self.system))
    }

    /// What PostgreSQL is asked; nothing for a farewell.
    fn statement(&mut self, question: &[u8]) -> Option<String> {
        // A letter, a length, and then text, if any.
        let text = String::from_utf8_lossy(question.get(5..)?);
        match question[0] {
            0 => Some("connect".to_owned()),
            b'p' => Some("authenticate".to_owned()),
            b'X' => None,
            b'Q' => Some(readable(&text)),
            b'P' => {
                let statement = text.split('\0').find(|part| part.contains(' '));
                self.statement = readable(statement.unwrap_or_default());
                Some(format!("prepare {}", self.statement))
            }
            _ => Some(format!("execute {}", self.statement)),
        }
    }

    async fn fail(
        &self,
        fault: Fault,
        question: &[u8],
        server: &mut OwnedWriteHalf,
        answers: &mut OwnedReadHalf,
        client: &mut OwnedReadHalf,
    ) -> io::Result<()> {
        match fault {
            Fault::Error => Ok(()),
            Fault::Timeout => {
                tokio::time::sleep(SILENCE).await;
                Ok(())
            }
            Fault::LostAnswer | Fault::Death => {
                server.write_all(question).await?;
                // Once it answers, or ends, it has done what it was asked.
                let _answered = answers.read_u8().await;
                if fault == Fault::Death {
                    self.journal.die();
                    // Its connections end with it.
                    let _ended = client.read_u8().await;
                }
                Ok(())
            }
        }
    }
}

/// Without the verifier of a password, which is new each time.
fn readable(statement: &str) -> String {
    let statement = statement.split("PASSWORD").next().unwrap_or_default();
    statement.chars().filter(|c| !c.is_control()).collect()
}

/// The words of Redis' first command that are no arguments.
fn command(question: &[u8]) -> String {
    let text = String::from_utf8_lossy(question);
    let words = text.split("\r\n").filter(|part| !part.is_empty());
    let words = words.filter(|part| !part.starts_with(['*', '$']));
    let words = words.take_while(|word| word.chars().all(|c| c.is_ascii_uppercase()));
    words.take(2).collect::<Vec<_>>().join(" ")
}
