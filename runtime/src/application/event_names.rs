//! Names of persisted event types, as the feed's consumers see them.

use std::collections::HashMap;
use std::sync::LazyLock;

use albatross_proto::v1::EventKind;

static NAMES: LazyLock<HashMap<i16, String>> = LazyLock::new(|| {
    let kinds = (0..1_000).filter_map(|number| {
        let kind = EventKind::try_from(i32::from(number)).ok()?;
        let name = kind.as_str_name().strip_prefix("EVENT_KIND_")?;
        Some((number, name.split('_').map(capitalised).collect()))
    });
    kinds.collect()
});

/// Aggregate and name of a persisted type id: `("Pirep", "PirepSubmitted")`.
pub fn event_name(kind: i16) -> Option<(&'static str, &'static str)> {
    let aggregate = match kind / 100 {
        1 => "Tenant",
        2 => "User",
        3 => "Pirep",
        4 => "Aircraft",
        5 => "ScheduledFlight",
        6 => "Bid",
        _ => return None,
    };
    Some((aggregate, NAMES.get(&kind)?))
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    format!("{first}{}", rest.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_domain() {
        let submitted = EventKind::PirepSubmitted as i16;
        assert_eq!(event_name(submitted), Some(("Pirep", "PirepSubmitted")));
        let applied = EventKind::DesiredStateApplied as i16;
        assert_eq!(event_name(applied), Some(("Tenant", "DesiredStateApplied")));
        let issued = EventKind::LoginLinkIssued as i16;
        assert_eq!(event_name(issued), Some(("User", "LoginLinkIssued")));
        assert_eq!(event_name(0), None);
        assert_eq!(event_name(399), None);
    }
}
