//! What must hold in the end, whatever has happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use albatross::adapters::chain;
use albatross::adapters::memory::MemoryReadModel;
use albatross::application::events::{DecodedEvent, EventReader};
use albatross::application::projections::lane::Lane;
use albatross::application::projections::{Projections, tables};
use albatross::application::reactions::due;
use albatross::application::relay::LANE;
use albatross::application::subject_keys::SubjectKeys;
use albatross::codec::TenantKey;
use albatross::domain::event::DomainEvent;
use albatross::domain::pirep::PirepEvent;
use albatross::ports::event_store::EventStore;
use albatross::ports::read_model::{Query, ReadModel, Row};
use albatross::ports::track_store::TrackStore;
use albatross_tests::parts::{TENANT_ID, TENANT_KEY};
use uuid::Uuid;

use crate::clocks::{Dice, SkewedClock, now};
use crate::remote::Servers;
use crate::story::{Flown, Revocation, Story};
use crate::telemetry::{LAST, MILESTONES, time};
use crate::weather::END;

pub const EPOCH: Uuid = Uuid::from_u128(7);

/// Whether relay, lanes and whoever has seen all up to `told` are at the end of the log, and nothing is due any more.
pub async fn has_converged(servers: &Servers, told: i64) -> bool {
    let head = servers.log.head().await.unwrap().position;
    let due = due::next(&*servers.read_model).await.unwrap();
    let mut least = told;
    for lane in Lane::ALL
        .map(Lane::name)
        .into_iter()
        .chain([LANE, due::LANE])
    {
        let checkpoint = servers.read_model.checkpoint(lane).await.unwrap();
        least = least.min(checkpoint.position);
    }
    now() >= END && least >= head && due.is_none()
}

/// A summary, or the first promise that was broken.
pub fn of(servers: &Arc<Servers>, story: &Story) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(judge(servers, story))
}

async fn judge(servers: &Arc<Servers>, story: &Story) -> Result<String, String> {
    let verified = chain::verify(&*servers.log).await;
    let verified = verified.map_err(|error| error.to_string())?;
    let log = servers.log.read_after(0, usize::MAX).await.unwrap();
    let decoded = reader(servers).decode(&log).await.unwrap();
    let flights = judge_flights(&decoded, story)?;
    judge_tracks(servers, story).await?;
    let messages = judge_feed(servers, log.len())?;
    let told: Vec<i64> = story.told.lock().unwrap().clone();
    // Of the airline's own settings no page is told.
    let others = log.iter().filter(|event| event.stream_id != TENANT_ID);
    let all: Vec<i64> = others.map(|event| event.position).collect();
    if told != all {
        return Err(format!(
            "the page was told of {told:?}, and there are {}",
            log.len()
        ));
    }
    let revocations = story.revocations.lock().unwrap().clone();
    for revocation in &revocations {
        judge_revocation(revocation)?;
    }
    if rows(&*servers.read_model).await != rebuilt(servers).await {
        return Err("the read model is not what a rebuild makes of the log".to_owned());
    }
    let repeated = *story.repeated.lock().unwrap();
    let hash = u32::from_be_bytes(verified.hash[..4].try_into().unwrap());
    Ok(format!(
        "{} events ({hash:08x}), {flights} flights, {messages} messages, {repeated} calls repeated",
        verified.events
    ))
}

/// What was acknowledged is there once, where it was said to be; all that follows from it followed once.
fn judge_flights(log: &[DecodedEvent], story: &Story) -> Result<usize, String> {
    let flights = story.flights.lock().unwrap();
    for (flight, flown) in flights.iter() {
        let events: Vec<_> = log.iter().filter(|it| it.stream_id == *flight).collect();
        judge_flight(&events, flown).map_err(|broken| format!("flight {flight} {broken}"))?;
    }
    let ids: BTreeSet<Uuid> = log.iter().map(|event| event.event_id).collect();
    if ids.len() < log.len() {
        return Err("an event is in the log twice".to_owned());
    }
    Ok(flights.len())
}

fn judge_flight(events: &[&DecodedEvent], flown: &Flown) -> Result<(), String> {
    let (mut told, mut decided, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        let DomainEvent::Pirep(pirep) = &event.event else {
            return Err(format!("is none: {event:?}"));
        };
        match &**pirep {
            PirepEvent::Prefiled(_) | PirepEvent::Submitted { .. } => told.push(event.position),
            PirepEvent::Reached { milestone, at } => reached.push((*milestone, *at)),
            PirepEvent::Reviewed(_) | PirepEvent::Accepted { .. } => decided.push(pirep.name()),
            other => return Err(format!("has what nobody did: {other:?}")),
        }
    }
    let acknowledged = [flown.filed, flown.submitted];
    if told != acknowledged {
        return Err(format!(
            "is not in the log as it was acknowledged: at {told:?}, not at {acknowledged:?}"
        ));
    }
    if decided != ["PirepReviewed", "PirepAccepted"] {
        return Err(format!(
            "was not decided once by the rules, but {decided:?}"
        ));
    }
    reached.sort_unstable();
    let expected = MILESTONES.map(|(milestone, sequence)| (milestone, time(sequence)));
    let expected = &expected[..flown.milestones];
    if reached != expected {
        return Err(format!("noted {reached:?}, not {expected:?}"));
    }
    Ok(())
}

/// Every position is stored once, whichever batches were repeated.
async fn judge_tracks(servers: &Servers, story: &Story) -> Result<(), String> {
    let flights: Vec<Uuid> = story.flights.lock().unwrap().keys().copied().collect();
    for flight in flights {
        let samples = servers.tracks.samples(flight, None, 100).await.unwrap();
        let found: Vec<_> = samples.iter().map(|it| (it.sequence, it.time)).collect();
        let sent: Vec<_> = (0..=LAST).map(|it| (it, time(it))).collect();
        if found != sent {
            return Err(format!("flight {flight} has the positions {found:?}"));
        }
    }
    Ok(())
}

/// Every event at least once, each first seen behind the one before it.
fn judge_feed(servers: &Servers, length: usize) -> Result<usize, String> {
    let queue = servers.queue.lock().unwrap();
    let mut next = 1;
    for message in queue.iter() {
        let (epoch, position) = message.id.split_once(':').unwrap();
        let position: usize = position.parse().unwrap();
        if epoch != EPOCH.to_string() || position > next {
            return Err(format!("{next} was skipped: {} came", message.id));
        }
        next = next.max(position + 1);
    }
    if next != length + 1 {
        return Err(format!(
            "the feed ends with {}, the log with {length}",
            next - 1
        ));
    }
    Ok(queue.len())
}

fn judge_revocation(revocation: &Revocation) -> Result<(), String> {
    let Revocation {
        at,
        within,
        opened,
        asked,
    } = revocation;
    if let Some(late) = opened.iter().find(|asked| **asked > *at + *within) {
        return Err(format!("a key revoked at {at:?} was open at {late:?}"));
    }
    if *asked == 0 {
        return Err("nobody asked for the revoked key".to_owned());
    }
    Ok(())
}

fn reader(servers: &Servers) -> EventReader {
    let (log, clock) = (servers.log.clone(), Arc::new(SkewedClock(1)));
    let keys = SubjectKeys::new(log, TenantKey::new(&TENANT_KEY), clock);
    EventReader::new(Arc::new(keys))
}

async fn rebuilt(servers: &Arc<Servers>) -> Vec<(&'static str, Row)> {
    let (log, clock) = (servers.log.clone(), Arc::new(SkewedClock(1)));
    let reader = reader(servers);
    let read_model = Arc::new(MemoryReadModel::new());
    let entropy = Arc::new(Dice::new(0));
    let projections = Projections::new(log, reader, read_model.clone(), clock, entropy);
    projections.prepare().await.unwrap();
    projections.catch_up().await.unwrap();
    rows(&*read_model).await
}

async fn rows(read_model: &dyn ReadModel) -> Vec<(&'static str, Row)> {
    let mut all = Vec::new();
    for table in tables::ALL {
        let query = Query {
            table,
            filters: Vec::new(),
            order_by: "id",
            descending: false,
            after: None,
            limit: 10_000,
        };
        let rows = read_model.list(query).await.unwrap();
        all.extend(rows.into_iter().map(|row| (table.name, row)));
    }
    all
}
