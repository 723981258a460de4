//! An API server accepts the definitions, and answers every object of the table as the offline rules do.

#[path = "../../crds/tests/rules/cases.rs"]
mod cases;

use albatross_crds::{ApiKey, Tenant, manifest};
use albatross_tests::api_server::api_server;
use cases::{Case, cases};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Request,
};
use kube::core::Status;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

/// Objects of different cases have the same name: nothing is stored for longer than its case.
#[tokio::test]
async fn every_case_gets_its_answer() {
    let client = api_server().await.client_with_definitions().await;
    let mut wrong = Vec::new();
    for case in cases() {
        let answer = answer(&client, &case).await;
        let due = match (&answer, &case.rule, &case.field) {
            (Ok(()), None, None) => true,
            (Err(status), Some(rule), None) => names(status, rule),
            (Err(status), None, Some(field)) => names(status, field),
            _ => false,
        };
        if !due {
            wrong.push(format!("{} ({}): {answer:?}", case.case, case.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn names(status: &Status, what: &str) -> bool {
    status.message.contains(what)
}

/// What is refused in one step is refused by way of an object that says nothing of it too, whichever of the two is.
#[tokio::test]
async fn what_is_immutable_is_not_changed_in_two_steps() {
    let client = api_server().await.client_with_definitions().await;
    let mut wrong = Vec::new();
    for case in cases() {
        let (Some(old), Some(rule)) = (case.old(), &case.rule) else {
            continue;
        };
        // The table's own objects are there meanwhile.
        let named = |mut object: Value| {
            object["metadata"]["name"] = json!("detour");
            object
        };
        let steps = [named(case.bare()), named(case.object())];
        let requests = requests(&case);
        let answers = change(&client, &requests, named(old), steps).await;
        let last = answers.last().expect("an answer to each step");
        if !matches!(last, Err(status) if names(status, rule)) {
            wrong.push(format!("{} ({}): {answers:?}", case.case, case.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn requests(case: &Case) -> Request {
    Request::new(match case.kind.as_str() {
        "Tenant" => Tenant::url_path(&(), None),
        _ => ApiKey::url_path(&(), Some("default")),
    })
}

async fn answer(client: &Client, case: &Case) -> Result<(), Box<Status>> {
    let requests = requests(case);
    let Some(old) = case.old() else {
        let dry_run = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let body = case.object().to_string().into_bytes();
        let request = requests.create(&dry_run, body).expect("a request");
        return send(client, request).await.map(|_| ());
    };
    let answers = change(client, &requests, old, [case.object()]).await;
    answers.into_iter().collect()
}

/// Creates an object, puts each of the others in its place, and deletes it again.
async fn change(
    client: &Client,
    requests: &Request,
    old: Value,
    steps: impl IntoIterator<Item = Value>,
) -> Vec<Result<(), Box<Status>>> {
    let name = old["metadata"]["name"].as_str().expect("a name");
    let create = requests.create(&PostParams::default(), old.to_string().into());
    let created = send(client, create.expect("a request")).await;
    let mut stored = created.expect("the old object is created");
    let mut answers = Vec::new();
    for mut new in steps {
        new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
        let replace = requests.replace(name, &PostParams::default(), new.to_string().into());
        let answer = send(client, replace.expect("a request")).await;
        answers.push(answer.map(|replaced| stored = replaced));
    }
    let delete = requests.delete(name, &DeleteParams::default());
    let deleted = send(client, delete.expect("a request")).await;
    deleted.expect("the object is deleted");
    answers
}

/// As kubectl asks: unknown fields are refused.
async fn send(client: &Client, mut request: http::Request<Vec<u8>>) -> Result<Value, Box<Status>> {
    let strict = format!("{}&fieldValidation=Strict", request.uri());
    *request.uri_mut() = strict.parse().expect("a path");
    match client.request(request).await {
        Ok(object) => Ok(object),
        Err(kube::Error::Api(status)) => Err(status),
        Err(error) => panic!("the API server does not answer: {error}"),
    }
}

/// What GitOps tools compare: an applied example, applied again, is the same object.
#[tokio::test]
async fn the_examples_are_applied_once_and_then_differ_in_nothing() {
    let client = api_server().await.client_with_definitions().await;
    for file in [
        "00-namespace",
        "10-skyways",
        "11-nordwind",
        "20-skyways-acars",
        "21-nordwind-acars",
    ] {
        let path = format!("{}/../examples/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).expect("an example");
        let given: Value = serde_yaml_ng::from_str(&text).expect("an object");
        let first = apply(&client, &given).await;
        // Status is dropped when an object is created, and its default is stored by the next write only.
        let settled = apply(&client, &given).await;
        let again = apply(&client, &given).await;
        assert_eq!(
            settled.resource_version(),
            again.resource_version(),
            "{file}"
        );
        assert_eq!(first.data, again.data, "{file}");
        assert!(manifest::parse(&json!(first).to_string(), file).is_ok());
        if file.starts_with('1') || file.starts_with('2') {
            assert_eq!(first.data["status"], json!({"observedGeneration": -1}));
        }
    }
}

async fn apply(client: &Client, given: &Value) -> DynamicObject {
    let name = given["metadata"]["name"].as_str().expect("a name");
    let namespace = given["metadata"]["namespace"].as_str();
    let client = client.clone();
    let api: Api<DynamicObject> = match (given["kind"].as_str(), namespace) {
        (Some("Namespace"), _) => Api::all_with(client, &ApiResource::erase::<Namespace>(&())),
        (_, Some(namespace)) => {
            Api::namespaced_with(client, namespace, &ApiResource::erase::<ApiKey>(&()))
        }
        _ => Api::all_with(client, &ApiResource::erase::<Tenant>(&())),
    };
    let parameters = PatchParams::apply("gitops").validation_strict();
    api.patch(name, &parameters, &Patch::Apply(given))
        .await
        .expect("the example is applied")
}

#[tokio::test]
async fn a_tenant_can_be_scaled() {
    let client = api_server().await.client_with_definitions().await;
    let api: Api<Tenant> = Api::all(client);
    let spec = json!({
        "displayName": "Scaled", "icaoCode": "SCL", "host": "scaled.localhost",
        "admins": [{"email": "ada@scaled.example", "displayName": "Ada"}],
    });
    let tenant = Tenant::new("scaled", serde_json::from_value(spec).expect("a spec"));
    api.create(&PostParams::default(), &tenant)
        .await
        .expect("created");
    let scale = api.get_scale("scaled").await.expect("has a scale");
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(1));

    let three = json!({"spec": {"replicas": 3}});
    api.patch_scale("scaled", &PatchParams::default(), &Patch::Merge(&three))
        .await
        .expect("scaled");
    let scaled = api.get("scaled").await.expect("there");
    assert_eq!(scaled.spec.api.replicas, 3);
    assert_eq!(scaled.meta().generation, Some(2));

    let none = json!({"spec": {"replicas": 0}});
    let refused = api
        .patch_scale("scaled", &PatchParams::default(), &Patch::Merge(&none))
        .await
        .expect_err("zero is refused");
    assert!(
        refused.to_string().contains("spec.api.replicas"),
        "{refused}"
    );
}
