//! The HTTPRoute of the Gateway API (gateway-api.sigs.k8s.io), as far as a tenant needs one. A cluster may not serve it.

use albatross_crds::tenant::GatewayRef;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Which requests go where.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    root = "HttpRoute",
    namespaced,
    schema = "disabled"
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    pub parent_refs: Vec<GatewayRef>,
    pub hostnames: Vec<String>,
    pub rules: Vec<HttpRouteRule>,
}

/// Without conditions: every request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteRule {
    pub backend_refs: Vec<BackendRef>,
}

/// A Service of the route's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackendRef {
    pub name: String,
    pub port: i32,
}
