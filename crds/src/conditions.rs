//! Conditions of both resources: closed lists of types and reasons, and one way of setting them.

mod reason;

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

pub use reason::Reason;

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Everything is as declared and works.
    Ready,
    /// Work towards the declared state is under way (kstatus).
    Reconciling,
    /// Waiting will not help: someone has to change something (kstatus).
    Stalled,
    /// Database and roles exist and answer.
    DatabaseReady,
    /// Vhost and broker user exist and answer.
    BrokerReady,
    /// The cache user exists and answers.
    CacheReady,
    /// The database has the schema that the runtime needs.
    SchemaReady,
    /// Enough pods serve the airline.
    RuntimeAvailable,
    /// The runtime knows the declared admins.
    AdminsReady,
    /// The operator leaves the tenant alone.
    Suspended,
    /// The image that the operator is configured with has changed, and it is not this tenant's turn to be moved to it.
    UpgradePending,
    /// Deletion waits for something; the message names it.
    DeletionBlocked,
}

impl ConditionType {
    /// Every type there is.
    pub const ALL: [Self; 12] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::DatabaseReady,
        Self::BrokerReady,
        Self::CacheReady,
        Self::SchemaReady,
        Self::RuntimeAvailable,
        Self::AdminsReady,
        Self::Suspended,
        Self::UpgradePending,
        Self::DeletionBlocked,
    ];

    /// The name in `status.conditions[].type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::DatabaseReady => "DatabaseReady",
            Self::BrokerReady => "BrokerReady",
            Self::CacheReady => "CacheReady",
            Self::SchemaReady => "SchemaReady",
            Self::RuntimeAvailable => "RuntimeAvailable",
            Self::AdminsReady => "AdminsReady",
            Self::Suspended => "Suspended",
            Self::UpgradePending => "UpgradePending",
            Self::DeletionBlocked => "DeletionBlocked",
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// The value of `status.conditions[].status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionUpdate {
    pub condition: ConditionType,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
    /// The `metadata.generation` that was looked at.
    pub observed_generation: i64,
}

/// Sets one condition of `conditions`; `lastTransitionTime` becomes `now` only if the status changes.
/// Returns whether anything changed, so that an unchanged status is not written.
pub fn set(conditions: &mut Vec<Condition>, update: ConditionUpdate, now: Timestamp) -> bool {
    let mut next = Condition {
        type_: update.condition.as_str().to_owned(),
        status: update.status.as_str().to_owned(),
        reason: update.reason.as_str().to_owned(),
        message: update.message,
        observed_generation: Some(update.observed_generation),
        last_transition_time: Time(whole_seconds(now)),
    };
    let Some(current) = conditions.iter_mut().find(|c| c.type_ == next.type_) else {
        conditions.push(next);
        return true;
    };
    if current.status == next.status {
        next.last_transition_time = current.last_transition_time.clone();
    }
    let changed = *current != next;
    *current = next;
    changed
}

/// Takes a condition off the list; returns whether it was there.
pub fn remove(conditions: &mut Vec<Condition>, condition: ConditionType) -> bool {
    let before = conditions.len();
    conditions.retain(|c| c.type_ != condition.as_str());
    conditions.len() != before
}

/// The condition of that type, if it is there.
pub fn find(conditions: &[Condition], condition: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == condition.as_str())
}

/// Whether the condition is there and True.
pub fn is_true(conditions: &[Condition], condition: ConditionType) -> bool {
    find(conditions, condition).is_some_and(|c| c.status == ConditionStatus::True.as_str())
}

/// What keeps all of a tenant from being carried out. A part that stalls, which says the same reason, keeps nothing else; of
/// those only its exposure has no condition of its own.
pub fn refusal(conditions: &[Condition]) -> Option<&Condition> {
    const WHOLE: [ConditionType; 3] = [
        ConditionType::Ready,
        ConditionType::Reconciling,
        ConditionType::Stalled,
    ];
    let stalled = find(conditions, ConditionType::Stalled);
    let stalled = stalled.filter(|it| it.status == ConditionStatus::True.as_str())?;
    let is_whole = |it: &Condition| WHOLE.iter().any(|whole| whole.as_str() == it.type_);
    let of_part = |it: &Condition| !is_whole(it) && it.reason == stalled.reason;
    let exposure = Reason::GatewayApiMissing.as_str();
    let is_of_part = stalled.reason == exposure || conditions.iter().any(of_part);
    (!is_of_part).then_some(stalled)
}

/// Kubernetes stores seconds: a finer time would differ from what is read back.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(status: ConditionStatus, reason: Reason, generation: i64) -> ConditionUpdate {
        ConditionUpdate {
            condition: ConditionType::Ready,
            status,
            reason,
            message: String::new(),
            observed_generation: generation,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second, 123_456_789).unwrap()
    }

    #[test]
    fn a_part_that_stalls_refuses_nothing_else() {
        let because = |condition, status, reason| ConditionUpdate {
            condition,
            status,
            ..ready(ConditionStatus::False, reason, 1)
        };
        let refused_for = |reason, part| {
            let mut conditions = Vec::new();
            for update in [
                because(ConditionType::Ready, ConditionStatus::False, reason),
                because(ConditionType::Stalled, ConditionStatus::True, reason),
                because(ConditionType::DatabaseReady, ConditionStatus::False, part),
            ] {
                set(&mut conditions, update, at(10));
            }
            refusal(&conditions).map(|it| it.reason.clone())
        };
        let (conflict, untouched) = (Reason::ResourceConflict, Reason::Reconciling);
        assert_eq!(refused_for(conflict, conflict), None);
        let whole = Some(conflict.as_str().to_owned());
        assert_eq!(refused_for(conflict, untouched), whole);
        assert_eq!(refused_for(Reason::GatewayApiMissing, untouched), None);
        assert_eq!(refusal(&[]).map(|it| &it.reason), None);
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        let update = ready(ConditionStatus::Unknown, Reason::Reconciling, 1);
        assert!(set(&mut conditions, update.clone(), at(10)));
        assert!(!set(&mut conditions, update, at(20)));
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time.0.as_second(), 10);
    }

    #[test]
    fn another_reason_or_generation_keeps_the_transition_time() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::False, Reason::Provisioning, 1),
            at(10),
        );
        assert!(set(
            &mut conditions,
            ready(ConditionStatus::False, Reason::Migrating, 1),
            at(20)
        ));
        assert!(set(
            &mut conditions,
            ready(ConditionStatus::False, Reason::Migrating, 2),
            at(30)
        ));
        assert_eq!(conditions[0].last_transition_time.0.as_second(), 10);
        assert_eq!(conditions[0].reason, "Migrating");
        assert_eq!(conditions[0].observed_generation, Some(2));
    }

    #[test]
    fn another_status_is_a_transition_at_a_whole_second() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::False, Reason::Migrating, 1),
            at(10),
        );
        assert!(set(
            &mut conditions,
            ready(ConditionStatus::True, Reason::Available, 1),
            at(20)
        ));
        assert_eq!(
            conditions[0].last_transition_time.0,
            Timestamp::from_second(20).unwrap()
        );
        assert!(is_true(&conditions, ConditionType::Ready));
    }

    #[test]
    fn what_is_set_survives_a_round_trip_through_json() {
        let mut conditions = Vec::new();
        let update = ready(ConditionStatus::True, Reason::Available, 1);
        set(&mut conditions, update.clone(), at(10));
        let json = serde_json::to_string(&conditions).unwrap();
        let mut read: Vec<Condition> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, conditions);
        assert!(!set(&mut read, update, at(99)));
    }

    #[test]
    fn a_removed_condition_is_gone() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::True, Reason::Available, 1),
            at(10),
        );
        assert!(remove(&mut conditions, ConditionType::Ready));
        assert!(!remove(&mut conditions, ConditionType::Ready));
        assert!(find(&conditions, ConditionType::Ready).is_none());
    }

    #[test]
    fn types_and_reasons_are_words_that_the_schema_accepts() {
        let word = regex::Regex::new("^[A-Za-z][A-Za-z0-9]*$").unwrap();
        let types = ConditionType::ALL
            .iter()
            .map(|c| (c.as_str(), format!("{c:?}")));
        let reasons = Reason::ALL.iter().map(|r| (r.as_str(), format!("{r:?}")));
        for (name, variant) in types.chain(reasons) {
            assert_eq!(name, variant);
            assert!(word.is_match(name));
        }
    }
}
