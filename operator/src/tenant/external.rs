//! Sees to the tenant's database, vhost and cache user, and says how each is doing.

use albatross_crds::conditions::Reason;
use secrecy::ExposeSecret;

use crate::config::Acl;
use crate::context::Context;
use crate::context::memory::Provisioned;
use crate::context::record::{TenantRecord, TenantSecrets};
use crate::context::servers::ServerRef;
use crate::context::system::random;
use crate::context::token::fingerprint;
use crate::provision::error::{Credentials, ProvisionError};
use crate::provision::postgres::{Database, Login};
use crate::provision::rabbitmq::Vhost;
use crate::provision::redis::CacheUser;
use crate::provision::scram;
use crate::tenant::cache_account;
use crate::tenant::claim;
use crate::tenant::connections::OF_MIGRATION;
use crate::tenant::dereference::Record;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::validate::{Placement, Plan};

/// What was made is looked at again after this many seconds, even if nothing seems to have changed.
const RECHECK_SECONDS: i64 = 3600;

/// How the three external systems are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    pub database: Part,
    pub broker: Part,
    pub cache: Part,
}

impl External {
    pub fn is_done(&self) -> bool {
        self.database.is_done() && self.broker.is_done() && self.cache.is_done()
    }
}

/// Provisions what has not been since the server started. A server that is away stops nothing that runs.
///
/// # Errors
/// When what was provisioned cannot be noted.
pub async fn provision(
    plan: &Plan,
    record: &mut TenantRecord,
    ctx: &Context,
) -> Result<External, Error> {
    let (database, broker, cache) = tokio::join!(
        step(System::Database, plan, record, ctx),
        step(System::Broker, plan, record, ctx),
        step(System::Cache, plan, record, ctx),
    );
    let external = External {
        database,
        broker,
        cache,
    };
    note(plan, record, ctx).await?;
    Ok(external)
}

/// Notes in the record what is there, so that a new leader asks no server for it. Until the schema is there the record
/// is about to be written anyway.
async fn note(plan: &Plan, record: &mut TenantRecord, ctx: &Context) -> Result<(), Error> {
    let provisioned = ctx.memory.of(&plan.tenant.name).provisioned;
    let noted = provisioned
        .into_iter()
        .map(|(system, it)| (system.to_owned(), it.what));
    let mut all = record.provisioned.clone();
    all.extend(noted);
    if all == record.provisioned {
        return Ok(());
    }
    record.provisioned = all;
    match record.images.migrated {
        Some(_) => claim::store(record, &plan.tenant.name, ctx).await,
        None => Ok(()),
    }
}

/// Whether everything was once seen to be there, by the record: of what has been before, nothing waits for a server's word.
pub fn was_made(plan: &Plan, record: &TenantRecord) -> bool {
    let systems = [System::Database, System::Broker, System::Cache].into_iter();
    let mut used = systems.filter(|system| system.server(&plan.servers).is_some());
    used.all(|system| record.provisioned.contains_key(system.key()))
}

/// How the servers are doing, changing nothing.
pub async fn observe(plan: &Plan, record: &Record, ctx: &Context) -> External {
    let look = async |system: System| {
        let Some(server) = system.server(&plan.servers) else {
            return system.not_configured();
        };
        if let Err(cause) = ctx.servers.health(server).await {
            return system.failed(&cause);
        }
        let account = match record {
            Record::Present(record) => account(system, plan, record, ctx).await,
            // Nobody could make one before the tenant has its names.
            Record::Absent | Record::Unreadable(_) => Ok(None),
        };
        match (account, record) {
            (Err(cause), _) => system.failed(&cause),
            (Ok(_), Record::Present(_)) => system.done(server),
            (Ok(_), Record::Absent | Record::Unreadable(_)) => {
                Part::waiting(Reason::Provisioning, "nothing has been made yet")
            }
        }
    };
    External {
        database: look(System::Database).await,
        broker: look(System::Broker).await,
        cache: look(System::Cache).await,
    }
}

async fn step(system: System, plan: &Plan, record: &TenantRecord, ctx: &Context) -> Part {
    let Some(server) = system.server(&plan.servers) else {
        return system.not_configured();
    };
    let incarnation = match ctx.servers.health(server).await {
        Ok(incarnation) => incarnation,
        Err(cause) => return system.failed(&cause),
    };
    let account = match account(system, plan, record, ctx).await {
        Ok(account) => account,
        Err(cause) => return system.failed(&cause),
    };
    let account = account.as_ref();
    let wanted = Provisioned {
        what: wanted(&incarnation, system, server, plan, record, account),
        period: period(record, ctx),
    };
    let name = &plan.tenant.name;
    let known = ctx.memory.of(name).provisioned.get(system.key()).cloned();
    if known.as_ref() == Some(&wanted) {
        return system.done(server);
    }
    // An operator that has just started takes the record's word, and looks when the tenant's next period begins.
    let is_noted = known.is_none() && record.provisioned.get(system.key()) == Some(&wanted.what);
    let mut ensured = match is_noted {
        true => Ok(()),
        false => ensure(system, plan, record, account, ctx).await,
    };
    if let Err(cause) = &ensured
        && ctx.servers.failed(server, cause).await.is_ok()
    {
        ensured = ensure(system, plan, record, account, ctx).await;
    }
    match ensured {
        Ok(()) => {
            ctx.servers.served(server);
            ctx.memory.update(name, |memory| {
                memory.provisioned.insert(system.key(), wanted);
            });
            system.done(server)
        }
        Err(cause) => system.failed(&cause),
    }
}

/// The account of the tenant's pods on its cache; none of any other system.
async fn account(
    system: System,
    plan: &Plan,
    record: &TenantRecord,
    ctx: &Context,
) -> Result<Option<Credentials>, ProvisionError> {
    match system {
        System::Cache => cache_account::read(plan, record, ctx).await,
        System::Database | System::Broker => Ok(None),
    }
}

#[tracing::instrument(level = "debug", skip(plan, record, account, ctx))]
async fn ensure(
    system: System,
    plan: &Plan,
    record: &TenantRecord,
    account: Option<&Credentials>,
    ctx: &Context,
) -> Result<(), ProvisionError> {
    match system {
        System::Database => ensure_database(plan, record, ctx).await,
        System::Broker => ensure_vhost(plan, record, ctx).await,
        System::Cache => ensure_cache_user(plan, record, account, ctx).await,
    }
}

/// Digest of all that provisioning depends on: which start of which server, names, passwords, connections.
fn wanted(
    incarnation: &str,
    system: System,
    server: ServerRef<'_>,
    plan: &Plan,
    record: &TenantRecord,
    account: Option<&Credentials>,
) -> String {
    let TenantSecrets {
        migrate_password,
        app_password,
        broker_password,
        ..
    } = &record.secrets;
    let user = account.map_or("", |it| it.username.as_str());
    let (passwords, connections) = match system {
        System::Database => (vec![migrate_password, app_password], plan.connections),
        System::Broker => (vec![broker_password], 0),
        System::Cache => (account.into_iter().map(|it| &it.password).collect(), 0),
    };
    let passwords: Vec<_> = passwords
        .into_iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    fingerprint(format!(
        "{incarnation} {server:?} {:?} {connections} {user}{passwords:?}",
        record.names
    ))
}

/// Changes once in a while, at another moment for each tenant.
fn period(record: &TenantRecord, ctx: &Context) -> i64 {
    let offset = (record.tenant_id.as_u128() % RECHECK_SECONDS as u128) as i64;
    (ctx.clock.now().as_second() + offset) / RECHECK_SECONDS
}

async fn ensure_database(
    plan: &Plan,
    record: &TenantRecord,
    ctx: &Context,
) -> Result<(), ProvisionError> {
    let postgres = ctx.servers.postgres(&plan.servers.postgres).await?;
    let verifier = |password: &secrecy::SecretString| {
        scram::verifier(password.expose_secret(), &random(ctx.entropy.as_ref()))
    };
    let wanted = Database {
        migrate: Login {
            role: &record.names.migrate_role,
            verifier: verifier(&record.secrets.migrate_password),
            connection_limit: OF_MIGRATION,
        },
        app: Login {
            role: &record.names.app_role,
            verifier: verifier(&record.secrets.app_password),
            connection_limit: plan.connections,
        },
        ..database(record)
    };
    postgres.ensure(&wanted).await
}

async fn ensure_vhost(
    plan: &Plan,
    record: &TenantRecord,
    ctx: &Context,
) -> Result<(), ProvisionError> {
    let Some(server) = &plan.servers.rabbitmq else {
        return Ok(());
    };
    let rabbitmq = ctx.servers.rabbitmq(server).await?;
    let wanted = Vhost {
        salt: random(ctx.entropy.as_ref()),
        ..vhost(record)
    };
    rabbitmq.ensure(&wanted).await
}

async fn ensure_cache_user(
    plan: &Plan,
    record: &TenantRecord,
    account: Option<&Credentials>,
    ctx: &Context,
) -> Result<(), ProvisionError> {
    let Some(server) = &plan.servers.redis else {
        return Ok(());
    };
    match server.acl {
        Acl::Managed => {
            let redis = ctx.servers.redis(server).await?;
            redis.ensure(&cache_user(record)).await
        }
        Acl::External => {
            let redis = ctx.servers.redis_as(server, account.cloned()).await?;
            redis.log_in().await
        }
        Acl::None => Ok(()),
    }
}

/// The tenant's database by name, without what only making it needs.
pub fn database(record: &TenantRecord) -> Database<'_> {
    let login = |role| Login {
        role,
        verifier: String::new(),
        connection_limit: 0,
    };
    Database {
        tenant_id: record.tenant_id,
        database: &record.names.database,
        owner_role: &record.names.owner_role,
        migrate: login(record.names.migrate_role.as_str()),
        app: login(record.names.app_role.as_str()),
    }
}

pub fn vhost(record: &TenantRecord) -> Vhost<'_> {
    Vhost {
        tenant_id: record.tenant_id,
        vhost: &record.names.vhost,
        user: &record.names.broker_user,
        password: record.secrets.broker_password.expose_secret(),
        salt: [0; 4],
    }
}

pub fn cache_user(record: &TenantRecord) -> CacheUser<'_> {
    CacheUser {
        user: &record.names.cache_user,
        password: record.secrets.cache_password.expose_secret(),
        prefix: &record.names.cache_prefix,
    }
}

#[derive(Debug, Clone, Copy)]
enum System {
    Database,
    Broker,
    Cache,
}

impl System {
    fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Cache => "cache",
        }
    }

    fn server(self, placement: &Placement) -> Option<ServerRef<'_>> {
        match self {
            Self::Database => Some(ServerRef::Postgres(&placement.postgres.name)),
            Self::Broker => placement
                .rabbitmq
                .as_ref()
                .map(|server| ServerRef::Rabbitmq(&server.name)),
            Self::Cache => placement
                .redis
                .as_ref()
                .map(|server| ServerRef::Redis(&server.name)),
        }
    }

    fn done(self, server: ServerRef<'_>) -> Part {
        let (ServerRef::Postgres(name) | ServerRef::Rabbitmq(name) | ServerRef::Redis(name)) =
            server;
        let what = match self {
            Self::Database => "the database is on PostgreSQL server",
            Self::Broker => "the vhost is on RabbitMQ server",
            Self::Cache => "the cache user is on Redis server",
        };
        Part::done(Reason::Available, format!("{what} `{name}`"))
    }

    fn not_configured(self) -> Part {
        let message = match self {
            Self::Database => "there is no database server",
            Self::Broker => "no RabbitMQ server: there is no feed for outside consumers",
            Self::Cache => "no Redis server: each pod caches for itself",
        };
        Part::done(Reason::NotConfigured, message)
    }

    fn failed(self, cause: &ProvisionError) -> Part {
        let reason = match self {
            Self::Database => Reason::DatabaseUnreachable,
            Self::Broker => Reason::BrokerUnreachable,
            Self::Cache => Reason::CacheUnreachable,
        };
        match cause {
            ProvisionError::Foreign { .. } => {
                Part::stalled(Reason::ResourceConflict, cause.to_string())
            }
            ProvisionError::NoAccount { .. } => {
                Part::waiting(Reason::WaitingForCacheAccount, cause.to_string())
            }
            ProvisionError::Unreachable { .. } | ProvisionError::Refused { .. } => {
                Part::failing(reason, cause.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn another_account_is_another_state_to_bring_about() {
        let plan = fixtures::plan(json!({"placement": {"redis": "given"}}));
        let record = fixtures::record(&plan);
        let digest = |username: &str, password: &str| {
            let account = Credentials {
                username: username.to_owned(),
                password: password.to_owned().into(),
            };
            let server = ServerRef::Redis("given");
            wanted("1", System::Cache, server, &plan, &record, Some(&account))
        };
        assert_eq!(digest("ada", "old"), digest("ada", "old"));
        assert_ne!(digest("ada", "old"), digest("ada", "new"));
        assert_ne!(digest("ada", "old"), digest("grace", "old"));
    }
}
