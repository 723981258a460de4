//! Events about an ApiKey.

use albatross_crds::ApiKey;
use kube::Resource;
use kube::runtime::events::{Event, EventType};

use crate::context::Context;

/// Tells people; that it cannot be told stops nothing.
pub async fn tell(
    owner: &ApiKey,
    (type_, reason, action): (EventType, &str, &str),
    note: &str,
    ctx: &Context,
) {
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note.chars().take(1000).collect()),
        action: action.to_owned(),
        secondary: None,
    };
    if let Err(cause) = ctx.events.publish(&event, &owner.object_ref(&())).await {
        tracing::warn!(%cause, "event not written");
    }
}
