//! Small HTML pages without any script: the API's reference and the explanations of problems.

use std::fmt::Write as _;

use serde_json::Value;

use crate::http::problem::kind::{ALL, Kind};

/// The style sheet of these pages.
pub const STYLE: &str = include_str!("style.css");

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The reference of all operations, from the OpenAPI document.
pub fn reference(api: &Value) -> String {
    let mut body = String::new();
    let title = text(&api["info"]["title"]);
    let about = text(&api["info"]["description"]);
    body.push_str(&format!(
        "<h1>{title}</h1><p>{about}</p><p><a href=\"/api/openapi.json\">OpenAPI document</a></p>"
    ));
    for (path, item) in members(&api["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                body.push_str(&operation_html(api, method, path, operation));
            }
        }
    }
    body.push_str("<h2>Schemas</h2>");
    for (name, schema) in members(&api["components"]["schemas"]) {
        let name = escape(name);
        let _ = write!(
            body,
            "<details id=\"schema-{name}\"><summary><code>{name}</code></summary>{}</details>",
            schema_html(schema)
        );
    }
    body.push_str("<h2 id=\"problems\">Problems</h2><ul>");
    for kind in ALL {
        let _ = write!(
            body,
            "<li><a href=\"/problems/{}\">{}</a> {}</li>",
            kind.code,
            kind.status.as_u16(),
            escape(kind.title)
        );
    }
    body.push_str("</ul>");
    page(&title, &body)
}

/// The page behind a problem's `type`.
pub fn problem(kind: &Kind) -> String {
    let title = escape(kind.title);
    let body = format!(
        "<h1>{title}</h1><p>Status {}, code <code>{}</code></p><p>{}</p><p><a href=\"/api/docs\">All of the API</a></p>",
        kind.status.as_u16(),
        kind.code,
        escape(kind.explanation)
    );
    page(&title, &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/api/docs/style.css\"></head><body><main>{body}</main></body></html>"
    )
}

fn operation_html(api: &Value, method: &str, path: &str, operation: &Value) -> String {
    let mut html = format!(
        "<details id=\"{}\"><summary><b class=\"{method}\">{}</b> <code>{}</code> {}</summary><p>{}</p>",
        text(&operation["operationId"]),
        method.to_uppercase(),
        escape(path),
        text(&operation["summary"]),
        text(&operation["description"]),
    );
    if let Some(parameters) = operation["parameters"].as_array() {
        html.push_str("<h3>Parameters</h3><ul>");
        for parameter in parameters.iter().map(|it| resolved(api, it)) {
            let required = if parameter["required"] == true {
                ", required"
            } else {
                ""
            };
            let _ = write!(
                html,
                "<li><code>{}</code> ({}{required}) {}</li>",
                text(&parameter["name"]),
                text(&parameter["in"]),
                text(&parameter["description"])
            );
        }
        html.push_str("</ul>");
    }
    if let Some(body) = operation.get("requestBody") {
        html.push_str("<h3>Body</h3>");
        for (_, content) in members(&body["content"]) {
            html.push_str(&schema_html(&content["schema"]));
        }
    }
    html.push_str("<h3>Answers</h3><ul>");
    for (status, response) in members(&operation["responses"]) {
        let response = resolved(api, response);
        let _ = write!(
            html,
            "<li>{} {}",
            escape(status),
            text(&response["description"])
        );
        for (_, content) in members(&response["content"]) {
            if let Some(name) = reference_name(&content["schema"]) {
                let _ = write!(html, " {}", link(name));
            }
        }
        html.push_str("</li>");
    }
    html.push_str("</ul></details>");
    html
}

fn schema_html(schema: &Value) -> String {
    if let Some(name) = reference_name(schema) {
        return link(name);
    }
    let linked = pretty(schema);
    format!("<pre>{}</pre>", escape(&linked))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn link(name: &str) -> String {
    let name = escape(name);
    format!("<a href=\"#schema-{name}\"><code>{name}</code></a>")
}

fn reference_name(schema: &Value) -> Option<&str> {
    schema["$ref"]
        .as_str()?
        .strip_prefix("#/components/schemas/")
}

fn resolved<'a>(api: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"]
        .as_str()
        .and_then(|reference| api.pointer(reference.trim_start_matches('#')))
        .unwrap_or(value)
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
