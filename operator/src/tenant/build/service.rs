//! The address of the pods that serve the airline.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::names;
use crate::tenant::build::input::Input;

pub fn api(input: &Input<'_>) -> Service {
    let port = |name: &str, number: i32| ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: input.meta(names::API),
        spec: Some(ServiceSpec {
            selector: Some(input.selector(names::API)),
            ports: Some(vec![
                port("http", names::HTTP_PORT),
                port("internal", names::INTERNAL_PORT),
            ]),
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
}
