//! An ACL user with a prefix of its own per test.

use std::error::Error;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, RedisResult};
use reqwest::Url;

use crate::servers::names;
use crate::wait::LIMIT;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a tenant's user may do: exact commands, on keys and channels of its prefix only.
const COMMANDS: [&str; 9] = [
    "+ping",
    "+hello",
    "+get",
    "+set",
    "+eval",
    "+evalsha",
    "+script|load",
    "+publish",
    "+subscribe",
];

/// A user that belongs to one test.
pub struct RedisUser {
    /// `<name>:`, for keys and channels.
    pub prefix: String,
    pub url: String,
}

pub async fn create(server: &str) -> Result<RedisUser> {
    let name = names::unique()?;
    let password = names::password();
    let prefix = format!("{name}:");
    redis::cmd("ACL")
        .arg("SETUSER")
        .arg(&name)
        .arg("reset")
        .arg("on")
        .arg(format!(">{password}"))
        .arg(format!("~{prefix}*"))
        .arg(format!("&{prefix}*"))
        .arg("-@all")
        .arg(&COMMANDS)
        .exec_async(&mut connect(server).await?)
        .await?;
    let mut url = Url::parse(server)?;
    let unset = "REDIS_URL cannot hold a user";
    url.set_username(&name).map_err(|()| unset)?;
    url.set_password(Some(&password)).map_err(|()| unset)?;
    Ok(RedisUser {
        prefix,
        url: url.into(),
    })
}

/// On the server's disk, for its next start.
pub async fn save_users(server: &str) -> Result<()> {
    let mut connection = connect(server).await?;
    Ok(redis::cmd("ACL")
        .arg("SAVE")
        .exec_async(&mut connection)
        .await?)
}

pub async fn sweep(server: &str) -> Result<()> {
    let mut connection = connect(server).await?;
    let users: Vec<String> = connection.acl_users().await?;
    for user in users.iter().filter(|user| names::is_abandoned(user)) {
        let pattern = format!("{user}:*");
        let keys: Vec<String> = connection.keys(pattern).await?;
        if !keys.is_empty() {
            let _: usize = connection.del(keys).await?;
        }
        let _: usize = connection.acl_deluser(&[user]).await?;
    }
    Ok(())
}

/// The client's usual patience is too short for a busy machine.
pub async fn connect(server: &str) -> RedisResult<MultiplexedConnection> {
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LIMIT))
        .set_response_timeout(Some(LIMIT));
    redis::Client::open(server)?
        .get_multiplexed_async_connection_with_config(&patient)
        .await
}
