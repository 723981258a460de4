//! The addresses of the pods that serve the airline.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names;
use crate::tenant::build::input::Input;

/// Of those that are ready.
pub fn api(input: &Input<'_>) -> Service {
    let ports = [
        ("http", names::HTTP_PORT),
        ("internal", names::INTERNAL_PORT),
    ];
    service(input, names::API, &ports)
}

/// For the operator, of those too that wait to be told.
pub fn starting(input: &Input<'_>) -> Service {
    let ports = [("internal", names::INTERNAL_PORT)];
    let mut service = service(input, names::STARTING, &ports);
    if let Some(spec) = &mut service.spec {
        spec.publish_not_ready_addresses = Some(true);
    }
    service
}

fn service(input: &Input<'_>, name: &str, ports: &[(&str, i32)]) -> Service {
    let ports = ports.iter().map(|(name, number)| ServicePort {
        name: Some((*name).to_owned()),
        port: *number,
        target_port: Some(IntOrString::Int(*number)),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    });
    Service {
        metadata: input.meta(name),
        spec: Some(ServiceSpec {
            selector: Some(input.selector(names::API)),
            ports: Some(ports.collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(api(&fixtures::input(&plan, &record)));
    }

    #[test]
    fn starting_is_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        insta::assert_yaml_snapshot!(starting(&fixtures::input(&plan, &record)));
    }
}
