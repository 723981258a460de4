//! What the chart's admission policies say when they refuse: a test asks for each.

use std::collections::BTreeSet;

use crate::render;

pub const UNMANAGED: &str =
    "the operator binds roles only in namespaces labelled albatross.aero/managed=true";
pub const OTHER_ROLE: &str = "the operator binds only the roles that the chart made for it";
pub const NOT_A_TENANTS: &str = "the operator's tenant role is for namespaces of tenants";
pub const NOT_ITS_OWN: &str = "the operator writes only to namespaces that it made for a tenant";
pub const PROTECTED: &str = "the tenant is protected; set spec.deletionProtection to false first";
pub const DEFINITION: &str = "deleting this CRD deletes every airline; annotate it with albatross.aero/allow-deletion=true first";
pub const AN_AIRLINES: &str = "the namespace belongs to an airline; delete its Tenant, or annotate it with albatross.aero/allow-deletion=true";

const ALL: [&str; 7] = [
    UNMANAGED,
    OTHER_ROLE,
    NOT_A_TENANTS,
    NOT_ITS_OWN,
    PROTECTED,
    DEFINITION,
    AN_AIRLINES,
];

/// Whether a policy refused it, in these words.
pub fn denied<T>(result: &kube::Result<T>, why: &str) -> bool {
    let Err(kube::Error::Api(status)) = result else {
        return false;
    };
    status.code == 403
        && status.message.contains("ValidatingAdmissionPolicy")
        && status.message.contains(why)
}

/// A new one fails here until it has its test.
#[test]
fn every_refusal_of_the_policies_is_known() {
    let objects = render(&[]).unwrap();
    let rules = objects
        .iter()
        .filter_map(|object| object.data["spec"]["validations"].as_array())
        .flatten();
    let said: BTreeSet<&str> = rules.filter_map(|rule| rule["message"].as_str()).collect();
    assert_eq!(said, BTreeSet::from(ALL));
}
