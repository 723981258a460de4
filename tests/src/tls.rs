//! Certificates of a test's own, and TLS before a server that speaks none.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A certificate authority that nobody's system trusts.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// # Panics
    /// When openssl is missing.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // By two of one name a certificate would be looked for, and its signature found to be bad.
        let name = folder.path().file_name().expect("it has a name").display();
        openssl(
            folder.path(),
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} \
                 -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.crt"
            ),
        );
        Self { folder }
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The same, in PEM.
    ///
    /// # Panics
    /// When it is gone.
    pub fn certificate(&self) -> String {
        fs::read_to_string(self.file()).expect("its certificate is there")
    }

    /// Certificate and key (PEM) of a server that is known by `name`, such as `IP:127.0.0.1` or `DNS:skyways.example`.
    ///
    /// # Panics
    /// When openssl does not make them.
    pub fn sign(&self, name: &str) -> (String, String) {
        let folder = self.folder.path();
        let extensions = format!("subjectAltName={name}\nextendedKeyUsage=serverAuth\n");
        fs::write(folder.join("extensions"), extensions).expect("a written file");
        openssl(
            folder,
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key \
             -out server.csr",
        );
        openssl(
            folder,
            "x509 -req -in server.csr -days 2 -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out server.crt",
        );
        let read = |name| fs::read_to_string(folder.join(name)).expect("openssl has written it");
        (read("server.crt"), read("server.key"))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let ran = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is there");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "openssl {arguments}: {said}");
}

/// Takes TLS connections, and passes on what comes out of them.
pub struct Sealed {
    address: SocketAddr,
    /// Who has believed its certificate.
    believers: Arc<Mutex<BTreeSet<IpAddr>>>,
    _task: AbortOnDropHandle<()>,
}

impl Sealed {
    /// Before the server that `url` names, on the loopback.
    ///
    /// # Panics
    /// As below.
    pub async fn before(url: &str, authority: &Authority) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, url, authority).await
    }

    /// The same at another address of this machine. Clients of a PostgreSQL ask for TLS in its own way.
    ///
    /// # Panics
    /// When there is no free port, or `url` names no host and port.
    pub async fn at(own: Ipv4Addr, url: &str, authority: &Authority) -> Self {
        let url = Url::parse(url).expect("a server has a URL");
        let host = url.host_str().expect("a server has a host").to_owned();
        let port = url.port().expect("a server has a port");
        let asks_first = url.scheme().starts_with("postgres");
        let acceptor = acceptor(&authority.sign(&format!("IP:{own}")));
        let listener = TcpListener::bind((own, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let believers = Arc::<Mutex<BTreeSet<IpAddr>>>::default();
        let seen = believers.clone();
        let serve = async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, peer)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), (host.clone(), port));
                let seen = seen.clone();
                connections.spawn(async move {
                    if asks_first {
                        client.read_exact(&mut [0; 8]).await?;
                        client.write_all(b"S").await?;
                    }
                    // Who does not trust the certificate goes away.
                    let mut client = acceptor.accept(client).await?;
                    lock(&seen).insert(peer.ip());
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        };
        Self {
            address,
            believers,
            _task: AbortOnDropHandle::new(tokio::spawn(serve)),
        }
    }

    /// `scheme://address:port`
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Whether somebody at that address has believed its certificate.
    pub fn is_believed_by(&self, address: IpAddr) -> bool {
        lock(&self.believers).contains(&address)
    }
}

fn lock(addresses: &Mutex<BTreeSet<IpAddr>>) -> MutexGuard<'_, BTreeSet<IpAddr>> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}

fn acceptor((certificate, key): &(String, String)) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    TlsAcceptor::from(Arc::new(config.expect("a key that fits")))
}
