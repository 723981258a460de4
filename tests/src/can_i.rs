//! Asks an API server what somebody may do.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

/// Whether this client may; the question is `verb resource.group/subresource namespace name`, a dash for what does not
/// matter.
///
/// # Panics
/// When the server does not say, or it is no such question.
pub async fn may(client: &Client, question: &str) -> bool {
    let words: Vec<&str> = question.split(' ').collect();
    let [verb, resource, namespace, name] = words[..] else {
        panic!("{question}");
    };
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let set = |word: &str| (word != "-").then(|| word.to_owned());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: set(verb),
                resource: set(resource),
                group: Some(group.to_owned()),
                subresource: Some(subresource.to_owned()),
                namespace: set(namespace),
                name: set(name),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    Api::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .expect("an answer")
        .status
        .expect("a verdict")
        .allowed
}
