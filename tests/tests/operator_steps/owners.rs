//! Whom the Tenant names as an owner, a user or a group, may look after the airline's namespace for as long as it does.

use albatross_tests::platform::Platform;
use albatross_tests::wait::until;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

/// Whether the API server would let this user, a member of `groups`, read the admins' links of a tenant.
pub async fn may_read_links(
    platform: &Platform,
    user: &str,
    groups: &[&str],
    namespace: &str,
) -> bool {
    let groups = groups.iter().map(|group| (*group).to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(groups.collect()),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                verb: Some("get".to_owned()),
                resource: Some("secrets".to_owned()),
                name: Some("albatross-admin-links".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(platform.client.clone());
    let answer = api.create(&PostParams::default(), &review).await.unwrap();
    answer.status.unwrap().allowed
}

const DEPLOYER: &str = "system:serviceaccount:airline-clients:deployer";
/// Who might be let in, with their groups. Two of them are named like somebody of the other kind.
const PEOPLE: [(&str, &[&str]); 5] = [
    ("ada", &[]),
    ("grace", &["ops"]),
    ("ops", &[]),
    ("joan", &["ada"]),
    (DEPLOYER, &[]),
];

#[tokio::test]
async fn an_owner_of_each_kind_is_let_in_until_it_is_taken_off_the_list() {
    let platform = Platform::new().await;
    let operator = platform.operator().await;
    platform.airline("owned", json!({})).await;
    let owner = |kind: &str, name: &str| json!({"kind": kind, "name": name});
    let cases: [(Vec<Value>, [bool; 5]); 4] = [
        (
            vec![
                owner("User", "ada"),
                owner("Group", "ops"),
                owner("User", DEPLOYER),
            ],
            [true, true, false, false, true],
        ),
        (
            vec![owner("Group", "ada"), owner("User", "ops")],
            [false, false, true, true, false],
        ),
        (
            vec![owner("User", "ada")],
            [true, false, false, false, false],
        ),
        (vec![], [false; 5]),
    ];
    for (owners, expected) in cases {
        platform.change("owned", json!({"owners": owners})).await;
        platform.ready("owned").await;
        for ((user, groups), expected) in PEOPLE.into_iter().zip(expected) {
            let what = format!("{user} of {groups:?} is let in, {expected}, by {owners:?}");
            // The API server takes a moment to learn of a binding.
            until(&what, async || {
                may_read_links(&platform, user, groups, "albatross-owned").await == expected
            })
            .await;
        }
    }
    platform.remove("owned").await;
    operator.stop().await;
}
