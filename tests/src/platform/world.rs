//! What a tenant has outside the cluster, seen with its own credentials.

use std::collections::BTreeMap;

use lapin::ConnectionProperties;
use redis::AsyncCommands;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::platform::servers::parsed;
use crate::platform::{CLIENTS, Platform};
use crate::servers::connect_to_redis;

impl Platform {
    /// Writes something into a tenant's database that only its loss could remove.
    ///
    /// # Panics
    /// When the tenant may not.
    pub async fn leave_a_mark(&self, tenant: &str) {
        let mut connection = self.database(tenant).await;
        let marked = sqlx::raw_sql("CREATE TABLE public.mark ()")
            .execute(&mut connection)
            .await;
        marked.expect("the tenant may write to its database");
    }

    /// Whether that is still there.
    ///
    /// # Panics
    /// When the tenant may not look.
    pub async fn has_its_mark(&self, tenant: &str) -> bool {
        let mut connection = self.database(tenant).await;
        let found = sqlx::query_scalar("SELECT to_regclass('public.mark') IS NOT NULL");
        let found = found.fetch_one(&mut connection).await;
        found.expect("the tenant may read its database")
    }

    /// Every server lets the tenant in with the credentials that its pods are given.
    ///
    /// # Panics
    /// When one does not.
    pub async fn lets_in(&self, tenant: &str) {
        self.database(tenant).await;
        let namespace = albatross_crds::tenant_namespace(tenant);
        let given = self.secret(&namespace, "albatross-api").await;
        let given = given.expect("a copy of the credentials");
        let url = straight(&given["DATABASE_URL"], &self.servers.database_url);
        let connected = PgConnection::connect(&url).await;
        connected.unwrap_or_else(|error| panic!("PostgreSQL does not let {tenant} in: {error}"));
        let url = straight(&given["REDIS_URL"], &self.servers.redis_url);
        let connected = connect_to_redis(&url).await;
        connected.unwrap_or_else(|error| panic!("Redis does not let {tenant} in: {error}"));
        let url = straight(&given["AMQP_URL"], &self.servers.amqp_url);
        let connected = lapin::Connection::connect(&url, ConnectionProperties::default()).await;
        connected.unwrap_or_else(|error| panic!("RabbitMQ does not let {tenant} in: {error}"));
    }

    /// As its migration connects.
    async fn database(&self, tenant: &str) -> PgConnection {
        let secret = self
            .secret(
                &albatross_crds::tenant_namespace(tenant),
                "albatross-migrate",
            )
            .await;
        let url = &secret.expect("a copy of the credentials")["DATABASE_URL"];
        let connected = PgConnection::connect(&straight(url, &self.servers.database_url)).await;
        connected.expect("the tenant's credentials let it in")
    }

    /// The Secret of an ApiKey.
    ///
    /// # Panics
    /// When there is none.
    pub async fn client_secret(&self, name: &str) -> BTreeMap<String, String> {
        let secret = self.secret(CLIENTS, name).await;
        secret.unwrap_or_else(|| panic!("ApiKey {name} has no Secret"))
    }

    /// What is there of what a tenant's record names, seen with the accounts of the servers.
    ///
    /// # Panics
    /// When a server does not say.
    pub async fn outside(&self, record: &BTreeMap<String, String>) -> Outside {
        let servers = self.servers;
        let database = &servers.database_url;
        let broker = &servers.rabbitmq_management_url;
        Outside::seen(database, broker, &servers.redis_url, record).await
    }
}

async fn count(database_url: &str, what: &str, name: &str) -> i64 {
    let mut connection = PgConnection::connect(database_url).await;
    let connection = connection.as_mut().expect("PostgreSQL is there");
    let query = AssertSqlSafe(format!("SELECT count(*) FROM {what} = $1"));
    let found = sqlx::query_scalar(query)
        .bind(name)
        .fetch_one(connection)
        .await;
    found.expect("PostgreSQL answers")
}

async fn broker_has(management_url: &str, kind: &str, name: &str) -> bool {
    let base = management_url.trim_end_matches('/');
    let answer = reqwest::get(format!("{base}/api/{kind}/{name}")).await;
    match answer.expect("RabbitMQ is there").status().as_u16() {
        200 => true,
        404 => false,
        other => panic!("RabbitMQ answers {other}"),
    }
}

async fn cache_has(redis_url: &str, user: &str) -> bool {
    let connection = connect_to_redis(redis_url).await;
    let users: Vec<String> = connection
        .expect("Redis is there")
        .acl_users()
        .await
        .expect("Redis answers");
    users.iter().any(|known| known == user)
}

/// Account and place of `url`, whatever stands before its server, be it TLS.
fn straight(url: &str, server: &str) -> String {
    let (url, mut server) = (parsed(url), parsed(server));
    server
        .set_username(url.username())
        .and_then(|()| server.set_password(url.password()))
        .expect("a server's URL can name another account");
    server.set_path(url.path());
    server.into()
}

/// What a tenant has on the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    pub database: bool,
    pub roles: i64,
    pub vhost: bool,
    pub broker_user: bool,
    pub cache_user: bool,
}

impl Outside {
    pub const ALL: Self = Self {
        database: true,
        roles: 3,
        vhost: true,
        broker_user: true,
        cache_user: true,
    };
    pub const NOTHING: Self = Self {
        database: false,
        roles: 0,
        vhost: false,
        broker_user: false,
        cache_user: false,
    };

    /// What is there of what a tenant's record names, by the URLs of accounts that may look; of RabbitMQ that of its
    /// management API.
    ///
    /// # Panics
    /// When a server does not say.
    pub async fn seen(
        database_url: &str,
        management_url: &str,
        redis_url: &str,
        record: &BTreeMap<String, String>,
    ) -> Self {
        let database = &record["database"];
        let roles = "pg_roles WHERE regexp_replace(rolname, '_[a-z]+$', '')";
        Self {
            database: count(database_url, "pg_database WHERE datname", database).await == 1,
            roles: count(database_url, roles, database).await,
            vhost: broker_has(management_url, "vhosts", &record["vhost"]).await,
            broker_user: broker_has(management_url, "users", &record["brokerUser"]).await,
            cache_user: cache_has(redis_url, &record["cacheUser"]).await,
        }
    }
}
