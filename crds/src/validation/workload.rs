//! The pods of one kind.

use crate::tenant::Resources;

/// How many pods, and what each may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    pub replicas: i32,
    /// None: the operator's default.
    pub resources: Option<Resources>,
}
