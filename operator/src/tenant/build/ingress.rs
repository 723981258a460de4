//! The way in from outside the cluster, where one is asked for.

use albatross_crds::validation::ValidatedExposure;
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};

use crate::names;
use crate::tenant::build::input::Input;

pub fn api(input: &Input<'_>) -> Option<Ingress> {
    let tenant = &input.plan.tenant;
    let ValidatedExposure::Ingress(exposure) = &tenant.exposure else {
        return None;
    };
    let mut metadata = input.meta(names::API);
    if !exposure.annotations.is_empty() {
        metadata.annotations = Some(exposure.annotations.clone());
    }
    let class = exposure.class_name.clone();
    Some(Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: class.or_else(|| input.plan.ingress_class.clone()),
            tls: exposure.tls_secret_name.as_ref().map(|secret| {
                vec![IngressTLS {
                    hosts: Some(vec![tenant.host.clone()]),
                    secret_name: Some(secret.clone()),
                }]
            }),
            rules: Some(vec![IngressRule {
                host: Some(tenant.host.clone()),
                http: Some(HTTPIngressRuleValue {
                    paths: vec![HTTPIngressPath {
                        path: Some("/".to_owned()),
                        path_type: "Prefix".to_owned(),
                        backend: backend(),
                    }],
                }),
            }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}

fn backend() -> IngressBackend {
    IngressBackend {
        service: Some(IngressServiceBackend {
            name: names::API.to_owned(),
            port: Some(ServiceBackendPort {
                name: Some("http".to_owned()),
                number: None,
            }),
        }),
        ..IngressBackend::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(
            json!({"exposure": {"ingress": {"className": "nginx", "tlsSecretName": "tls", "annotations": {"a/b": "c"}}}}),
        );
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(api(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn there_is_none_unless_asked_for() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        assert!(api(&fixtures::input(&plan, &record)).is_none());
    }
}
