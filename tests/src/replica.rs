//! One replica of an airline within this process, over whatever it is given for the world outside.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use albatross::adapters::Stores;
use albatross::application::airline::Airline;
use albatross::application::api_keys::NewKey;
use albatross::application::error::ServiceError;
use albatross::application::event_names::event_name;
use albatross::application::identity::Identity;
use albatross::application::passwords::Passwords;
use albatross::application::relay::{Relay, RelayMetrics};
use albatross::application::shared::Parts;
use albatross::application::users::Register;
use albatross::application::wake_ups;
use albatross::application::write::WriteOptions;
use albatross::domain::actor::Person;
use albatross::domain::ids::{KeyId, UserId};
use albatross::domain::review::Rule;
use albatross::domain::roles::{Role, Roles, Scope, Scopes};
use albatross::http::client_address::TrustedProxies;
use albatross::http::envelope::MakeId;
use albatross::http::metrics::HttpMetrics;
use albatross::http::rate_limit::{Rate, Rates};
use albatross::http::router;
use albatross::http::site::Site;
use albatross::http::state::{HttpParts, HttpState};
use albatross::ports::cache::Cache;
use albatross::ports::clock::{Clock, Entropy};
use albatross::ports::event_bus::{Feed, WakeUps};
use albatross::ports::supervisor::Supervisor;
use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

use crate::parts::{PUBLIC_URL, parts};

/// All that a replica reaches of the world outside.
pub struct Outside {
    pub stores: Stores,
    pub cache: Arc<dyn Cache>,
    pub wake_ups: Arc<dyn WakeUps>,
    pub feed: Option<Arc<dyn Feed>>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// An airline with everything that its processes run beside it; all replicas are the same airline.
#[derive(Clone)]
pub struct Replica {
    pub airline: Arc<Airline>,
    router: Router,
}

/// A pilot with a key for programs.
#[derive(Clone)]
pub struct Pilot {
    pub identity: Identity,
    pub key_id: KeyId,
    pub key: String,
}

/// What a request was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// The log position of a write.
    pub position: Option<i64>,
    pub body: Value,
}

impl Replica {
    /// Runs until `stop`.
    ///
    /// # Errors
    /// When the storage is away.
    pub async fn start(outside: Outside, stop: &CancellationToken) -> Result<Self, ServiceError> {
        let airline = airline(&outside);
        airline.prepare().await?;
        follow(&airline, &outside, stop);
        let router = router(HttpState::new(HttpParts {
            airline: airline.clone(),
            site: Site::new(PUBLIC_URL).expect("it is an origin"),
            rates: unlimited(),
            proxies: TrustedProxies::none(),
            metrics: HttpMetrics::register(&mut Registry::default()),
            ids: MakeId(outside.entropy),
            shutdown: stop.clone(),
        }));
        Ok(Self { airline, router })
    }

    /// Registers somebody, who gets a key.
    ///
    /// # Errors
    /// When the storage is away.
    pub async fn pilot(&self, name: &str) -> Result<Pilot, ServiceError> {
        let identity = somebody(self.register(name).await?, Role::Pilot);
        let new = NewKey {
            name: "test".to_owned(),
            scopes: Scopes::from([Scope::PirepsRead, Scope::PirepsWrite, Scope::TrackWrite]),
            expires_at: None,
        };
        let options = WriteOptions::default();
        let keys = &self.airline.api_keys;
        let issued = keys.issue(&identity, identity.user(), new, options);
        let issued = issued.await?.entity;
        Ok(Pilot {
            identity,
            key_id: issued.view.id,
            key: issued.key.expose_secret().to_owned(),
        })
    }

    /// Registers somebody who sees everything.
    ///
    /// # Errors
    /// When the storage is away.
    pub async fn staff(&self, name: &str) -> Result<Identity, ServiceError> {
        let (id, role) = (self.register(name).await?, Role::TenantAdmin);
        let (users, options) = (&self.airline.users, WriteOptions::default());
        users.set_roles(&admin(), id, role.into(), options).await?;
        Ok(somebody(id, role))
    }

    async fn register(&self, name: &str) -> Result<UserId, ServiceError> {
        let new = Register {
            email: format!("{name}@skyways.example"),
            display_name: name.to_owned(),
            password: None,
        };
        let (users, options) = (&self.airline.users, WriteOptions::default());
        let registered = users.register(Some(&admin()), new, options).await?;
        Ok(registered.entity.user.id)
    }

    /// The pilot's key opens nothing any more.
    ///
    /// # Errors
    /// When the storage is away.
    pub async fn revoke(&self, pilot: &Pilot) -> Result<(), ServiceError> {
        let (user, key) = (pilot.identity.user(), pilot.key_id.as_str());
        let keys = &self.airline.api_keys;
        let options = WriteOptions::default();
        keys.revoke(&admin(), user, key, options).await.map(drop)
    }

    /// Declares the airline and sets its review rules, unless that has been done.
    ///
    /// # Errors
    /// When the storage is away.
    pub async fn declare(&self, rules: Vec<Rule>) -> Result<(), ServiceError> {
        let setup = &self.airline.admin_setup;
        setup
            .declare("Skyways".to_owned(), "SKY".to_owned())
            .await?;
        let service = &self.airline.rules;
        let version = service.get().await?.version;
        if version > 0 {
            return Ok(());
        }
        let options = WriteOptions {
            if_match: Some(version),
            ..WriteOptions::default()
        };
        service.change(&admin(), rules, options).await.map(drop)
    }

    /// Files a flight, or finds that it was filed.
    pub async fn file(&self, pilot: &Pilot, id: Uuid) -> Answer {
        let plan = json!({"flightNumber": "SKY1", "departure": "LIRF", "arrival": "LLBG", "aircraftType": "B744"});
        let body = json!({"intent": "prefile", "plan": plan});
        let request = Request::put(format!("/api/v1/pireps/{id}"));
        self.send(pilot, request, Some(body)).await
    }

    /// Sends a batch of positions once, however often it is called.
    pub async fn positions(
        &self,
        pilot: &Pilot,
        id: Uuid,
        batch_id: Uuid,
        positions: Vec<Value>,
    ) -> Answer {
        let request = Request::post(format!("/api/v1/pireps/{id}/positions"));
        let body = json!({"batchId": batch_id, "positions": positions});
        self.send(pilot, request, Some(body)).await
    }

    /// Submits a flight once, however often it is called.
    pub async fn submit(&self, pilot: &Pilot, id: Uuid) -> Answer {
        self.submit_tracked(pilot, id, None).await
    }

    /// The same, with the last sequence number of its track.
    pub async fn submit_tracked(
        &self,
        pilot: &Pilot,
        id: Uuid,
        last_sequence: Option<i32>,
    ) -> Answer {
        let request = Request::post(format!("/api/v1/pireps/{id}/submit"))
            .header("idempotency-key", format!("submit-{id}"));
        let body = json!({"lastSequence": last_sequence});
        self.send(pilot, request, Some(body)).await
    }

    /// Reads a flight as of `position` or later.
    pub async fn read(&self, pilot: &Pilot, id: Uuid, position: i64) -> Answer {
        let request =
            Request::get(format!("/api/v1/pireps/{id}")).header("albatross-position", position);
        self.send(pilot, request, None).await
    }

    /// Reads the first of all flights, as of whenever.
    pub async fn list(&self, pilot: &Pilot) -> Answer {
        let request = Request::get("/api/v1/pireps?limit=1");
        self.send(pilot, request, None).await
    }

    async fn send(
        &self,
        pilot: &Pilot,
        request: http::request::Builder,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request
            .header("x-api-key", &pilot.key)
            .header("content-type", "application/json")
            .body(body)
            .expect("it is a request");
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let position = parts.headers.get("albatross-position");
        Answer {
            status: parts.status,
            position: position.and_then(|position| position.to_str().ok()?.parse().ok()),
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }
}

impl Answer {
    /// Whether it was done, or is to be asked for again.
    ///
    /// # Panics
    /// When it is neither.
    pub fn is_done(&self) -> bool {
        match self.status.as_u16() {
            200 | 201 => true,
            503 | 504 => false,
            _ => panic!("answered as it must not be: {self:?}"),
        }
    }
}

/// Whoever declared the airline.
fn admin() -> Identity {
    somebody(UserId(Uuid::nil()), Role::TenantAdmin)
}

fn somebody(id: UserId, role: Role) -> Identity {
    Identity {
        person: Person {
            id,
            roles: Roles::from(role),
            key: None,
        },
        session: None,
        suspended: false,
    }
}

fn airline(outside: &Outside) -> Arc<Airline> {
    let parts = Parts {
        cache: outside.cache.clone(),
        wake_ups: outside.wake_ups.clone(),
        clock: outside.clock.clone(),
        entropy: outside.entropy.clone(),
        passwords: Arc::new(Passwords::new(1, outside.entropy.clone())),
        ..parts(&outside.stores)
    };
    Arc::new(Airline::new(parts, outside.stores.schema_version))
}

/// The background of a process that serves and works.
fn follow(airline: &Arc<Airline>, outside: &Outside, stop: &CancellationToken) {
    let supervisor = Supervisor::new(outside.entropy.clone());
    let (events, hints) = (outside.stores.events.clone(), outside.wake_ups.clone());
    keep(&supervisor, "wake-ups", stop, move |stop| {
        let (events, hints) = (events.clone(), hints.clone());
        async move { wake_ups::run(events, hints, &stop).await }
    });
    let told = airline.clone();
    keep(&supervisor, "changes", stop, move |stop| {
        let airline = told.clone();
        async move { airline.changes.run(&stop).await }
    });
    if let Some(feed) = outside.feed.clone() {
        let relay = Arc::new(Relay {
            events: outside.stores.events.clone(),
            read_model: outside.stores.read_model.clone(),
            feed,
            entropy: outside.entropy.clone(),
            names: event_name,
            metrics: RelayMetrics::default(),
        });
        keep(&supervisor, "relay", stop, move |stop| {
            let relay = relay.clone();
            async move { relay.run(&stop).await }
        });
    }
    let reacting = airline.clone();
    keep(&supervisor, "reactions", stop, move |stop| {
        let airline = reacting.clone();
        async move { airline.reactions.run(&stop).await }
    });
    let (projected, stop) = (airline.clone(), stop.clone());
    tokio::spawn(async move { projected.project(&supervisor, &stop).await });
}

fn keep<F: Future<Output = ()> + Send>(
    supervisor: &Supervisor,
    task: &'static str,
    stop: &CancellationToken,
    begin: impl Fn(CancellationToken) -> F + Send + Sync + 'static,
) {
    let (supervisor, stop) = (supervisor.clone(), stop.clone());
    tokio::spawn(async move {
        let begin = || begin(stop.clone());
        supervisor.keep(task, &stop, begin).await;
    });
}

/// Limits that no test reaches.
fn unlimited() -> Rates {
    let rate = Rate {
        requests: NonZeroU32::MAX,
        window: Duration::from_secs(1),
    };
    Rates {
        credentials: rate,
        telemetry: rate,
        general: rate,
        failures: rate,
    }
}
