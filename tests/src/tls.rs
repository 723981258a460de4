//! Certificates of a test's own, and TLS before a server that speaks none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use reqwest::Url;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
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

    /// Certificate and key (PEM) of a server at 127.0.0.1.
    ///
    /// # Panics
    /// When openssl does not make them.
    pub fn sign(&self) -> (String, String) {
        let folder = self.folder.path();
        let extensions = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";
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
    port: u16,
    _task: AbortOnDropHandle<()>,
}

impl Sealed {
    /// Before the server that `url` names.
    ///
    /// # Panics
    /// When there is no free port, or `url` names no host and port.
    pub async fn before(url: &str, authority: &Authority) -> Self {
        let url = Url::parse(url).expect("a server has a URL");
        let host = url.host_str().expect("a server has a host").to_owned();
        let port = url.port().expect("a server has a port");
        let acceptor = acceptor(&authority.sign());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("it listens").port();
        let serve = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), (host.clone(), port));
                connections.spawn(async move {
                    // Who does not trust the certificate goes away.
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        };
        Self {
            port: own,
            _task: AbortOnDropHandle::new(tokio::spawn(serve)),
        }
    }

    /// `scheme://127.0.0.1:port`
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }
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
