//! Private API servers with their etcd and without nodes; they end with the test binary.

mod audit;
mod kubeconfig;

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use albatross_crds::definitions;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, Client, Config};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::processes::Process;

const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cluster/build");
const SERVE: &str = include_str!("api_server/serve.sh");
/// Tests that have an API server each.
const AT_ONCE: usize = 4;
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(120);

pub use self::audit::{Request, Write};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    /// The API server alone: objects stay as they are written.
    None,
    /// And the controllers of Deployments, Jobs and namespaces.
    Workloads,
}

/// An API server that nobody else uses.
pub struct ApiServer {
    config: Config,
    directory: PathBuf,
    guardian: Mutex<Guardian>,
}

/// Serves until its standard input is closed, at the latest by the end of this process.
struct Guardian {
    process: Child,
    answers: BufReader<ChildStdout>,
}

/// The API server of this test binary.
///
/// # Panics
/// When it cannot be built or started: a test that needs one fails rather than being skipped.
pub async fn api_server() -> &'static ApiServer {
    static API_SERVER: OnceCell<ApiServer> = OnceCell::const_new();
    API_SERVER.get_or_init(|| start(Control::None)).await
}

/// An API server that makes pods of Deployments and Jobs and removes deleted namespaces; one test's alone, since one
/// operator works on a whole cluster. One whose test failed ends with it: nobody knows what was left there.
pub struct Exclusive {
    api_server: &'static ApiServer,
    _turn: SemaphorePermit<'static>,
}

static FREE: Mutex<Vec<&'static ApiServer>> = Mutex::new(Vec::new());

/// Waits until one is free: no more are started than tests are worth running at once.
///
/// # Panics
/// As above.
pub async fn exclusive() -> Exclusive {
    static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
    let turn = TURNS.acquire().await.expect("it is never closed");
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let api_server = match free {
        Some(free) => free,
        None => Box::leak(Box::new(start(Control::Workloads).await)),
    };
    Exclusive {
        api_server,
        _turn: turn,
    }
}

impl Deref for Exclusive {
    type Target = &'static ApiServer;

    fn deref(&self) -> &Self::Target {
        &self.api_server
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if thread::panicking() {
            return self.api_server.end();
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(self.api_server);
    }
}

impl ApiServer {
    /// The process that started the API server, its etcd and the controllers.
    pub fn id(&self) -> u32 {
        let guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner);
        guardian.process.id()
    }

    /// Runs one of Kubernetes' controllers more, until the value is dropped.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn controller(&self, name: &str) -> Process {
        let binaries = programs().unwrap_or_else(|error| panic!("no controllers: {error}"));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(format!("{binaries}/kube-controller-manager"))
            .args(["--secure-port", "0", "--leader-elect=false"])
            .args(["--controllers", name, "--kubeconfig"])
            .arg(self.kubeconfig());
        Process::start(command)
    }

    /// A client with every right, for the runtime of the calling test.
    ///
    /// # Panics
    /// When the configuration makes no client.
    pub fn client(&self) -> Client {
        Client::try_from(self.config.clone()).unwrap_or_else(|error| panic!("no client: {error}"))
    }

    /// A client with the rights of `user`, such as `system:serviceaccount:NAMESPACE:NAME`.
    ///
    /// # Panics
    /// When the configuration makes no client.
    pub fn client_as(&self, user: &str) -> Client {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        Client::try_from(config).unwrap_or_else(|error| panic!("no client: {error}"))
    }

    /// Takes the server away from everybody, and keeps what is stored.
    ///
    /// # Panics
    /// When there is nobody to do so.
    pub async fn stop(&'static self) {
        self.order("stop").await;
    }

    /// Starts it again, on the same port, and returns once it answers.
    ///
    /// # Panics
    /// When it does not come back.
    pub async fn start(&'static self) {
        self.order("start").await;
    }

    /// For good, with all that is stored.
    fn end(&self) {
        let mut guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner);
        drop(guardian.process.stdin.take());
    }

    async fn order(&'static self, what: &'static str) {
        let done = tokio::task::spawn_blocking(move || {
            let mut guardian = self.guardian.lock().unwrap_or_else(PoisonError::into_inner);
            let orders = guardian.process.stdin.as_mut().expect("piped");
            writeln!(orders, "{what}").expect("the guardian listens");
            let mut line = String::new();
            let answered = guardian.answers.read_line(&mut line);
            answered.expect("the guardian answers");
            line
        });
        let said = done.await.expect("asking does not panic");
        assert_eq!(said.trim(), "done", "the API server does not {what}");
    }

    /// A client to a server that knows Tenant and ApiKey.
    ///
    /// # Panics
    /// When the server refuses the definitions.
    pub async fn client_with_definitions(&self) -> Client {
        let client = self.client();
        for definition in [definitions::tenant(), definitions::api_key()] {
            install(&client, &definition)
                .await
                .unwrap_or_else(|error| panic!("a definition is refused: {error}"));
        }
        client
    }
}

async fn install(client: &Client, definition: &CustomResourceDefinition) -> Result<(), String> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = definition.metadata.name.clone().unwrap_or_default();
    let parameters = PatchParams::apply("albatross-tests").force();
    api.patch(&name, &parameters, &Patch::Apply(definition))
        .await
        .map_err(|error| error.to_string())?;
    let established = await_condition(api, &name, conditions::is_crd_established());
    match timeout(ESTABLISHED_WITHIN, established).await {
        Ok(result) => result.map(|_| ()).map_err(|error| error.to_string()),
        Err(_) => Err(format!("{name} is not established in time")),
    }
}

async fn start(control: Control) -> ApiServer {
    try_start(control)
        .await
        .unwrap_or_else(|error| panic!("the tests need an API server: {error}"))
}

async fn try_start(control: Control) -> Result<ApiServer, String> {
    // Another test of the binary, or the code under test, may have installed the same provider before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (guardian, directory) = tokio::task::spawn_blocking(move || serve(control))
        .await
        .map_err(|error| error.to_string())??;
    let kubeconfig =
        Kubeconfig::read_from(directory.join("kubeconfig")).map_err(|error| error.to_string())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| error.to_string())?;
    Ok(ApiServer {
        config,
        directory,
        guardian: Mutex::new(guardian),
    })
}

/// Starts the guardian and waits until the server answers. Its folder, with a token in it, is closed to others.
fn serve(control: Control) -> Result<(Guardian, PathBuf), String> {
    let binaries = programs()?;
    let directory = tempfile::Builder::new()
        .prefix("albatross-api-server-")
        .tempdir()
        .map_err(|error| error.to_string())?
        .keep();
    let port = free_port()?;
    let mut process = Command::new("bash")
        .args(["-c", SERVE, "serve", &binaries])
        .arg(&directory)
        .arg(port.to_string())
        .args((control == Control::Workloads).then_some("controllers"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("bash: {error}"))?;
    let mut line = String::new();
    let output = process.stdout.take().ok_or("no output")?;
    let mut answers = BufReader::new(output);
    answers
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    if line.trim() == "ready" {
        return Ok((Guardian { process, answers }, directory));
    }
    let mut why = String::new();
    let mut errors = process.stderr.take().ok_or("no errors")?;
    errors
        .read_to_string(&mut why)
        .map_err(|error| error.to_string())?;
    Err(why)
}

/// The folder of Kubernetes' programs and of those that tests use beside them; takes minutes when nothing is cached.
///
/// # Errors
/// What the build says when it fails.
pub fn programs() -> Result<String, String> {
    let output = Command::new(BUILD)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{BUILD}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn free_port() -> Result<u16, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}
