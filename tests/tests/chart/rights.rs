//! What the operator may do, and what it must not: `verb resource.group/subresource namespace name`, a dash for any.

/// Some of what it needs.
pub const NEEDED: [&str; 21] = [
    "watch tenants.albatross.aero - -",
    "patch tenants.albatross.aero/status - skyways",
    "patch apikeys.albatross.aero - airline",
    "patch apikeys.albatross.aero/status - airline",
    "create namespaces - -",
    "patch namespaces - albatross-skyways",
    "delete namespaces - albatross-skyways",
    "watch deployments.apps - -",
    "watch horizontalpodautoscalers.autoscaling - -",
    "watch jobs.batch - -",
    "watch httproutes.gateway.networking.k8s.io - -",
    "watch networkpolicies.networking.k8s.io - -",
    "watch poddisruptionbudgets.policy - -",
    "patch rolebindings.rbac.authorization.k8s.io albatross-skyways -",
    "bind clusterroles.rbac.authorization.k8s.io - albatross-operator-tenant",
    "bind clusterroles.rbac.authorization.k8s.io - albatross-operator-client",
    "bind clusterroles.rbac.authorization.k8s.io - albatross-tenant-owner",
    "watch secrets albatross-system -",
    "create secrets albatross-system -",
    "update leases.coordination.k8s.io albatross-system albatross-operator",
    "create events.events.k8s.io default -",
];

/// What nobody who got hold of the operator's account may do with it.
pub const REFUSED: [&str; 69] = [
    "get secrets - -",
    "list secrets - -",
    "watch secrets - -",
    "create secrets - -",
    "update secrets - -",
    "patch secrets - -",
    "delete secrets - -",
    "get secrets kube-system -",
    "get secrets albatross-skyways albatross-api",
    "create secrets kube-system -",
    "create deployments.apps albatross-skyways -",
    "delete rolebindings.rbac.authorization.k8s.io kube-system -",
    "bind clusterroles.rbac.authorization.k8s.io - cluster-admin",
    "bind clusterroles.rbac.authorization.k8s.io - admin",
    "bind clusterroles.rbac.authorization.k8s.io - edit",
    "bind clusterroles.rbac.authorization.k8s.io - -",
    "bind roles.rbac.authorization.k8s.io kube-system -",
    "escalate clusterroles.rbac.authorization.k8s.io - -",
    "escalate clusterroles.rbac.authorization.k8s.io - albatross-operator-tenant",
    "escalate roles.rbac.authorization.k8s.io albatross-skyways -",
    "create roles.rbac.authorization.k8s.io albatross-skyways -",
    "patch clusterroles.rbac.authorization.k8s.io - albatross-operator-tenant",
    "delete clusterroles.rbac.authorization.k8s.io - -",
    "patch clusterrolebindings.rbac.authorization.k8s.io - albatross-operator",
    "delete rolebindings.rbac.authorization.k8s.io albatross-skyways -",
    "create clusterrolebindings.rbac.authorization.k8s.io - -",
    "create clusterroles.rbac.authorization.k8s.io - -",
    "create pods - -",
    "get pods - -",
    "create pods/exec - -",
    "create pods/attach - -",
    "create pods/portforward - -",
    "patch pods/ephemeralcontainers - -",
    "get pods/log - -",
    "create pods/eviction - -",
    "patch deployments.apps - -",
    "create daemonsets.apps - -",
    "create cronjobs.batch - -",
    "get configmaps kube-system -",
    "create serviceaccounts - -",
    "create serviceaccounts/token - -",
    "create serviceaccounts/token albatross-system albatross-operator",
    "impersonate users - -",
    "impersonate groups - -",
    "impersonate serviceaccounts - -",
    "create tokenreviews.authentication.k8s.io - -",
    "create subjectaccessreviews.authorization.k8s.io - -",
    "approve certificatesigningrequests.certificates.k8s.io - -",
    "create certificatesigningrequests.certificates.k8s.io - -",
    "create apikeys.albatross.aero - -",
    "delete apikeys.albatross.aero - -",
    "delete tenants.albatross.aero - skyways",
    "create tenants.albatross.aero - -",
    "patch customresourcedefinitions.apiextensions.k8s.io - tenants.albatross.aero",
    "patch validatingadmissionpolicies.admissionregistration.k8s.io - -",
    "delete validatingadmissionpolicybindings.admissionregistration.k8s.io - -",
    "create mutatingwebhookconfigurations.admissionregistration.k8s.io - -",
    "create validatingwebhookconfigurations.admissionregistration.k8s.io - -",
    "create customresourcedefinitions.apiextensions.k8s.io - -",
    "delete customresourcedefinitions.apiextensions.k8s.io - -",
    "create apiservices.apiregistration.k8s.io - -",
    "get nodes - -",
    "list nodes - -",
    "patch nodes - -",
    "get nodes/proxy - -",
    "get persistentvolumes - -",
    "create persistentvolumeclaims - -",
    "get leases.coordination.k8s.io kube-system -",
    "update leases.coordination.k8s.io kube-node-lease -",
];

/// All that the operator may do in a namespace that is not a tenant's: `verbs resources (names)`.
pub const RIGHTS: &str = "
bind clusterroles.rbac.authorization.k8s.io (albatross-operator-tenant,albatross-operator-client,albatross-tenant-owner)
create selfsubjectaccessreviews.authorization.k8s.io,selfsubjectrulesreviews.authorization.k8s.io ()
create selfsubjectreviews.authentication.k8s.io ()
create,patch events.events.k8s.io ()
get,list,watch deployments.apps ()
get,list,watch horizontalpodautoscalers.autoscaling ()
get,list,watch httproutes.gateway.networking.k8s.io ()
get,list,watch ingresses.networking.k8s.io,networkpolicies.networking.k8s.io ()
get,list,watch jobs.batch ()
get,list,watch limitranges,resourcequotas,serviceaccounts,services ()
get,list,watch poddisruptionbudgets.policy ()
get,list,watch,create,patch rolebindings.rbac.authorization.k8s.io ()
get,list,watch,create,patch,delete namespaces ()
get,list,watch,patch tenants.albatross.aero,apikeys.albatross.aero ()
patch tenants/status.albatross.aero,apikeys/status.albatross.aero ()
";

/// What it may do besides in a tenant's namespace, once it has bound itself there.
pub const TENANT_RIGHTS: &str = "
delete rolebindings.rbac.authorization.k8s.io ()
get,create,patch,delete deployments.apps ()
get,create,patch,delete horizontalpodautoscalers.autoscaling ()
get,create,patch,delete httproutes.gateway.networking.k8s.io ()
get,create,patch,delete ingresses.networking.k8s.io,networkpolicies.networking.k8s.io ()
get,create,patch,delete jobs.batch ()
get,create,patch,delete poddisruptionbudgets.policy ()
get,create,patch,delete limitranges,resourcequotas,secrets,serviceaccounts,services ()
get,list pods ()
";

/// The same in a namespace of somebody's ApiKeys.
pub const CLIENT_RIGHTS: &str = "
delete rolebindings.rbac.authorization.k8s.io (albatross-operator)
get,create,patch,delete secrets ()
";

/// Every verb that a user could have.
pub const VERBS: [&str; 8] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
];

/// Who may do what in a namespace to whose `view`, `edit` or `admin` they are bound; the platform team is bound in the
/// whole cluster.
pub const USERS: [(&str, &str, &str); 20] = [
    ("viewer", "apikeys.albatross.aero", "get list watch"),
    ("viewer", "apikeys.albatross.aero/status", "get"),
    ("viewer", "tenants.albatross.aero", ""),
    ("viewer", "tenants.albatross.aero/status", ""),
    ("viewer", "tenants.albatross.aero/scale", ""),
    (
        "editor",
        "apikeys.albatross.aero",
        "get list watch create update patch delete",
    ),
    ("editor", "apikeys.albatross.aero/status", "get"),
    ("editor", "tenants.albatross.aero", ""),
    ("editor", "tenants.albatross.aero/status", ""),
    ("editor", "tenants.albatross.aero/scale", ""),
    (
        "admin",
        "apikeys.albatross.aero",
        "get list watch create update patch delete",
    ),
    ("admin", "apikeys.albatross.aero/status", "get"),
    ("admin", "tenants.albatross.aero", ""),
    ("admin", "tenants.albatross.aero/status", ""),
    ("admin", "tenants.albatross.aero/scale", ""),
    (
        "platform",
        "apikeys.albatross.aero",
        "get list watch create update patch delete",
    ),
    ("platform", "apikeys.albatross.aero/status", "get"),
    (
        "platform",
        "tenants.albatross.aero",
        "get list watch create update patch delete",
    ),
    ("platform", "tenants.albatross.aero/status", "get"),
    (
        "platform",
        "tenants.albatross.aero/scale",
        "get list watch create update patch delete",
    ),
];
