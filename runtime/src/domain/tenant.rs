//! The airline itself: what it is called and how it is set up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::aggregate::{Aggregate, Context};
use crate::domain::catalogue::{PirepField, Rank, pirep_field, rank};
use crate::domain::ids::UserId;
use crate::domain::refusal::{Faults, Refusal};
use crate::domain::review::{self, Rule, Rules};
use crate::domain::text;

/// The state of the tenant's one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The name it was declared under: a DNS label.
    pub name: String,
    pub profile: Profile,
    pub settings: Settings,
    #[serde(default)]
    pub rules: Rules,
    /// In the order in which pilots rise.
    #[serde(default)]
    pub ranks: Vec<Rank>,
    /// Fields that its PIREPs hold beside the usual.
    #[serde(default)]
    pub pirep_fields: Vec<PirepField>,
    /// Number of the last desired state that was applied in full; 0 before the first.
    pub desired_number: u64,
    pub created_at: Timestamp,
}

/// What is declared about an airline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub display_name: String,
    /// ICAO airline designator: three letters.
    pub icao_code: String,
    /// Origin under which browsers reach it.
    pub public_url: String,
    #[serde(default)]
    pub limits: Limits,
}

/// What the airline may grow to; none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Most people with the role Pilot.
    pub pilots: Option<u32>,
    /// Most PIREPs that begin on a day (UTC).
    pub pireps_per_day: Option<u32>,
    /// Most bytes that the airline's data takes where it is stored.
    pub storage_bytes: Option<u64>,
}

/// What the airline's own staff decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Staff may decide PIREPs of their own.
    pub self_review: bool,
    /// `#rrggbb`, for the web page.
    pub accent_color: Option<String>,
    #[serde(default)]
    pub registration: RegistrationPolicy,
}

/// Who becomes a pilot without an admin's doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistrationPolicy {
    /// Whoever registers.
    #[default]
    Open,
    /// Whoever registers, once an admin has approved.
    Approval,
    /// Nobody.
    InviteOnly,
}

impl RegistrationPolicy {
    pub const ALL: [Self; 3] = [Self::Open, Self::Approval, Self::InviteOnly];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Approval => "Approval",
            Self::InviteOnly => "InviteOnly",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantCommand {
    /// Creates the tenant, or changes what is declared about it.
    Declare {
        name: String,
        profile: Profile,
    },
    /// Notes that everything in this desired state has been applied. The number only rises.
    RecordDesired {
        number: u64,
    },
    ChangeSettings(Settings),
    /// Only if the rules are still at this version.
    ChangeRules {
        rules: Vec<Rule>,
        seen: i32,
    },
    /// Replaces them all.
    ChangeRanks(Vec<Rank>),
    /// Replaces them all. Reports keep the values of those that are gone.
    ChangePirepFields(Vec<PirepField>),
}

/// Code of the refusal of a command that has not seen the rules that stand.
pub const STALE_RULES: &str = "stale-rules";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantEvent {
    Created { name: String, profile: Profile },
    Changed { profile: Profile },
    DesiredStateApplied { number: u64 },
    SettingsChanged(Settings),
    RulesChanged(Rules),
    RanksChanged(Vec<Rank>),
    PirepFieldsChanged(Vec<PirepField>),
}

impl TenantEvent {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "TenantCreated",
            Self::Changed { .. } => "TenantChanged",
            Self::DesiredStateApplied { .. } => "DesiredStateApplied",
            Self::SettingsChanged(_) => "SettingsChanged",
            Self::RulesChanged(_) => "RulesChanged",
            Self::RanksChanged(_) => "RanksChanged",
            Self::PirepFieldsChanged(_) => "PirepFieldsChanged",
        }
    }
}

impl Tenant {
    /// Whether a desired state of this number may still be applied.
    ///
    /// # Errors
    /// When a later one has been applied already.
    pub fn accepts_desired(&self, number: u64) -> Result<(), Refusal> {
        if number >= self.desired_number {
            return Ok(());
        }
        Err(Refusal::conflict(
            "desired-state-outdated",
            format!(
                "Desired state {} has been applied; {number} is older.",
                self.desired_number
            ),
        ))
    }
}

impl Aggregate for Tenant {
    type Command = TenantCommand;
    type Event = TenantEvent;
    type Facts = ();

    const NAME: &'static str = "tenant";

    fn decide(
        state: Option<&Self>,
        command: &TenantCommand,
        context: &Context<()>,
    ) -> Result<Vec<TenantEvent>, Refusal> {
        let hosted = matches!(
            command,
            TenantCommand::Declare { .. } | TenantCommand::RecordDesired { .. }
        );
        if hosted && !context.actor.hosts() {
            return Err(Refusal::forbidden(
                "declared-elsewhere",
                "A tenant is declared in its manifest, not over REST.",
            ));
        }
        match (command, state) {
            (TenantCommand::Declare { name, profile }, None) => {
                check_profile(profile)?;
                Ok(vec![TenantEvent::Created {
                    name: name.clone(),
                    profile: profile.clone(),
                }])
            }
            (TenantCommand::Declare { name, profile }, Some(tenant)) => {
                redeclare(tenant, name, profile)
            }
            (_, None) => Err(Refusal::not_found(Self::NAME)),
            (TenantCommand::RecordDesired { number }, Some(tenant)) => {
                tenant.accepts_desired(*number)?;
                let event = TenantEvent::DesiredStateApplied { number: *number };
                Ok(changed(*number != tenant.desired_number, event))
            }
            (TenantCommand::ChangeSettings(settings), Some(tenant)) => {
                if !context.actor.configures() {
                    return Err(Refusal::forbidden(
                        "not-an-admin",
                        "Only a TenantAdmin changes settings.",
                    ));
                }
                check_settings(settings)?;
                let event = TenantEvent::SettingsChanged(settings.clone());
                Ok(changed(*settings != tenant.settings, event))
            }
            (TenantCommand::ChangeRules { rules, seen }, Some(tenant)) => {
                change_rules(tenant, rules, *seen, context)
            }
            (TenantCommand::ChangeRanks(ranks), Some(tenant)) => {
                keepers_only(context)?;
                change_ranks(tenant, ranks)
            }
            (TenantCommand::ChangePirepFields(fields), Some(tenant)) => {
                keepers_only(context)?;
                let fields = pirep_field::tidied(fields);
                let mut faults = Faults::default();
                pirep_field::check(&mut faults, &fields);
                faults.finish()?;
                let differs = fields != tenant.pirep_fields;
                Ok(changed(differs, TenantEvent::PirepFieldsChanged(fields)))
            }
        }
    }

    fn evolve(state: Option<Self>, event: &TenantEvent, at: Timestamp) -> Option<Self> {
        if let TenantEvent::Created { name, profile } = event {
            return Some(state.unwrap_or_else(|| Self {
                name: name.clone(),
                profile: profile.clone(),
                settings: Settings::default(),
                rules: Rules::default(),
                ranks: Vec::new(),
                pirep_fields: Vec::new(),
                desired_number: 0,
                created_at: at,
            }));
        }
        let mut tenant = state?;
        match event {
            TenantEvent::Created { .. } => {}
            TenantEvent::Changed { profile } => tenant.profile = profile.clone(),
            TenantEvent::DesiredStateApplied { number } => {
                tenant.desired_number = tenant.desired_number.max(*number);
            }
            TenantEvent::SettingsChanged(settings) => tenant.settings = settings.clone(),
            TenantEvent::RulesChanged(rules) => tenant.rules = rules.clone(),
            TenantEvent::RanksChanged(ranks) => tenant.ranks = ranks.clone(),
            TenantEvent::PirepFieldsChanged(fields) => tenant.pirep_fields = fields.clone(),
        }
        Some(tenant)
    }

    fn subject(&self, _stream: Uuid) -> Option<UserId> {
        None
    }
}

fn redeclare(tenant: &Tenant, name: &str, profile: &Profile) -> Result<Vec<TenantEvent>, Refusal> {
    if name != tenant.name {
        return Err(Refusal::conflict(
            "other-tenant",
            format!("This log belongs to tenant `{}`.", tenant.name),
        ));
    }
    check_profile(profile)?;
    let event = TenantEvent::Changed {
        profile: profile.clone(),
    };
    Ok(changed(*profile != tenant.profile, event))
}

fn change_rules(
    tenant: &Tenant,
    rules: &[Rule],
    seen: i32,
    context: &Context<()>,
) -> Result<Vec<TenantEvent>, Refusal> {
    if !context.actor.configures() {
        return Err(Refusal::forbidden(
            "not-an-admin",
            "Only a TenantAdmin changes review rules.",
        ));
    }
    if seen != tenant.rules.version {
        return Err(Refusal::conflict(
            STALE_RULES,
            format!("The rules are at version {} now.", tenant.rules.version),
        ));
    }
    let mut faults = Faults::default();
    review::check(&mut faults, rules, &tenant.ranks);
    faults.finish()?;
    let event = TenantEvent::RulesChanged(Rules {
        version: tenant.rules.version + 1,
        rules: rules.to_vec(),
    });
    Ok(changed(rules != tenant.rules.rules, event))
}

fn change_ranks(tenant: &Tenant, ranks: &[Rank]) -> Result<Vec<TenantEvent>, Refusal> {
    let mut faults = Faults::default();
    rank::check(&mut faults, ranks);
    faults.finish()?;
    let ranks = rank::tidied(ranks);
    let has = |ranks: &[Rank], name: &str| ranks.iter().any(|rank| rank.name == name);
    let named = tenant.rules.rules.iter().filter_map(Rule::rank);
    // A rule that names no rank would hold every flight.
    let mut lost = named.filter(|name| has(&tenant.ranks, name) && !has(&ranks, name));
    if let Some(name) = lost.next() {
        return Err(Refusal::conflict(
            "rank-in-use",
            format!("A review rule names the rank `{name}`: change or remove that rule first."),
        ));
    }
    let differs = ranks != tenant.ranks;
    Ok(changed(differs, TenantEvent::RanksChanged(ranks)))
}

fn keepers_only(context: &Context<()>) -> Result<(), Refusal> {
    if context.actor.keeps_catalogue() {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "not-an-admin",
        "Only a TenantAdmin changes the catalogue.",
    ))
}

fn changed(is: bool, event: TenantEvent) -> Vec<TenantEvent> {
    if is { vec![event] } else { Vec::new() }
}

fn check_profile(profile: &Profile) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    text::check_line(
        &mut faults,
        "/tenant/displayName",
        &profile.display_name,
        text::MAX_NAME,
    );
    let code = &profile.icao_code;
    faults.check(
        code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()),
        "/tenant/icaoCode",
        "not-a-designator",
        "Must be three capital letters.",
    );
    text::check_line(&mut faults, "/tenant/publicUrl", &profile.public_url, 2_000);
    faults.finish()
}

fn check_settings(settings: &Settings) -> Result<(), Refusal> {
    let mut faults = Faults::default();
    if let Some(color) = &settings.accent_color {
        let hex = color.strip_prefix('#').unwrap_or_default();
        faults.check(
            hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
            "/accentColor",
            "not-a-color",
            "Must be written #rrggbb.",
        );
    }
    faults.finish()
}
