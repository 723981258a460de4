//! What stands beside a log and follows from its events alone: who owns which address, who may do what.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::application::auth::principal::Principal;
use crate::application::events::{DecodedEvent, ReadError, decode_recorded};
use crate::application::secrets::Pepper;
use crate::codec::{KeyRing, TenantKey};
use crate::domain::actor::RecordedActor;
use crate::domain::aggregate::Aggregate;
use crate::domain::catalogue::{Aircraft, Details, Item, ItemEvent, ScheduledFlight};
use crate::domain::event::DomainEvent;
use crate::domain::ids::{TenantId, UserId};
use crate::domain::personal::Personal;
use crate::domain::roles::Role;
use crate::domain::user::{User, UserEvent, UserStatus};
use crate::ports::credentials::Credential;
use crate::ports::event_store::{RecordedEvent, SubjectKey};

/// Reads a log that comes from elsewhere, before it is taken over.
pub struct Derivation {
    tenant: TenantId,
    tenant_key: TenantKey,
    pepper: Pepper,
    keys: KeyRing,
    users: BTreeMap<UserId, User>,
    aircraft: BTreeMap<Uuid, Item<Aircraft>>,
    schedule: BTreeMap<Uuid, Item<ScheduledFlight>>,
    /// How long each stream is.
    streams: HashMap<Uuid, i32>,
}

/// What is written beside the log.
pub struct Derived {
    /// Unique facts and their owners.
    pub claims: Vec<(Vec<u8>, Uuid)>,
    pub credentials: Vec<Credential>,
    /// Whose texts no key opens, and whom the log does not erase: they were erased after what was read of it.
    pub erased: Vec<UserId>,
}

/// Why a log is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum DerivationError {
    #[error("it is the log of tenant {found}, not of {expected}")]
    OtherTenant { found: Uuid, expected: TenantId },
    #[error("its people's keys were wrapped by another tenant key: nobody's data could be read")]
    OtherKey,
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    #[error("event at position {position}: version {found} of its stream follows {before}")]
    Version {
        position: i64,
        found: i32,
        before: i32,
    },
    #[error(
        "event at position {position}: the role PlatformAdmin comes from the operator or the command line only"
    )]
    PlatformAdmin { position: i64 },
    #[error("users {0} and {1} have the same e-mail address")]
    SameAddress(UserId, UserId),
    #[error("{0} and {1} of the catalogue are the same, and neither is archived")]
    SameItem(Uuid, Uuid),
}

impl Derivation {
    /// The tenant's id and its secrets.
    pub fn new(tenant: TenantId, tenant_key: &[u8; 32], pepper: [u8; 32]) -> Self {
        Self {
            tenant,
            tenant_key: TenantKey::new(tenant_key),
            pepper: Pepper::new(pepper),
            keys: KeyRing::default(),
            users: BTreeMap::new(),
            aircraft: BTreeMap::new(),
            schedule: BTreeMap::new(),
            streams: HashMap::new(),
        }
    }

    /// A commit, with the keys of the people who appear in it.
    ///
    /// # Errors
    /// When it is another tenant's, cannot be read by this release, or breaks a rule that every log keeps.
    pub fn commit(
        &mut self,
        events: &[RecordedEvent],
        keys: &[SubjectKey],
    ) -> Result<(), DerivationError> {
        for key in keys {
            let subject = UserId(key.subject);
            let opened = self.tenant_key.unwrap(subject, &key.wrapped);
            let opened = opened.map_err(|_| DerivationError::OtherKey)?;
            self.keys.insert(subject, Arc::new(opened));
        }
        for recorded in events {
            self.count(recorded)?;
            let (event, _) = decode_recorded(recorded, &self.keys)?;
            self.event(event)?;
        }
        Ok(())
    }

    /// # Errors
    /// When two people have the same address, or two things of the catalogue are the same.
    pub fn finish(self, now: Timestamp) -> Result<Derived, DerivationError> {
        let mut owners: HashMap<Vec<u8>, UserId> = HashMap::new();
        let mut credentials = Vec::with_capacity(self.users.len());
        let mut erased = Vec::new();
        for (id, user) in &self.users {
            credentials.push(Principal::of(user).row(*id, None, now));
            if user.display_name == Personal::Erased && user.status != UserStatus::Erased {
                erased.push(*id);
            }
            let Some(Personal::Known(email)) = &user.email else {
                continue;
            };
            let claim = self.pepper.email_claim(email);
            if let Some(other) = owners.insert(claim, *id) {
                return Err(DerivationError::SameAddress(other, *id));
            }
        }
        let claims = owners.into_iter().map(|(claim, owner)| (claim, owner.0));
        let mut claims: Vec<_> = claims.collect();
        claims.extend(claims_of(&self.aircraft)?);
        claims.extend(claims_of(&self.schedule)?);
        Ok(Derived {
            claims,
            credentials,
            erased,
        })
    }

    fn count(&mut self, event: &RecordedEvent) -> Result<(), DerivationError> {
        let (position, found) = (event.position, event.version);
        let length = self.streams.entry(event.stream_id).or_default();
        let before = *length;
        if found.checked_sub(1) != Some(before) {
            return Err(DerivationError::Version {
                position,
                found,
                before,
            });
        }
        *length = found;
        Ok(())
    }

    fn event(&mut self, envelope: DecodedEvent) -> Result<(), DerivationError> {
        let found = envelope.stream_id;
        match &envelope.event {
            DomainEvent::Tenant(_) if found != self.tenant.0 => {
                return Err(DerivationError::OtherTenant {
                    found,
                    expected: self.tenant,
                });
            }
            DomainEvent::User(event) => {
                if grants_platform_admin(event) && !is_hosts(&envelope.who()) {
                    let position = envelope.position;
                    return Err(DerivationError::PlatformAdmin { position });
                }
                let id = UserId(envelope.stream_id);
                let before = self.users.remove(&id);
                let after = User::evolve(before, event, envelope.recorded_at);
                self.users.extend(after.map(|user| (id, user)));
            }
            DomainEvent::Aircraft(event) => evolve(&mut self.aircraft, &envelope, event),
            DomainEvent::ScheduledFlight(event) => evolve(&mut self.schedule, &envelope, event),
            DomainEvent::Tenant(_) | DomainEvent::Pirep(_) | DomainEvent::Bid(_) => {}
        }
        Ok(())
    }
}

fn evolve<D: Details>(
    items: &mut BTreeMap<Uuid, Item<D>>,
    envelope: &DecodedEvent,
    event: &ItemEvent<D>,
) {
    let id = envelope.stream_id;
    let after = Item::evolve(items.remove(&id), event, envelope.recorded_at);
    items.extend(after.map(|item| (id, item)));
}

fn claims_of<D: Details>(
    items: &BTreeMap<Uuid, Item<D>>,
) -> Result<HashMap<Vec<u8>, Uuid>, DerivationError> {
    let mut claims = HashMap::new();
    for (id, item) in items {
        let Some(claim) = item.claim() else { continue };
        if let Some(other) = claims.insert(claim, *id) {
            return Err(DerivationError::SameItem(other, *id));
        }
    }
    Ok(claims)
}

fn grants_platform_admin(event: &UserEvent) -> bool {
    let roles = match event {
        UserEvent::Registered(registration) => &registration.roles,
        UserEvent::RolesChanged { roles } => roles,
        _ => return false,
    };
    roles.contains(Role::PlatformAdmin)
}

/// Comes from the hosting team itself.
fn is_hosts(actor: &RecordedActor) -> bool {
    matches!(actor, RecordedActor::Operator | RecordedActor::CommandLine)
}
