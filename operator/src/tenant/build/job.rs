//! The migration of the tenant's database, once per image.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::Secret;

use crate::context::token::fingerprint;
use crate::names;
use crate::tenant::build::input::Input;
use crate::tenant::build::pod::{PodPlan, template};

pub fn migrate(input: &Input<'_>, secret: &Secret) -> Job {
    let pod = PodPlan {
        component: names::MIGRATE,
        command: "migrate",
        secret,
        environment: vec![("ALBATROSS_LOG_FORMAT", "json")],
        files: Vec::new(),
        ports: Vec::new(),
        resources: input.plan.api_resources.clone(),
        secret_digest: None,
        long_running: false,
    };
    Job {
        metadata: input.meta(&name(&input.plan.image)),
        spec: Some(JobSpec {
            backoff_limit: Some(3),
            active_deadline_seconds: Some(1800),
            template: template(input, &pod),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
}

/// A Job cannot be changed: another image gets another name.
pub fn name(image: &str) -> String {
    format!("{}-{}", names::MIGRATE, &fingerprint(image)[..8])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tenant::build::secret;
    use crate::tenant::fixtures;

    #[test]
    fn is_as_reviewed() {
        let plan = fixtures::plan(json!({}));
        let record = fixtures::record(&plan);
        let input = fixtures::input(&plan, &record);
        insta::assert_yaml_snapshot!(migrate(&input, &secret::migrate(&input)));
    }
}
