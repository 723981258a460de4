//! Wires everything together: caches, leadership, the two controllers, and an orderly end.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use futures::{Stream, StreamExt, future, stream};
use kube::runtime::controller::{Config, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Args, OperatorConfig};
use crate::context::Context;
use crate::context::backoff::Backoff;
use crate::context::caches::Caches;
use crate::context::events::Events;
use crate::context::locks::Locks;
use crate::context::memory::Memory;
use crate::context::metrics::Metrics;
use crate::context::queue::Queue;
use crate::context::runtime::RuntimeClient;
use crate::context::servers::{CHECK_INTERVAL, CONNECT, ServerAccess};
use crate::context::system::{SystemClock, SystemEntropy, random};
use crate::context::tenant_states::TenantStates;
use crate::context::triggers::{Triggered, Triggers};
use crate::context::writer::Writer;
use crate::leader::Candidate;
use crate::lease::Leadership;
use crate::server::{self, Readiness};
use crate::tenant::fleet::Upgrades;
use crate::{api_key, tenant};

/// How long caches that are filled anew are waited for, before all is looked at.
const RELIST_PAUSE: Duration = Duration::from_secs(2);

/// How often what is gone is looked for, if nobody was seen to go.
const CLEAN_UP: Duration = Duration::from_secs(600);

/// Runs the operator until `stop`.
pub async fn run(
    args: Args,
    config: OperatorConfig,
    client: Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let warm = Readiness::default();
    let tasks = TaskTracker::new();
    // Probes are answered until everything else has ended, or an orderly end would look like a dead process.
    let ended = CancellationToken::new();
    let _until_the_end = ended.clone().drop_guard();
    let probes = server::serve(args.listen, metrics.clone(), Arc::clone(&warm), ended);
    let probes = tokio::spawn(probes);
    let identity = args.identity.clone().unwrap_or_else(identity_by_chance);
    let leadership = Arc::new(Leadership::new());
    leadership.watch().context("cannot start the watchdog")?;
    let candidate = Candidate {
        client: client.clone(),
        namespace: args.namespace.clone(),
        identity: identity.clone(),
        settings: config.leader_election.clone(),
        clock: Arc::new(SystemClock),
        leadership: Arc::clone(&leadership),
    };
    let (ctx, triggered) = context(
        &args, &identity, config, client, metrics, leadership, &tasks,
    )?;
    let ctx = Arc::new(ctx);
    let lead = async {
        ctx.caches.wait_until_ready().await?;
        warm.store(true, Ordering::SeqCst);
        if candidate.acquire(&stop).await {
            let released = CancellationToken::new();
            let keeping = candidate.keep(&released);
            let controlling = async {
                control(&ctx, triggered, &stop).await;
                released.cancel();
            };
            future::join(keeping, controlling).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        result = lead => result?,
        result = probes => result?.with_context(|| format!("cannot listen on {}", args.listen))?,
        () = stopped_while_cold(&stop, &warm) => {}
    }
    Ok(())
}

/// Nothing has been begun that would have to be ended in order.
async fn stopped_while_cold(stop: &CancellationToken, warm: &Readiness) {
    stop.cancelled().await;
    if warm.load(Ordering::SeqCst) {
        future::pending::<()>().await;
    }
}

fn identity_by_chance() -> String {
    let name = random::<8>(&SystemEntropy).map(|byte| format!("{byte:02x}"));
    format!("albatross-operator-{}", name.concat())
}

fn context(
    args: &Args,
    identity: &str,
    config: OperatorConfig,
    client: Client,
    metrics: Metrics,
    leadership: Arc<Leadership>,
    tasks: &TaskTracker,
) -> anyhow::Result<(Context, Triggered)> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .build()
        .context("cannot set up HTTP")?;
    let entropy = Arc::new(SystemEntropy);
    let (triggers, triggered) = Triggers::new(&metrics);
    let triggers = Arc::new(triggers);
    let namespace = args.namespace.as_str();
    let clock = Arc::new(SystemClock);
    let caches = Caches::start(&client, namespace, &triggers, tasks);
    metrics.add(TenantStates(caches.tenants.clone()));
    metrics.add(Upgrades {
        tenants: caches.tenants.clone(),
        secrets: caches.secrets.clone(),
        namespace: namespace.to_owned(),
        config: config.clone(),
    });
    let ctx = Context {
        caches,
        servers: ServerAccess::new(
            client.clone(),
            namespace,
            &config,
            http,
            Arc::clone(&leadership),
            metrics.clone(),
        ),
        runtime: RuntimeClient::new(Arc::clone(&leadership)).context("cannot set up HTTP")?,
        writer: Writer::new(client.clone(), leadership, metrics.clone()),
        events: Events::new(client.clone(), identity, clock.clone()),
        memory: Memory::default(),
        turns: tokio::sync::Mutex::default(),
        client_bindings: Locks::default(),
        client_secrets: Locks::default(),
        backoff: Backoff::new(entropy.clone()),
        namespace: namespace.to_owned(),
        clock,
        entropy,
        config,
        client,
        triggers,
        metrics,
    };
    Ok((ctx, triggered))
}

/// Works on everything there is, then on what changes.
async fn control(ctx: &Arc<Context>, triggered: Triggered, stop: &CancellationToken) {
    ctx.triggers.lead();
    trigger_all(ctx);
    let tenants = controller(
        &ctx.caches.tenants,
        triggered.tenants,
        ctx.config.concurrency,
        stop,
    )
    .run(
        |tenant, ctx: Arc<Context>| {
            ctx.triggers.tenants.begin(&ObjectRef::from_obj(&*tenant));
            tenant::reconcile(tenant, ctx)
        },
        tenant::on_error,
        Arc::clone(ctx),
    )
    .for_each(async |result| log(result, &ctx.triggers.tenants));
    let api_keys = controller(
        &ctx.caches.api_keys,
        triggered.api_keys,
        ctx.config.concurrency,
        stop,
    )
    .run(
        |key, ctx: Arc<Context>| {
            ctx.triggers.api_keys.begin(&ObjectRef::from_obj(&*key));
            api_key::reconcile(key, ctx)
        },
        api_key::on_error,
        Arc::clone(ctx),
    )
    .for_each(async |result| log(result, &ctx.triggers.api_keys));
    let controllers = future::join(tenants, api_keys);
    tokio::select! {
        _ = controllers => {}
        () = watch_servers(ctx) => {}
        () = catch_up(ctx) => {}
        () = clean_up(ctx) => {}
    }
}

fn controller<K>(
    store: &Store<K>,
    triggered: UnboundedReceiver<ObjectRef<K>>,
    concurrency: u16,
    stop: &CancellationToken,
) -> Controller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    // The caches feed the triggers: the controller has no watch of its own.
    let nothing = stream::pending::<Result<K, watcher::Error>>();
    Controller::for_stream(nothing, store.clone())
        .with_config(Config::default().concurrency(concurrency))
        .reconcile_on(received(triggered))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
}

fn received<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|item| (item, receiver))
    })
}

/// Asks the servers once in a while, and lets every tenant look when one went or came back.
async fn watch_servers(ctx: &Context) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        if ctx.servers.check_all().await {
            trigger_tenants(ctx);
        }
    }
}

/// Lets everybody look after a cache was filled anew: nobody hears of what is gone since, and what has changed is told
/// before the cache shows it.
async fn catch_up(ctx: &Context) {
    loop {
        ctx.triggers.any_relisted().await;
        // What interrupted one watch has interrupted others.
        tokio::time::sleep(RELIST_PAUSE).await;
        trigger_all(ctx);
        ctx.triggers.gone();
    }
}

/// Removes what nobody asks for any more: of an object whose finalizer somebody takes off, nothing else hears.
async fn clean_up(ctx: &Context) {
    loop {
        api_key::orphans::remove(ctx).await;
        let tenants = ctx.caches.tenants.state().into_iter();
        let tenants = tenants.filter_map(|tenant| tenant.metadata.uid.clone());
        let api_keys = ctx.caches.api_keys.state().into_iter();
        let api_keys = api_keys.filter_map(|key| key.metadata.uid.clone());
        ctx.writer
            .forget_all_but(&tenants.chain(api_keys).collect());
        // Nobody having gone is no reason not to look.
        let _ = tokio::time::timeout(CLEAN_UP, ctx.triggers.any_gone()).await;
        // Many may go at once.
        tokio::time::sleep(RELIST_PAUSE).await;
    }
}

fn trigger_all(ctx: &Context) {
    trigger_tenants(ctx);
    for key in ctx.caches.api_keys.state() {
        let namespace = key.metadata.namespace.as_deref().unwrap_or_default();
        let name = key.metadata.name.as_deref().unwrap_or_default();
        ctx.triggers.api_key(namespace, name);
    }
}

fn trigger_tenants(ctx: &Context) {
    for tenant in ctx.caches.tenants.state() {
        let name = tenant.metadata.name.as_deref().unwrap_or_default();
        ctx.triggers.tenant(name);
    }
}

/// Failures of reconciliations are logged where they happen; what is left are objects that are gone.
fn log<K, T, E, Q>(result: Result<T, ControllerError<E, Q>>, queue: &Queue<K>)
where
    K: Resource<DynamicType = ()>,
    E: std::error::Error + 'static,
    Q: std::error::Error + 'static,
{
    match result {
        Err(ControllerError::ReconcilerFailed(..)) | Ok(_) => {}
        Err(ControllerError::ObjectNotFound(gone)) => {
            queue.forget(gone.namespace.as_deref(), &gone.name);
        }
        Err(error) => tracing::debug!(%error, "not reconciled"),
    }
}
