//! Whether the tenant's pods rest. Once they do, the record says so until they are to wake: nobody can be asked then.

use albatross_crds::conditions::Reason;
use albatross_crds::tenant::Hibernate;

use crate::context::Context;
use crate::context::record::TenantRecord;
use crate::context::runtime::RuntimeError;
use crate::names;
use crate::tenant::claim;
use crate::tenant::erasures;
use crate::tenant::error::Error;
use crate::tenant::part::Part;
use crate::tenant::runtime;
use crate::tenant::validate::Plan;

/// What becomes of the pods, and whether that is what is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hibernation {
    pub asleep: bool,
    pub part: Part,
}

/// Decides, and writes it down before a pod is stopped or started for it.
#[tracing::instrument(name = "hibernation", level = "debug", skip_all)]
pub async fn decide(
    plan: &Plan,
    record: &mut TenantRecord,
    ctx: &Context,
) -> Result<Hibernation, Error> {
    let decided = match plan.tenant.hibernate {
        Hibernate::WhenLanded if !record.images.hibernated => landed(plan, record, ctx).await,
        declared => settled(declared != Hibernate::Never),
    };
    if decided.asleep != record.images.hibernated {
        if decided.asleep {
            last_erasures(plan, record, ctx).await;
        }
        record.images.hibernated = decided.asleep;
        claim::store(record, &plan.tenant.name, ctx).await?;
    }
    if decided.asleep {
        // Nothing waits for what the runtime could not say: keys that were published stay so.
        ctx.memory
            .update(&plan.tenant.name, |memory| memory.answer = None);
    }
    Ok(decided)
}

/// Its database may be restored from an older copy before it wakes. Nothing waits for an answer, though.
async fn last_erasures(plan: &Plan, record: &mut TenantRecord, ctx: &Context) {
    if !runtime::serves(plan, ctx) {
        return;
    }
    let tenant = &plan.tenant.name;
    let address = runtime::address(plan, names::API, ctx);
    if let Err(cause) = erasures::learn(tenant, &address, record, ctx).await {
        tracing::warn!(tenant, %cause, "who was erased in the last minutes may be missing in the ledger");
    }
}

/// As the record says, changing nothing.
pub fn settled(asleep: bool) -> Hibernation {
    let part = if asleep {
        Part::done(
            Reason::Hibernated,
            "no pod runs, and the data is kept; the airline wakes with spec.hibernate: Never",
        )
    } else {
        Part::done(Reason::UpToDate, "")
    };
    Hibernation { asleep, part }
}

/// A flight that begins after the answer is flown on when the tenant wakes: clients keep what they could not send.
async fn landed(plan: &Plan, record: &TenantRecord, ctx: &Context) -> Hibernation {
    let waiting = |part| Hibernation {
        asleep: false,
        part,
    };
    let for_pod = || {
        waiting(Part::waiting(
            Reason::WaitingForRuntime,
            "a pod has to say that no flight is airborne; spec.hibernate: Now does not wait for it",
        ))
    };
    if !runtime::pods(plan, false, ctx).available.is_done() {
        return for_pod();
    }
    let address = runtime::address(plan, names::API, ctx);
    let token = &record.secrets.internal_token;
    let answer = ctx.runtime.airborne(&address, token).await;
    ctx.metrics.called("runtime", answer.is_ok());
    match answer {
        Ok(0) => settled(true),
        Ok(flights) => waiting(Part::waiting(
            Reason::WaitingForFlights,
            format!(
                "flights that are airborne or paused: {flights}; spec.hibernate: Now does not wait for them"
            ),
        )),
        Err(RuntimeError::Unreachable(_)) if runtime::is_news(plan, ctx) => for_pod(),
        Err(cause) => waiting(Part::failing(
            Reason::RuntimeUnreachable,
            format!("whether flights are airborne is not known: {cause}"),
        )),
    }
}
