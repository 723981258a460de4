//! The Gateway API, as far as the operator uses it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::{conditions, wait::await_condition};
use serde_json::json;

use crate::platform::Platform;

/// Name of the definition.
pub const HTTP_ROUTES: &str = "httproutes.gateway.networking.k8s.io";

impl Platform {
    /// From now on the API server serves HTTPRoutes.
    ///
    /// # Panics
    /// When it refuses to.
    pub async fn install_the_gateway_api(&self) {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version = json!({
            "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        });
        let names = json!({"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"});
        // Groups of Kubernetes ask for that annotation.
        let annotations = json!({"api-approved.kubernetes.io": "unapproved, for tests only"});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": HTTP_ROUTES, "annotations": annotations},
            "spec": {
                "group": "gateway.networking.k8s.io", "scope": "Namespaced", "names": names,
                "versions": [version],
            },
        });
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let applied = definitions
            .patch(
                HTTP_ROUTES,
                &PatchParams::apply("tests"),
                &Patch::Apply(definition),
            )
            .await;
        applied.expect("a definition");
        let established =
            await_condition(definitions, HTTP_ROUTES, conditions::is_crd_established());
        established.await.expect("HTTPRoutes are served");
    }
}
