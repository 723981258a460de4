//! The command line and the environment: the only place that reads either.

mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use secrecy::SecretString;
use uuid::Uuid;

use self::values::KeyParser;

pub use self::values::Key;

/// Albatross runs virtual airlines: event-sourced, from one executable.
#[derive(Debug, Parser)]
#[command(name = "albatross", version)]
pub struct Cli {
    #[command(flatten)]
    pub log: Log,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every airline that the manifests declare, in this one process, without any server
    Up(Up),
    /// Serve one airline's API, web page and internal port
    Serve(Serve),
    /// Run one airline's projections and relay, without its API
    Work(Work),
    /// Bring one airline's database to this version's schema
    Migrate(Migrate),
    /// Check the hash chain of one airline's log, or an export of it
    Verify(Verify),
    /// Write one airline's whole log, with its tracks, into a file
    Export(Export),
    /// Begin an airline's log with an export
    Import(Import),
    /// Build one airline's read model anew from its log, while the airline runs
    Rebuild(Rebuild),
    /// Set up or reset an administrator; prints a one-time log-in link
    Admin(Admin),
    /// Erase a person for good: name, address, keys and all texts are gone, the flights stay
    Erase(Erase),
}

#[derive(Debug, Args)]
pub struct Log {
    /// What is logged, as a tracing filter
    #[arg(
        long,
        global = true,
        env = "ALBATROSS_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    #[arg(
        long,
        global = true,
        env = "ALBATROSS_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Which airline, and the secrets that belong to it.
#[derive(Debug, Args)]
pub struct Tenant {
    /// Name of the airline, as in its manifest
    #[arg(long, env = "ALBATROSS_TENANT", value_name = "NAME")]
    pub tenant: String,
    #[arg(long, env = "ALBATROSS_TENANT_ID", value_name = "UUID")]
    pub tenant_id: Uuid,
    /// Wraps the keys that personal data is encrypted with: 32 bytes, base64
    #[arg(
        long,
        env = "ALBATROSS_TENANT_KEY",
        hide_env_values = true,
        value_parser = KeyParser,
        value_name = "BASE64"
    )]
    pub tenant_key: Key,
    /// Keys the digests of API keys, links and e-mail addresses: 32 bytes, base64
    #[arg(
        long,
        env = "ALBATROSS_PEPPER",
        hide_env_values = true,
        value_parser = KeyParser,
        value_name = "BASE64"
    )]
    pub pepper: Key,
    /// Origin for cookies and links
    #[arg(
        long,
        env = "ALBATROSS_PUBLIC_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub public_url: String,
}

#[derive(Debug, Args)]
pub struct Database {
    /// `postgres://…` (`?sslmode=verify-full&sslrootcert=FILE` checks its certificate), `sqlite:DIRECTORY` or `memory:`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: SecretString,
}

/// Servers that are used when they are named.
#[derive(Debug, Args)]
pub struct Servers {
    /// Broker that every event is published to; `amqps://…?cacertfile=FILE` names who may have signed its certificate
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub amqp_url: Option<SecretString>,
    #[command(flatten)]
    pub redis: Redis,
}

/// Redis, when it is named.
#[derive(Debug, Args)]
pub struct Redis {
    /// Cache and wake-ups between processes; `rediss://…?ssl_ca_certs=FILE` names who may have signed its certificate
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub redis_url: Option<SecretString>,
    /// What every key and channel begins with
    #[arg(
        long,
        env = "ALBATROSS_REDIS_PREFIX",
        default_value = "",
        value_name = "PREFIX"
    )]
    pub redis_prefix: String,
}

/// `/healthz`, `/readyz` and `/metrics`.
#[derive(Debug, Args)]
pub struct Probes {
    /// Address of probes and metrics
    #[arg(
        long,
        env = "ALBATROSS_PROBE_LISTEN",
        default_value = "127.0.0.1:8082",
        value_name = "ADDRESS"
    )]
    pub probe_listen: SocketAddr,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub servers: Servers,
    /// Address of the API and the web page
    #[arg(
        long,
        env = "ALBATROSS_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Address of the operator's calls
    #[arg(
        long,
        env = "ALBATROSS_INTERNAL_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    pub internal_listen: SocketAddr,
    #[command(flatten)]
    pub probes: Probes,
    /// Bearer token of the operator's calls; without one, that port stays closed
    #[arg(
        long,
        env = "ALBATROSS_INTERNAL_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub internal_token: Option<SecretString>,
    /// Run projections and relay inside this process
    #[arg(long, env = "ALBATROSS_WORKER", default_value = "true", action = clap::ArgAction::Set)]
    pub worker: bool,
    /// Not ready before a desired state with at least this number was applied
    #[arg(
        long,
        env = "ALBATROSS_REQUIRED_DESIRED",
        default_value = "0",
        value_name = "NUMBER"
    )]
    pub required_desired: u64,
    #[command(flatten)]
    pub ledger: Ledger,
    /// Networks whose `Forwarded` or `X-Forwarded-For` header is believed
    #[arg(
        long,
        env = "ALBATROSS_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub trusted_proxies: Vec<IpNet>,
}

#[derive(Debug, Args)]
pub struct Work {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub servers: Servers,
    #[command(flatten)]
    pub probes: Probes,
}

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    pub database: Database,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Log to check: `postgres://…` or `sqlite:DIRECTORY`; not used with an export
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "export",
        value_name = "URL"
    )]
    pub database_url: Option<SecretString>,
    /// Export to check instead of a log
    #[arg(value_name = "EXPORT")]
    pub export: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub database: Database,
    /// File to write, which must not exist yet; `-` is standard output
    #[arg(value_name = "EXPORT")]
    pub export: PathBuf,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
    /// File that `albatross export` wrote
    #[arg(value_name = "EXPORT")]
    pub export: PathBuf,
    /// Leave out what came after this position; rounded down to the end of a commit
    #[arg(long, value_name = "POSITION")]
    pub until: Option<i64>,
    #[command(flatten)]
    pub ledger: Ledger,
}

/// Who was erased, kept outside the database.
#[derive(Debug, Args)]
pub struct Ledger {
    /// Ledger of who was erased, an id a line, as the file `erased` of an airline's directory: they are erased again
    #[arg(long, env = "ALBATROSS_ERASED", value_name = "FILE")]
    pub erased: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Rebuild {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
}

#[derive(Debug, Args)]
pub struct Admin {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
    /// E-mail address of the administrator
    #[arg(value_name = "EMAIL")]
    pub email: String,
    /// Name that others see; only used when the account does not exist yet
    #[arg(long, default_value = "Administrator", value_name = "NAME")]
    pub name: String,
    /// Display name of the airline, used when it has not been declared yet; its name when left out
    #[arg(long, value_name = "NAME")]
    pub airline: Option<String>,
    /// ICAO airline designator, used when the airline has not been declared yet; the name's letters when left out
    #[arg(long, value_name = "CODE")]
    pub icao_code: Option<String>,
}

#[derive(Debug, Args)]
pub struct Erase {
    #[command(flatten)]
    pub tenant: Tenant,
    #[command(flatten)]
    pub database: Database,
    #[command(flatten)]
    pub redis: Redis,
    /// E-mail address or id of the person
    #[arg(value_name = "PERSON")]
    pub person: String,
    /// Erase without asking; wanted where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Up {
    /// Manifests of kind Tenant and ApiKey, or directories of them
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Where everything is kept
    #[arg(long, default_value = "./data", value_name = "DIRECTORY")]
    pub data: PathBuf,
    /// Address of the API and the web page of every airline
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The airline that answers under any other host name
    #[arg(long, value_name = "NAME")]
    pub default_tenant: Option<String>,
    /// Fill each airline with a few pilots and recorded flights
    #[arg(long)]
    pub demo: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_secret_is_not_shown() {
        let key = "c2VjcmV0";
        let given = ["albatross", "work", "--tenant-key", key, "--pepper", key];
        let error = Cli::try_parse_from(given).unwrap_err().to_string();
        assert!(
            error.contains("not 32 bytes") && !error.contains(key),
            "{error}"
        );
    }

    #[test]
    fn several_paths_may_be_given() {
        let cli = Cli::parse_from(["albatross", "up", "-f", "a.yaml", "b.yaml", "-f", "c"]);
        let Command::Up(up) = cli.command else {
            panic!("not up")
        };
        assert_eq!(up.files.len(), 3);
        assert_eq!(up.listen.port(), 8080);
    }

    #[test]
    fn secrets_never_show_in_debug_output() {
        let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let cli = Cli::parse_from([
            "albatross",
            "work",
            "--tenant",
            "skyways",
            "--tenant-id",
            "5f0d0c1e-7f5b-4a57-9d5e-0a4b9f6e1c11",
            "--tenant-key",
            key,
            "--pepper",
            key,
            "--database-url",
            "postgres://app:hunter2@localhost/db",
        ]);
        let shown = format!("{cli:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("BwcH"),
            "{shown}"
        );
    }
}
