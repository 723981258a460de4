//! Tenant events as stored.

use albatross_proto::v1::{self as wire, EventKind};
use prost::Message;

use crate::codec::error::DecodeError;
use crate::codec::review;
use crate::domain::catalogue::{FieldKind, PirepField, Rank};
use crate::domain::tenant::{Limits, Profile, RegistrationPolicy, Settings, TenantEvent};

pub fn encode(event: &TenantEvent) -> (EventKind, Vec<u8>) {
    match event {
        TenantEvent::Created { name, profile } => (
            EventKind::TenantCreated,
            wire::TenantCreated {
                name: name.clone(),
                profile: Some(profile_to_wire(profile)),
            }
            .encode_to_vec(),
        ),
        TenantEvent::Changed { profile } => (
            EventKind::TenantChanged,
            wire::TenantChanged {
                profile: Some(profile_to_wire(profile)),
            }
            .encode_to_vec(),
        ),
        TenantEvent::DesiredStateApplied { number } => (
            EventKind::DesiredStateApplied,
            wire::DesiredStateApplied { number: *number }.encode_to_vec(),
        ),
        TenantEvent::SettingsChanged(settings) => (
            EventKind::SettingsChanged,
            wire::SettingsChanged {
                self_review: settings.self_review,
                accent_color: settings.accent_color.clone(),
                registration: registration_to_wire(settings.registration).into(),
            }
            .encode_to_vec(),
        ),
        TenantEvent::RulesChanged(rules) => (
            EventKind::RulesChanged,
            review::rules_to_wire(rules).encode_to_vec(),
        ),
        TenantEvent::RanksChanged(ranks) => {
            let ranks = ranks.iter().map(|rank| wire::Rank {
                name: rank.name.clone(),
                min_hours: rank.min_hours,
            });
            let ranks = ranks.collect();
            let message = wire::RanksChanged { ranks };
            (EventKind::RanksChanged, message.encode_to_vec())
        }
        TenantEvent::PirepFieldsChanged(fields) => {
            let fields = fields.iter().map(field_to_wire).collect();
            let message = wire::PirepFieldsChanged { fields };
            (EventKind::PirepFieldsChanged, message.encode_to_vec())
        }
    }
}

pub fn decode(kind: EventKind, payload: &[u8]) -> Result<TenantEvent, DecodeError> {
    Ok(match kind {
        EventKind::TenantCreated => {
            let message = wire::TenantCreated::decode(payload)?;
            TenantEvent::Created {
                name: message.name,
                profile: profile(message.profile)?,
            }
        }
        EventKind::TenantChanged => TenantEvent::Changed {
            profile: profile(wire::TenantChanged::decode(payload)?.profile)?,
        },
        EventKind::DesiredStateApplied => TenantEvent::DesiredStateApplied {
            number: wire::DesiredStateApplied::decode(payload)?.number,
        },
        EventKind::SettingsChanged => {
            let message = wire::SettingsChanged::decode(payload)?;
            let registration = wire::RegistrationPolicy::try_from(message.registration);
            let registration = registration.map_err(|_| DecodeError::Invalid("registration"))?;
            TenantEvent::SettingsChanged(Settings {
                registration: self::registration(registration),
                self_review: message.self_review,
                accent_color: message.accent_color,
            })
        }
        EventKind::RulesChanged => {
            TenantEvent::RulesChanged(review::rules(wire::RulesChanged::decode(payload)?)?)
        }
        EventKind::RanksChanged => {
            let ranks = wire::RanksChanged::decode(payload)?.ranks;
            let ranks = ranks.into_iter().map(|rank| Rank {
                name: rank.name,
                min_hours: rank.min_hours,
            });
            TenantEvent::RanksChanged(ranks.collect())
        }
        EventKind::PirepFieldsChanged => {
            let fields = wire::PirepFieldsChanged::decode(payload)?.fields;
            let fields = fields.into_iter().map(field);
            TenantEvent::PirepFieldsChanged(fields.collect::<Result<_, _>>()?)
        }
        other => return Err(DecodeError::UnknownKind(other as i16)),
    })
}

fn profile_to_wire(profile: &Profile) -> wire::TenantProfile {
    wire::TenantProfile {
        display_name: profile.display_name.clone(),
        icao_code: profile.icao_code.clone(),
        public_url: profile.public_url.clone(),
        max_pilots: profile.limits.pilots,
        max_pireps_per_day: profile.limits.pireps_per_day,
        max_storage_bytes: profile.limits.storage_bytes,
    }
}

fn profile(message: Option<wire::TenantProfile>) -> Result<Profile, DecodeError> {
    let message = message.ok_or(DecodeError::Missing("profile"))?;
    Ok(Profile {
        display_name: message.display_name,
        icao_code: message.icao_code,
        public_url: message.public_url,
        limits: Limits {
            pilots: message.max_pilots,
            pireps_per_day: message.max_pireps_per_day,
            storage_bytes: message.max_storage_bytes,
        },
    })
}

fn registration_to_wire(policy: RegistrationPolicy) -> wire::RegistrationPolicy {
    match policy {
        RegistrationPolicy::Open => wire::RegistrationPolicy::Open,
        RegistrationPolicy::Approval => wire::RegistrationPolicy::Approval,
        RegistrationPolicy::InviteOnly => wire::RegistrationPolicy::InviteOnly,
    }
}

fn registration(policy: wire::RegistrationPolicy) -> RegistrationPolicy {
    match policy {
        wire::RegistrationPolicy::Open => RegistrationPolicy::Open,
        wire::RegistrationPolicy::Approval => RegistrationPolicy::Approval,
        wire::RegistrationPolicy::InviteOnly => RegistrationPolicy::InviteOnly,
    }
}

fn field_to_wire(field: &PirepField) -> wire::PirepField {
    let kind = match field.kind {
        FieldKind::Text => wire::FieldKind::Text,
        FieldKind::Number => wire::FieldKind::Number,
        FieldKind::Flag => wire::FieldKind::Flag,
        FieldKind::Choice => wire::FieldKind::Choice,
    };
    wire::PirepField {
        key: field.key.clone(),
        label: field.label.clone(),
        kind: kind.into(),
        choices: field.choices.clone(),
        required: field.required,
    }
}

fn field(message: wire::PirepField) -> Result<PirepField, DecodeError> {
    let kind = match message.kind() {
        wire::FieldKind::Text => FieldKind::Text,
        wire::FieldKind::Number => FieldKind::Number,
        wire::FieldKind::Flag => FieldKind::Flag,
        wire::FieldKind::Choice => FieldKind::Choice,
        wire::FieldKind::Unspecified => return Err(DecodeError::Invalid("kind")),
    };
    Ok(PirepField {
        key: message.key,
        label: message.label,
        kind,
        choices: message.choices,
        required: message.required,
    })
}
