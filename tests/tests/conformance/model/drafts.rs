//! Appends that are drawn: streams, claims, requests and ids out of a few, so that they meet.

use albatross::ports::event_store::{Append, ClaimChange, ClientRequest};
use proptest::prelude::*;
use proptest::sample::Index;
use uuid::Uuid;

use crate::fixture;
use crate::model::spec::Model;

pub const STREAMS: u8 = 4;
pub const CLAIMS: u8 = 3;
pub const REQUESTS: u8 = 5;

pub fn stream(number: u8) -> Uuid {
    Uuid::from_u128(1_000 + u128::from(number))
}

pub fn claim(number: u8) -> Vec<u8> {
    vec![number]
}

pub fn request(number: u8) -> ClientRequest {
    ClientRequest {
        key: [number; 32],
        body_digest: [0; 32],
        secret: false,
    }
}

#[derive(Clone, Debug)]
pub struct Draft {
    what: What,
    pub second_opening: bool,
    /// The caller goes away before the answer, and asks again.
    pub lost: bool,
}

#[derive(Clone, Debug)]
enum What {
    New(New),
    /// An append that was accepted, once more.
    Again(Index),
    /// A new one that bears the ids of an accepted one, all or the first only.
    Borrowed(New, Index, bool),
}

#[derive(Clone, Debug)]
struct New {
    stream: u8,
    /// From the version that the stream has now.
    off_by: i32,
    count: usize,
    claim: Option<(u8, bool)>,
    request: Option<u8>,
}

pub fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let lost = prop::bool::weighted(0.2);
    let draft = (what(), any::<bool>(), lost).prop_map(|(what, second_opening, lost)| Draft {
        what,
        second_opening,
        lost,
    });
    prop::collection::vec(draft, 1..8)
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        8 => new().prop_map(What::New),
        2 => any::<Index>().prop_map(What::Again),
        1 => (new(), any::<Index>(), any::<bool>())
            .prop_map(|(new, index, all)| What::Borrowed(new, index, all)),
    ]
}

fn new() -> impl Strategy<Value = New> {
    let off_by = prop_oneof![8 => Just(0), 1 => -2..3];
    let claim = prop::option::weighted(0.3, (0..CLAIMS, any::<bool>()));
    let request = prop::option::weighted(0.3, 0..REQUESTS);
    (0..STREAMS, off_by, 1..4_usize, claim, request).prop_map(
        |(stream, off_by, count, claim, request)| New {
            stream,
            off_by,
            count,
            claim,
            request,
        },
    )
}

impl Draft {
    pub fn append(&self, model: &Model, accepted: &[Append]) -> Append {
        match &self.what {
            What::Again(index) if !accepted.is_empty() => index.get(accepted).clone(),
            What::Again(_) => fixture::append(stream(0), model.version(stream(0)), 1),
            What::New(new) => new.append(model),
            What::Borrowed(new, index, all) => {
                let mut append = new.append(model);
                if !accepted.is_empty() {
                    borrow_ids(&mut append, index.get(accepted), *all);
                }
                append
            }
        }
    }
}

impl New {
    fn append(&self, model: &Model) -> Append {
        let stream = stream(self.stream);
        let version = (model.version(stream) + self.off_by).max(0);
        let mut append = fixture::append(stream, version, self.count);
        append.claims.extend(self.claim.map(|(number, take)| {
            let (claim, owner) = (claim(number), stream);
            match take {
                true => ClaimChange::Take { claim, owner },
                false => ClaimChange::Release { claim, owner },
            }
        }));
        append.request = self.request.map(request);
        append
    }
}

fn borrow_ids(append: &mut Append, from: &Append, all: bool) {
    append.command_id = from.command_id;
    let count = if all { append.events.len() } else { 1 };
    for (event, lender) in append.events.iter_mut().zip(&from.events).take(count) {
        event.event_id = lender.event_id;
    }
}
