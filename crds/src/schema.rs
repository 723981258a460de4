//! Hand-written pieces of the OpenAPI schema: bounded versions of types that come from Kubernetes.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A DNS label (RFC 1123): the names of namespaces, Secrets' keys and configured servers.
pub const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// A DNS name (RFC 1123): host names and the names of most Kubernetes objects.
pub const DNS_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// The outline of an e-mail address; validation in code looks closer.
pub const EMAIL: &str = r"^[^@\s]+@[^@\s]+$";
/// Text that neither begins nor ends with white space.
pub const TRIMMED: &str = r"^\S(.*\S)?$";
/// A UUID (RFC 9562) in lower case.
pub const UUID: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
/// A version (semver.org) without build metadata.
pub const SEMVER: &str = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$";

const LABEL_KEY: u32 = 317;
const LABEL_VALUE: u32 = 63;

/// A Kubernetes quantity, written as text (`500m`, `256Mi`) or as a whole number.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "maxLength": 32,
        "pattern": r"^\+?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$",
        "x-kubernetes-int-or-string": true,
    })
}

/// An instant (RFC 3339).
pub fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A label selector with the meaning of `metav1.LabelSelector`.
pub fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must all be there with exactly these values.",
                "type": "object",
                "maxProperties": 16,
                "additionalProperties": {"type": "string", "maxLength": LABEL_VALUE},
            },
            "matchExpressions": {
                "description": "Requirements that must all hold.",
                "type": "array",
                "maxItems": 16,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": {
                            "description": "Name of the label.",
                            "type": "string", "minLength": 1, "maxLength": LABEL_KEY,
                        },
                        "operator": {
                            "description": "How the label is compared: In, NotIn, Exists or DoesNotExist.",
                            "type": "string",
                            "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values to compare with: at least one for In and NotIn, none otherwise.",
                            "type": "array",
                            "maxItems": 32,
                            "x-kubernetes-list-type": "atomic",
                            "items": {"type": "string", "maxLength": LABEL_VALUE},
                        },
                    },
                },
            },
        },
    })
}

/// Annotations for an object that is made from the resource.
pub fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {"type": "string", "maxLength": 4096},
    })
}

/// A list of `metav1.Condition`, one per type.
pub fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "description": "What the condition is about, e.g. Ready.",
                    "type": "string", "maxLength": 316,
                    "pattern": "^[A-Za-z][A-Za-z0-9]*$",
                },
                "status": {
                    "description": "Whether it holds: True, False or Unknown.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": "Why, as one word out of a closed list.",
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z][A-Za-z0-9]*$",
                },
                "message": {
                    "description": "Why, for people.",
                    "type": "string", "maxLength": 32768,
                },
                "observedGeneration": {
                    "description": "The metadata.generation that the condition speaks about.",
                    "type": "integer", "format": "int64",
                },
                "lastTransitionTime": {
                    "description": "When status last changed.",
                    "type": "string", "format": "date-time",
                },
            },
        },
    })
}
