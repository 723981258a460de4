//! A database with three roles per tenant: an owner that cannot log in, one that migrates, one that the runtime uses.
//!
//! The operator's account needs CREATEDB and CREATEROLE and is no superuser. Ownership is a comment on each database
//! and role; those on the roles only the operator can change. It works from a database of its own: a lock is one of the
//! database that it is taken in, and no tenant can take one where it cannot connect.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};
use uuid::Uuid;

use crate::config::{PostgresServer, Tls};
use crate::lease::Leadership;
use crate::names::{AUTHORITIES_DIRECTORY, POSTGRES_AUTHORITY};
use crate::provision::error::{Credentials, ProvisionError};

/// Begins the name of the operator's own database, which the name of its account ends: each operator on a server has one.
const OWN_DATABASE: &str = "albatross_operator_";
/// Bytes that a name has at most.
const LONGEST_NAME: usize = 63;
/// SQLSTATE `invalid_catalog_name` (PostgreSQL, appendix A): there is no such database.
const NO_DATABASE: &str = "3D000";
/// SQLSTATE `object_not_in_prerequisite_state`: it takes no connections yet.
const NOT_YET_OPEN: &str = "55000";
/// SQLSTATEs of who makes a database at the same moment as another: `duplicate_database`, `unique_violation`, and
/// `internal_error` ("tuple concurrently updated").
const DONE_BY_ANOTHER: [&str; 3] = ["42P04", "23505", "XX000"];
/// As many tenants as are worked on at once find that there is none.
const WHILE_OTHERS_MAKE_IT: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_secs(1),
];
/// Whom the system trusts, in the images of operator and runtime as on Debian.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of making or dropping all that a tenant has; a little more than the server allows one statement.
const WORK_TIMEOUT: Duration = Duration::from_secs(65);

/// A PostgreSQL server, seen with the operator's account.
#[derive(Debug, Clone)]
pub struct Postgres {
    server: String,
    options: PgConnectOptions,
    /// Database of the operator's own.
    own: String,
    leadership: Arc<Leadership>,
}

/// What a tenant has on the server.
#[derive(Debug, Clone)]
pub struct Database<'a> {
    pub tenant_id: Uuid,
    pub database: &'a str,
    pub owner_role: &'a str,
    pub migrate: Login<'a>,
    pub app: Login<'a>,
}

/// A role that logs in.
#[derive(Debug, Clone)]
pub struct Login<'a> {
    pub role: &'a str,
    /// SCRAM verifier of its password.
    pub verifier: String,
    /// Most connections at once.
    pub connection_limit: i32,
}

impl Postgres {
    /// Does not connect yet. `authority` (PEM) is who may have signed the server's certificate, if not whom the system
    /// trusts.
    pub fn new(
        server: &PostgresServer,
        admin: &Credentials,
        authority: Option<&str>,
        leadership: Arc<Leadership>,
    ) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .host(&server.host)
            .port(server.port)
            .username(&admin.username)
            .password(admin.password.expose_secret())
            .database(&server.database)
            .application_name("albatross-operator")
            // What takes long would be logged whole, with the verifiers of passwords in it.
            .disable_statement_logging()
            .ssl_mode(match server.tls {
                Tls::Disable => PgSslMode::Disable,
                Tls::Require => PgSslMode::Require,
                Tls::VerifyFull => PgSslMode::VerifyFull,
            })
            .options([
                ("search_path", "pg_catalog"),
                ("client_min_messages", "warning"),
                ("lock_timeout", "10s"),
                ("statement_timeout", "60s"),
                // A session that is cut off gives its locks back within half a minute.
                ("tcp_keepalives_idle", "10"),
                ("tcp_keepalives_interval", "5"),
                ("tcp_keepalives_count", "3"),
            ]);
        let options = match authority {
            Some(authority) => options.ssl_root_cert_from_pem(authority.as_bytes().to_vec()),
            None => options.ssl_root_cert(SYSTEM_AUTHORITIES),
        };
        let mut own = format!("{OWN_DATABASE}{}", admin.username);
        own.truncate(own.floor_char_boundary(LONGEST_NAME));
        Self {
            server: format!("PostgreSQL server `{}`", server.name),
            options,
            own,
            leadership,
        }
    }

    /// Tells one start of the server from another.
    pub async fn incarnation(&self) -> Result<String, ProvisionError> {
        let look = async {
            let mut connection = self.connect().await?;
            let started: String = sqlx::query("SELECT pg_postmaster_start_time()::text")
                .fetch_one(&mut connection)
                .await
                .and_then(|row| row.try_get(0))
                .map_err(|cause| self.refused("tell its start", cause))?;
            self.close(connection).await;
            Ok(started)
        };
        self.within(TIMEOUT, look).await
    }

    /// Makes the roles and the database, or brings them back to what is wanted.
    pub async fn ensure(&self, wanted: &Database<'_>) -> Result<(), ProvisionError> {
        self.within(WORK_TIMEOUT, self.make(wanted)).await
    }

    /// Drops the tenant's database and roles, with everything in them; what is gone already is fine.
    pub async fn drop(&self, gone: &Database<'_>) -> Result<(), ProvisionError> {
        self.within(WORK_TIMEOUT, self.unmake(gone)).await
    }

    async fn make(&self, wanted: &Database<'_>) -> Result<(), ProvisionError> {
        let mut session = self.session(wanted.tenant_id).await?;
        session.ensure_role(wanted.owner_role).await?;
        for login in [&wanted.migrate, &wanted.app] {
            session.ensure_role(login.role).await?;
            session.ensure_login(login).await?;
        }
        session.ensure_memberships(wanted).await?;
        session.ensure_database(wanted).await?;
        self.close(session.connection).await;
        Ok(())
    }

    async fn unmake(&self, gone: &Database<'_>) -> Result<(), ProvisionError> {
        let mut session = self.session(gone.tenant_id).await?;
        session.drop_database(gone).await?;
        for role in [gone.app.role, gone.migrate.role, gone.owner_role] {
            session.drop_role(role).await?;
        }
        self.close(session.connection).await;
        Ok(())
    }

    /// A connection that holds the tenant's lock: two operators never provision one tenant at once.
    async fn session(&self, tenant_id: Uuid) -> Result<Session<'_>, ProvisionError> {
        let mut session = Session {
            postgres: self,
            connection: self.connect_to_own().await?,
            tenant_id: tenant_id.to_string(),
        };
        let key = (tenant_id.as_u128() >> 64) as i64;
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(key)
            .execute(&mut session.connection)
            .await
            .map_err(|cause| self.refused("lock the tenant", cause))?;
        Ok(session)
    }

    async fn connect(&self) -> Result<PgConnection, ProvisionError> {
        self.connect_with(&self.options)
            .await?
            .map_err(|cause| ProvisionError::unreachable(&self.server, cause))
    }

    /// Makes the operator's own database if it is not there, or was not done when an operator ended.
    async fn connect_to_own(&self) -> Result<PgConnection, ProvisionError> {
        let options = self.options.clone().database(&self.own);
        let mut patience = WHILE_OTHERS_MAKE_IT.iter();
        loop {
            let cause = match self.connect_with(&options).await? {
                Ok(connection) => return Ok(connection),
                Err(cause) => cause,
            };
            let code = cause.as_database_error().and_then(|it| it.code());
            match (code.as_deref(), patience.next()) {
                (Some(code @ (NO_DATABASE | NOT_YET_OPEN)), Some(pause)) => {
                    self.make_own(code == NO_DATABASE).await?;
                    tokio::time::sleep(*pause).await;
                }
                _ => return Err(ProvisionError::unreachable(&self.server, cause)),
            }
        }
    }

    async fn make_own(&self, is_new: bool) -> Result<(), ProvisionError> {
        let mut connection = self.connect().await?;
        let own = identifier(&self.own);
        let create = format!("CREATE DATABASE {own} TEMPLATE template0 ALLOW_CONNECTIONS false");
        let secure = format!(
            "REVOKE ALL ON DATABASE {own} FROM PUBLIC; ALTER DATABASE {own} ALLOW_CONNECTIONS true"
        );
        for sql in is_new.then_some(create).into_iter().chain([secure]) {
            self.leadership.require();
            let made = sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await;
            if let Err(cause) = made
                && !is_done_by_another(&cause)
            {
                return Err(self.refused(&format!("make database `{}`", self.own), cause));
            }
        }
        self.close(connection).await;
        Ok(())
    }

    async fn connect_with(
        &self,
        options: &PgConnectOptions,
    ) -> Result<Result<PgConnection, sqlx::Error>, ProvisionError> {
        let connect = async { Ok(PgConnection::connect_with(options).await) };
        self.within(TIMEOUT, connect).await
    }

    /// A server that has fallen silent answers no query, and the protocol has no limit of its own.
    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, ProvisionError>>,
    ) -> Result<T, ProvisionError> {
        let silent = |_| {
            let cause = format_args!("no answer within {limit:?}");
            ProvisionError::unreachable(&self.server, cause)
        };
        tokio::time::timeout(limit, work).await.map_err(silent)?
    }

    /// A connection that cannot be closed in order is closed by dropping it.
    async fn close(&self, connection: PgConnection) {
        if let Err(cause) = connection.close().await {
            tracing::debug!(server = self.server, %cause, "connection not closed in order");
        }
    }

    fn refused(&self, action: &str, cause: sqlx::Error) -> ProvisionError {
        match cause {
            sqlx::Error::Io(cause) => ProvisionError::unreachable(&self.server, cause),
            cause => ProvisionError::refused(&self.server, action, cause),
        }
    }
}

fn is_done_by_another(cause: &sqlx::Error) -> bool {
    let code = cause.as_database_error().and_then(|it| it.code());
    code.is_some_and(|code| DONE_BY_ANOTHER.contains(&&*code))
}

struct Session<'a> {
    postgres: &'a Postgres,
    connection: PgConnection,
    tenant_id: String,
}

impl Session<'_> {
    async fn ensure_role(&mut self, role: &str) -> Result<(), ProvisionError> {
        if self.owns_role(role).await? {
            return Ok(());
        }
        // One simple query is one transaction: no role is left without its comment.
        let sql = format!(
            "CREATE ROLE {role} NOLOGIN; COMMENT ON ROLE {role} IS {id}",
            role = identifier(role),
            id = literal(&self.tenant_id)
        );
        self.execute(sql, &format!("create role `{role}`")).await
    }

    /// Whether the role is there and ours; an error if it is someone else's.
    async fn owns_role(&mut self, role: &str) -> Result<bool, ProvisionError> {
        let row = sqlx::query(
            "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1",
        )
        .bind(role)
        .fetch_optional(&mut self.connection)
        .await
        .map_err(|cause| self.postgres.refused("look up roles", cause))?;
        let Some(row) = row else { return Ok(false) };
        let owner: Option<String> = row
            .try_get(0)
            .map_err(|cause| self.postgres.refused("look up roles", cause))?;
        if owner.as_deref() == Some(&self.tenant_id) {
            Ok(true)
        } else {
            Err(ProvisionError::foreign(
                &self.postgres.server,
                format_args!("role `{role}`"),
            ))
        }
    }

    async fn ensure_login(&mut self, login: &Login<'_>) -> Result<(), ProvisionError> {
        let sql = format!(
            "ALTER ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}",
            identifier(login.role),
            login.connection_limit,
            literal(&login.verifier)
        );
        self.execute(sql, &format!("set the password of `{}`", login.role))
            .await
    }

    async fn ensure_memberships(&mut self, wanted: &Database<'_>) -> Result<(), ProvisionError> {
        let (owner, migrate) = (
            identifier(wanted.owner_role),
            identifier(wanted.migrate.role),
        );
        // CREATE DATABASE … OWNER needs the operator to be a member of the owner, which no version makes it by itself. From 16 on
        // it can change a role only with ADMIN OPTION, which who makes one there has, and nobody can grant to themselves. Before,
        // it is granted, so that the server may be upgraded.
        let own = match self.connection.server_version_num() {
            Some(version) if version < 160_000 => {
                let app = identifier(wanted.app.role);
                format!("GRANT {owner}, {migrate}, {app} TO CURRENT_USER WITH ADMIN OPTION")
            }
            _ => format!("GRANT {owner} TO CURRENT_USER"),
        };
        let sql = format!("{own}; GRANT {owner} TO {migrate}");
        self.execute(sql, "grant the owner role").await
    }

    async fn ensure_database(&mut self, wanted: &Database<'_>) -> Result<(), ProvisionError> {
        let database = identifier(wanted.database);
        let owner = identifier(wanted.owner_role);
        if !self.owns_database(wanted).await? {
            // Nobody can connect before CONNECT is taken from PUBLIC below.
            let sql = format!(
                "CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false"
            );
            self.execute(sql, &format!("create database `{}`", wanted.database))
                .await?;
        }
        let sql = format!(
            "COMMENT ON DATABASE {database} IS {id}; \
             REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
             GRANT CONNECT ON DATABASE {database} TO {migrate}, {app}; \
             ALTER DATABASE {database} ALLOW_CONNECTIONS true",
            id = literal(&self.tenant_id),
            migrate = identifier(wanted.migrate.role),
            app = identifier(wanted.app.role),
        );
        self.execute(sql, &format!("secure database `{}`", wanted.database))
            .await
    }

    /// Whether the database is there and ours. One without a comment is ours if our owner role owns it: the crash was
    /// between its creation and its comment.
    async fn owns_database(&mut self, wanted: &Database<'_>) -> Result<bool, ProvisionError> {
        let row = sqlx::query(
            "SELECT shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba)::text \
             FROM pg_database WHERE datname = $1",
        )
        .bind(wanted.database)
        .fetch_optional(&mut self.connection)
        .await
        .map_err(|cause| self.postgres.refused("look up databases", cause))?;
        let Some(row) = row else { return Ok(false) };
        let read = |row: &sqlx::postgres::PgRow| -> Result<(Option<String>, String), sqlx::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?))
        };
        let (comment, owner) =
            read(&row).map_err(|cause| self.postgres.refused("look up databases", cause))?;
        let ours = match comment {
            Some(comment) => comment == self.tenant_id,
            None => owner == wanted.owner_role,
        };
        if ours {
            Ok(true)
        } else {
            Err(ProvisionError::foreign(
                &self.postgres.server,
                format_args!("database `{}`", wanted.database),
            ))
        }
    }

    async fn drop_database(&mut self, gone: &Database<'_>) -> Result<(), ProvisionError> {
        if !self.owns_database(gone).await? {
            return Ok(());
        }
        // FORCE ends the tenant's sessions, for which the operator must be a member of their roles.
        for role in [gone.app.role, gone.migrate.role, gone.owner_role] {
            if self.owns_role(role).await? {
                let sql = format!("GRANT {} TO CURRENT_USER", identifier(role));
                self.execute(sql, "grant itself the tenant's roles").await?;
            }
        }
        let sql = format!("DROP DATABASE {} WITH (FORCE)", identifier(gone.database));
        self.execute(sql, &format!("drop database `{}`", gone.database))
            .await
    }

    async fn drop_role(&mut self, role: &str) -> Result<(), ProvisionError> {
        if !self.owns_role(role).await? {
            return Ok(());
        }
        let sql = format!("DROP ROLE {}", identifier(role));
        self.execute(sql, &format!("drop role `{role}`")).await
    }

    /// Every change passes here: only the leader makes any.
    async fn execute(&mut self, sql: String, action: &str) -> Result<(), ProvisionError> {
        self.postgres.leadership.require();
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut self.connection)
            .await
            .map(|_| ())
            .map_err(|cause| self.postgres.refused(action, cause))
    }
}

/// The URL by which a role of the tenant connects.
pub fn url(server: &PostgresServer, database: &str, role: &str, password: &str) -> String {
    let tls = match (server.tls, &server.ca_secret) {
        (Tls::Disable, _) => "disable".to_owned(),
        (Tls::Require, _) => "require".to_owned(),
        (Tls::VerifyFull, None) => format!("verify-full&sslrootcert={SYSTEM_AUTHORITIES}"),
        (Tls::VerifyFull, Some(_)) => {
            format!("verify-full&sslrootcert={AUTHORITIES_DIRECTORY}/{POSTGRES_AUTHORITY}")
        }
    };
    let host = if server.host.contains(':') {
        format!("[{}]", server.host)
    } else {
        server.host.clone()
    };
    format!(
        "postgres://{role}:{password}@{host}:{}/{database}?sslmode={tls}",
        server.port
    )
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_certificates_are_where_the_image_has_them() {
        assert!(include_str!("../../../Dockerfile").contains(SYSTEM_AUTHORITIES));
    }
}
