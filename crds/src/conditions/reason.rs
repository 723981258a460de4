//! Why a condition is as it is: a closed list, so that documents and alerts can name each.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The value of `status.conditions[].reason`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

reasons! {
    // Well.
    /// It works as declared.
    Available,
    /// It is as declared.
    UpToDate,
    /// Nothing of the kind is declared or configured.
    NotConfigured,
    /// The operator has been told to leave the tenant alone.
    Suspended,
    /// The operator has been told to say what it would do, and to do nothing.
    Observing,
    /// The tenant is scaled to zero, its data kept.
    Hibernated,
    /// The key was ended on purpose.
    Revoked,
    /// The key has reached its end.
    Expired,

    // Under way.
    /// Work has begun.
    Reconciling,
    /// Database, vhost and cache user are being made.
    Provisioning,
    /// The database's schema is being brought up to date.
    Migrating,
    /// Pods are being started or replaced.
    RollingOut,
    /// The key is being registered with the runtime.
    Registering,
    /// Waiting for the tenant to become ready.
    WaitingForTenant,
    /// Waiting for pods to become ready.
    WaitingForRuntime,
    /// Hibernation waits until no flight is under way.
    WaitingForFlights,
    /// Whoever makes the accounts on the Redis server has not given the tenant's yet.
    WaitingForCacheAccount,
    /// Others come before it in the rollout of the operator's image.
    WaitingForRollout,
    /// The resource is being deleted.
    Deleting,

    // Failing, may mend by itself.
    /// A tenant did not become ready at the operator's image: nobody else is moved to it before it is.
    RolloutStopped,
    /// The PostgreSQL server does not answer or refuses.
    DatabaseUnreachable,
    /// The RabbitMQ server does not answer or refuses.
    BrokerUnreachable,
    /// The Redis server does not answer or refuses.
    CacheUnreachable,
    /// The runtime does not answer.
    RuntimeUnreachable,
    /// The runtime answers with an error.
    RuntimeRefused,
    /// Pods do not become ready.
    RuntimeUnavailable,
    /// The Gateway does not accept the tenant's route.
    RouteNotAccepted,
    /// The migration failed.
    MigrationFailed,
    /// The API server does not answer or refuses.
    KubernetesError,
    /// Somebody else changes the tenant's objects again and again.
    Contended,

    // Stalled: someone has to change something.
    /// The declaration breaks a rule; the message names field, what is allowed and what was given.
    InvalidSpec,
    /// Another tenant has the host.
    HostConflict,
    /// The tenant's namespace exists and is not this tenant's.
    NamespaceConflict,
    /// A database, vhost or user of that name exists and is not this tenant's.
    ResourceConflict,
    /// The tenant to adopt lives, or was retained under another name.
    AdoptionRefused,
    /// The placement names a server that is not configured.
    UnknownServer,
    /// The placement differs from where the data is.
    PlacementConflict,
    /// The server has no connections left in its budget.
    ServerFull,
    /// The cluster does not serve the Gateway API.
    GatewayApiMissing,
    /// The version is older than the schema of the database.
    DowngradeRefused,
    /// The tenant's credentials are gone, and never made anew over existing data; or an ApiKey's keys cannot be read.
    CredentialsLost,
    /// There is no such tenant.
    TenantNotFound,
    /// The tenant is being deleted.
    TenantDeleting,
    /// The tenant does not allow ApiKeys in this namespace.
    NamespaceNotAllowed,
    /// The tenant does not allow these scopes.
    ScopesNotAllowed,
    /// The tenant does not allow keys for this user.
    UserNotAllowed,
    /// Another ApiKey, or someone else, owns the Secret.
    SecretNameConflict,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
