//! What all operations of the OpenAPI document share.

use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::http::authorisation::table::{Key, Rule, find};
use crate::http::problem::Document;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Albatross",
        description = "The API of one virtual airline. Errors are problem documents (RFC 9457). Writes answer the entity with its version as ETag and the log position as Albatross-Position; a read that carries this position waits until it is visible.",
        license(name = "AGPL-3.0-only", identifier = "AGPL-3.0-only"),
    ),
    components(schemas(Document)),
    tags(
        (name = "airline", description = "The airline itself"),
        (name = "auth", description = "Logging in and out"),
        (name = "me", description = "The caller"),
        (name = "users", description = "People, machines and their roles"),
        (name = "keys", description = "API keys"),
        (name = "pireps", description = "Pilot reports"),
        (name = "review", description = "Decisions of staff"),
        (name = "catalogue", description = "What the airline flies with, and where to"),
        (name = "live", description = "What happens now"),
    ),
)]
struct Base;

/// The document without its operations.
pub fn base() -> utoipa::openapi::OpenApi {
    let mut api = Base::openapi();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "albatross",
            "The session cookie; `__Host-albatross` over TLS",
        ))),
    );
    components.add_security_scheme(
        "apiKey",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key",
            "An API key",
        ))),
    );
    components.add_security_scheme(
        "bearer",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("An API key"))
                .build(),
        ),
    );
    api
}

/// Adds to each operation what the table of rights says of it, and the problems that it may answer.
pub fn complete(api: utoipa::openapi::OpenApi) -> Value {
    // A document of texts and lists always has a JSON form.
    let mut api = serde_json::to_value(api).unwrap_or_default();
    api["components"]["responses"] = json!({
        "Problem": {
            "description": "A problem",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        }
    });
    let schemas = api["components"]["schemas"].clone();
    if let Some(paths) = api["paths"].as_object_mut() {
        for (path, item) in paths {
            let operations = item.as_object_mut().into_iter().flatten();
            for (method, operation) in operations {
                if let Some(rule) = find(&method.to_uppercase(), path) {
                    describe(operation, path, rule);
                    relax_body(operation, &schemas);
                }
            }
        }
    }
    require_members(&mut api);
    api
}

fn describe(operation: &mut Value, path: &str, rule: &Rule) {
    operation["security"] = security(rule);
    let scope = match rule.key {
        Key::Scope(scope) => Some(format!("Scope of a key: `{scope}`.")),
        Key::Flight(scope) => Some(format!(
            "Scope of a key: `{scope}`. A key that began this flight serves it for 24 hours after it has expired."
        )),
        Key::Any | Key::Never => None,
    };
    if let Some(scope) = scope {
        let about = operation["description"].as_str().unwrap_or_default();
        operation["description"] = format!("{about}\n\n{scope}").trim().into();
    }
    let mut statuses = vec!["429", "500", "503"];
    if !rule.is_public() {
        statuses.extend(["401", "403"]);
    }
    if path.contains('{') {
        statuses.push("404");
    }
    if operation.get("requestBody").is_some() {
        statuses.extend(["400", "403", "409", "413", "415", "422"]);
    }
    if operation["parameters"]
        .as_array()
        .is_some_and(|parameters| {
            parameters
                .iter()
                .any(|it| it["name"] == "If-Match" && it["required"] == true)
        })
    {
        statuses.extend(["412", "428"]);
    }
    if operation["tags"][0] == "auth" {
        statuses.push("401");
    }
    for status in statuses {
        operation["responses"][status] = json!({"$ref": "#/components/responses/Problem"});
    }
    operation["responses"]["default"] = json!({"$ref": "#/components/responses/Problem"});
}

/// No body reads as `{}`: where no member is required, neither is the body.
fn relax_body(operation: &mut Value, schemas: &Value) {
    let Some(body) = operation.get_mut("requestBody") else {
        return;
    };
    let schema = &body["content"]["application/json"]["schema"]["$ref"];
    let name = schema.as_str().and_then(|it| it.rsplit('/').next());
    let required = &schemas[name.unwrap_or_default()]["required"];
    body["required"] = required.is_array().into();
}

fn security(rule: &Rule) -> Value {
    let session = json!({"session": []});
    let keys = [json!({"apiKey": []}), json!({"bearer": []})];
    let mut ways = Vec::new();
    if rule.is_public() {
        ways.push(json!({}));
    }
    ways.push(session);
    if rule.key != Key::Never {
        ways.extend(keys);
    }
    ways.into()
}

/// Entities are answered whole: what may be null is there all the same.
fn require_members(api: &mut Value) {
    const ANSWERS: [&str; 33] = [
        "Aircraft",
        "AircraftPage",
        "Airline",
        "ApiKey",
        "ApiKeyList",
        "ActorRef",
        "BatchStored",
        "Bid",
        "BidList",
        "Decision",
        "DryRun",
        "DryRunCounts",
        "DryRunFlight",
        "FieldChange",
        "Finding",
        "History",
        "HistoryEntry",
        "Me",
        "PersonRef",
        "Pirep",
        "PirepFieldList",
        "PirepPage",
        "RankList",
        "Review",
        "ReviewRules",
        "ScheduledFlight",
        "ScheduledFlightPage",
        "SessionInfo",
        "Source",
        "TenantInfo",
        "TrackSummary",
        "User",
        "UserPage",
    ];
    for name in ANSWERS {
        let schema = &mut api["components"]["schemas"][name];
        let names: Vec<Value> = schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys().cloned().map(Value::from))
            .collect();
        schema["required"] = names.into();
    }
}
