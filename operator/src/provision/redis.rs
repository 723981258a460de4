//! An ACL user per tenant on Redis, limited to its own keys and channels.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, RedisError, RedisResult,
    TlsCertificates,
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::config::RedisServer;
use crate::lease::Leadership;
use crate::names::{AUTHORITIES_DIRECTORY, REDIS_AUTHORITY};
use crate::provision::error::{Credentials, ProvisionError};
use crate::provision::percent::encoded;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What the runtime's cache and wake-ups use, and nothing besides: with `+@all`, a key pattern still leaves FLUSHALL,
/// and without one SCAN lists the neighbours' keys.
const COMMANDS: [&str; 17] = [
    "ping",
    "hello",
    "client|setname",
    "get",
    "set",
    "setex",
    "getdel",
    "del",
    "expire",
    "eval",
    "evalsha",
    "script|load",
    "publish",
    "subscribe",
    "unsubscribe",
    "psubscribe",
    "punsubscribe",
];

/// A Redis server, seen with an account: the operator's, or a tenant's that it only tries.
#[derive(Debug, Clone)]
pub struct Redis {
    server: String,
    url: String,
    account: Option<Credentials>,
    /// Who may have signed the server's certificate (PEM), if not whom the system trusts.
    authority: Option<String>,
    leadership: Arc<Leadership>,
}

/// What a tenant has on the server.
#[derive(Debug, Clone)]
pub struct CacheUser<'a> {
    pub user: &'a str,
    pub password: &'a str,
    /// Of its keys and channels.
    pub prefix: &'a str,
}

impl Redis {
    pub fn new(
        server: &RedisServer,
        account: Option<Credentials>,
        authority: Option<String>,
        leadership: Arc<Leadership>,
    ) -> Self {
        Self {
            server: format!("Redis server `{}`", server.name),
            url: server.url.clone(),
            account,
            authority,
            leadership,
        }
    }

    /// Tells one start of the server from another: users that are in no ACL file vanish with a restart. Without an
    /// account it says only that the server answers.
    pub async fn incarnation(&self) -> Result<String, ProvisionError> {
        let mut connection = self.connect().await?;
        if self.account.is_none() {
            return match redis::cmd("PING").exec_async(&mut connection).await {
                Err(cause) if !is_for_want_of_an_account(&cause) => {
                    Err(self.refused("answer", &cause))
                }
                _ => Ok(String::new()),
            };
        }
        let info: String = redis::cmd("INFO")
            .arg("server")
            .query_async(&mut connection)
            .await
            .map_err(|cause| self.refused("describe itself", &cause))?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        Ok(run_id.unwrap_or_default().trim().to_owned())
    }

    /// Whether the server lets the account in.
    pub async fn log_in(&self) -> Result<(), ProvisionError> {
        let user = self.account.as_ref().map_or("", |it| it.username.as_str());
        match self.open().await {
            Ok(_) => Ok(()),
            Err(cause) => Err(self.refused(&format!("let `{user}` in"), &cause)),
        }
    }

    /// Makes the user, or brings it back to what is wanted.
    pub async fn ensure(&self, wanted: &CacheUser<'_>) -> Result<(), ProvisionError> {
        let mut connection = self.connect().await?;
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg(wanted.user).arg(rules(wanted));
        self.change(&mut connection, &set)
            .await
            .map_err(|cause| self.refused(&format!("set user `{}`", wanted.user), &cause))?;
        self.save(&mut connection).await
    }

    /// Drops the tenant's user and keys; what is gone already is fine.
    pub async fn drop(&self, gone: &CacheUser<'_>) -> Result<(), ProvisionError> {
        let mut connection = self.connect().await?;
        self.remove_user(&mut connection, gone.user).await?;
        let pattern = format!("{}*", gone.prefix);
        let mut cursor = 0u64;
        loop {
            let (next, keys): (u64, Vec<Vec<u8>>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(1000)
                .query_async(&mut connection)
                .await
                .map_err(|cause| self.refused("list the tenant's keys", &cause))?;
            if !keys.is_empty() {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(keys);
                self.change(&mut connection, &unlink)
                    .await
                    .map_err(|cause| self.refused("drop the tenant's keys", &cause))?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    async fn remove_user(
        &self,
        connection: &mut MultiplexedConnection,
        user: &str,
    ) -> Result<(), ProvisionError> {
        let mut delete = redis::cmd("ACL");
        delete.arg("DELUSER").arg(user);
        self.change(connection, &delete)
            .await
            .map_err(|cause| self.refused(&format!("drop user `{user}`"), &cause))?;
        self.save(connection).await
    }

    /// Writes the ACL file where there is one; without one, users are set again after a restart.
    async fn save(&self, connection: &mut MultiplexedConnection) -> Result<(), ProvisionError> {
        let mut save = redis::cmd("ACL");
        save.arg("SAVE");
        match self.change(connection, &save).await {
            Err(cause)
                if !cause
                    .to_string()
                    .contains("not configured to use an ACL file") =>
            {
                Err(self.refused("save its users", &cause))
            }
            _ => Ok(()),
        }
    }

    /// Every change passes here: only the leader makes any.
    async fn change(
        &self,
        connection: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> RedisResult<()> {
        self.leadership.require();
        command.exec_async(connection).await
    }

    async fn connect(&self) -> Result<MultiplexedConnection, ProvisionError> {
        let unreachable = |cause: RedisError| ProvisionError::unreachable(&self.server, cause);
        self.open().await.map_err(unreachable)
    }

    async fn open(&self) -> RedisResult<MultiplexedConnection> {
        let info = self.url.as_str().into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(account) = &self.account {
            settings = settings
                .set_username(&account.username)
                .set_password(account.password.expose_secret());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let info = info.set_redis_settings(settings);
        let client = match &self.authority {
            Some(authority) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(authority.as_bytes().to_vec()),
                },
            )?,
            None => Client::open(info)?,
        };
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn refused(&self, action: &str, cause: &RedisError) -> ProvisionError {
        if cause.is_io_error() || cause.is_timeout() || cause.is_connection_dropped() {
            ProvisionError::unreachable(&self.server, cause)
        } else {
            ProvisionError::refused(&self.server, action, cause)
        }
    }
}

/// The user's whole definition; `reset` first, so that nothing of an older one is left.
fn rules(user: &CacheUser<'_>) -> Vec<String> {
    let password: String = Sha256::digest(user.password)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut rules = vec![
        "reset".to_owned(),
        "on".to_owned(),
        format!("#{password}"),
        format!("~{}*", user.prefix),
        format!("&{}*", user.prefix),
        "-@all".to_owned(),
    ];
    rules.extend(COMMANDS.iter().map(|command| format!("+{command}")));
    rules
}

fn is_for_want_of_an_account(cause: &RedisError) -> bool {
    matches!(cause.code(), Some("NOAUTH" | "NOPERM"))
}

/// The URL by which the tenant's runtime connects.
pub fn url(server: &RedisServer, account: &Credentials) -> String {
    let (scheme, rest) = server
        .url
        .split_once("://")
        .unwrap_or(("redis", &server.url));
    let user = encoded(&account.username);
    let password = encoded(account.password.expose_secret());
    let authority = match (&server.ca_secret, rest.contains('?')) {
        (None, _) => String::new(),
        (Some(_), more) => {
            let and = if more { '&' } else { '?' };
            format!("{and}ssl_ca_certs={AUTHORITIES_DIRECTORY}/{REDIS_AUTHORITY}")
        }
    };
    format!("{scheme}://{user}:{password}@{rest}{authority}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Acl, Peers};

    proptest! {
        #[test]
        fn whatever_an_account_holds_is_what_the_runtime_reads(user in ".+", password in ".+") {
            let server = RedisServer {
                name: "main".to_owned(),
                url: "rediss://cache.example:6380/3".to_owned(),
                admin_secret: None,
                acl: Acl::External,
                egress: Peers::default(),
                ca_secret: Some("ca".to_owned()),
            };
            let account = Credentials { username: user.clone(), password: password.clone().into() };
            let read = url(&server, &account).into_connection_info().unwrap();
            prop_assert_eq!(read.redis_settings().username(), Some(user.as_str()));
            prop_assert_eq!(read.redis_settings().password(), Some(password.as_str()));
            prop_assert_eq!(read.redis_settings().db(), 3);
        }
    }

    #[test]
    fn whoever_makes_users_by_hand_is_told_what_a_tenant_may_do() {
        let operating = include_str!("../../../docs/operating.md");
        let told: Vec<&str> = operating.split(['`', ' ', '\n']).collect();
        for command in COMMANDS {
            let rule = format!("+{command}");
            assert!(told.contains(&rule.as_str()), "{rule}");
        }
    }

    #[test]
    fn a_user_starts_from_nothing_and_never_sees_its_password_sent() {
        let rules = rules(&CacheUser {
            user: "alb_1",
            password: "secret",
            prefix: "alb_1:",
        });
        assert_eq!(rules[0], "reset");
        assert!(rules.contains(&"~alb_1:*".to_owned()));
        assert!(rules.contains(&"&alb_1:*".to_owned()));
        let nothing = rules.iter().position(|rule| rule == "-@all").unwrap();
        let first = rules.iter().position(|rule| rule.starts_with('+')).unwrap();
        assert!(nothing < first);
        assert!(!rules.iter().any(|rule| rule.contains("secret")));
        assert!(!rules.iter().any(|rule| rule.contains("+@")));
    }
}
