//! A bare client that sends what the operator sends, and has the servers do what the operator has them do.
//!
//! Its objects carry other labels: the operator does not see them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use albatross_crds::Tenant;
use albatross_operator::config::OperatorConfig;
use albatross_operator::context::object::Wanted;
use albatross_operator::context::record::TenantRecord;
use albatross_operator::context::system::{Clock, SystemClock, SystemEntropy, random};
use albatross_operator::names::{MANAGED_BY, MANAGED_LABEL, TENANT_LABEL};
use albatross_operator::provision::error::{Credentials, ProvisionError};
use albatross_operator::provision::postgres::{Database, Login, Postgres};
use albatross_operator::provision::rabbitmq::{Rabbitmq, Vhost};
use albatross_operator::provision::redis::Redis;
use albatross_operator::provision::scram;
use albatross_operator::tenant::apply::Applicable;
use albatross_operator::tenant::build::input::Input;
use albatross_operator::tenant::dereference::{Record, Surroundings, World};
use albatross_operator::tenant::validate::{Plan, validate};
use albatross_operator::tenant::{build, cache_account, desired, external};
use albatross_tests::chart::NAMESPACE;
use albatross_tests::platform::Platform;
use albatross_tests::servers::PrivateServer;
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::api::PostParams;
use kube::runtime::conditions::is_job_completed;
use kube::runtime::wait::Condition;
use kube::{Api, Client, ResourceExt};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::fleet::declaration;
use crate::seen::Seen;

/// Requests that are under way.
const AT_ONCE: usize = 32;
/// As many as the operator's.
const PROVISIONED_AT_ONCE: usize = 8;
const LABEL: &str = "bare";
const RETRY: Duration = Duration::from_secs(1);

pub struct Bare {
    client: Client,
    config: OperatorConfig,
    http: reqwest::Client,
    postgres: Credentials,
    rabbitmq: Credentials,
    /// Each virtual host makes the next one slower: nobody has to make theirs beside the other's.
    _broker: PrivateServer,
    redis: Credentials,
    migrated: Seen,
    available: Seen,
    requests: Semaphore,
    provisioned: Semaphore,
}

/// Everything of one tenant, as it is sent.
struct Parcel {
    plan: Plan,
    record: TenantRecord,
    namespace: String,
    before: Vec<Wanted>,
    migration: Wanted,
    after: Vec<Wanted>,
}

impl Bare {
    pub async fn new(platform: &Platform) -> Self {
        let client = platform.client.clone();
        let selector = format!("{MANAGED_BY}={LABEL}");
        let account = async |name| {
            let secret = platform.secret(NAMESPACE, name).await.unwrap();
            Credentials {
                username: secret["username"].clone(),
                password: SecretString::from(secret["password"].clone()),
            }
        };
        let broker = PrivateServer::rabbitmq().await;
        let mut management = Url::parse(broker.rabbitmq_urls()[1]).unwrap();
        let rabbitmq = Credentials {
            username: management.username().to_owned(),
            password: SecretString::from(management.password().unwrap()),
        };
        management.set_username("").unwrap();
        management.set_password(None).unwrap();
        let mut config = OperatorConfig::read(&platform.configuration()).unwrap();
        config.servers.rabbitmq[0].management =
            management.as_str().trim_end_matches('/').to_owned();
        Self {
            config,
            http: reqwest::Client::new(),
            postgres: account("postgres").await,
            rabbitmq,
            _broker: broker,
            redis: account("redis").await,
            migrated: Seen::of(Api::<Job>::all(client.clone()), &selector, |job| {
                is_job_completed().matches_object(Some(job))
            }),
            available: Seen::of(
                Api::<Deployment>::all(client.clone()),
                &selector,
                is_available,
            ),
            requests: Semaphore::new(AT_ONCE),
            provisioned: Semaphore::new(PROVISIONED_AT_ONCE),
            client,
        }
    }

    /// Sends everything of so many tenants, and returns the time until all their pods are available.
    pub async fn send(&self, group: &str, count: usize) -> Duration {
        let parcels: Vec<Parcel> = (0..count)
            .map(|number| self.parcel(&format!("bare-{group}-{number:04}")))
            .collect();
        let namespaces: Vec<String> = parcels.iter().map(|it| it.namespace.clone()).collect();
        let begun = Instant::now();
        let sending = stream::iter(&parcels).for_each_concurrent(None, |it| self.deliver(it));
        let arrived = self
            .available
            .all("bare airlines are available", &namespaces);
        tokio::join!(sending, arrived);
        begun.elapsed()
    }

    async fn deliver(&self, parcel: &Parcel) {
        let before = async {
            for object in &parcel.before {
                self.create(object).await;
            }
            self.create(&parcel.migration).await;
            self.migrated.one(&parcel.namespace).await;
        };
        tokio::join!(before, self.provision(parcel));
        for object in &parcel.after {
            self.create(object).await;
        }
    }

    async fn create(&self, object: &Wanted) {
        let _turn = self.requests.acquire().await.unwrap();
        let (client, resource) = (self.client.clone(), &object.resource);
        let api = match object.object.namespace() {
            Some(namespace) => Api::namespaced_with(client, &namespace, resource),
            None => Api::all_with(client, resource),
        };
        let created = api.create(&PostParams::default(), &object.object).await;
        created.unwrap_or_else(|error| panic!("{}: {error}", object.object.name_any()));
    }

    async fn provision(&self, parcel: &Parcel) {
        let _turn = self.provisioned.acquire().await.unwrap();
        let Parcel { plan, record, .. } = parcel;
        let entropy = &SystemEntropy;
        let login = |role, password: &SecretString, connection_limit| Login {
            role,
            verifier: scram::verifier(password.expose_secret(), &random(entropy)),
            connection_limit,
        };
        let (names, secrets) = (&record.names, &record.secrets);
        let database = Database {
            migrate: login(&names.migrate_role, &secrets.migrate_password, 2),
            app: login(&names.app_role, &secrets.app_password, plan.connections),
            ..external::database(record)
        };
        let vhost = Vhost {
            salt: random(entropy),
            ..external::vhost(record)
        };
        let user = external::cache_user(record);
        let postgres = Postgres::new(&plan.servers.postgres, &self.postgres, None, Arc::default());
        let broker = plan.servers.rabbitmq.as_ref().unwrap();
        let rabbitmq = Rabbitmq::new(broker, &self.rabbitmq, self.http.clone(), Arc::default());
        let redis = Redis::new(
            plan.servers.redis.as_ref().unwrap(),
            Some(self.redis.clone()),
            None,
            Arc::default(),
        );
        tokio::join!(
            until_done(async || postgres.ensure(&database).await),
            until_done(async || rabbitmq.ensure(&vhost).await),
            until_done(async || redis.ensure(&user).await)
        );
    }

    fn parcel(&self, name: &str) -> Parcel {
        let spec = Platform::declaration(name, &declaration());
        let world = World {
            record: Record::Absent,
            surroundings: Surroundings::default(),
        };
        let plan = validate(&Tenant::new(name, spec), &world, &self.config).unwrap();
        let mut record = TenantRecord::generate(&SystemEntropy, plan.servers.names());
        let now = SystemClock.now();
        desired::refresh_links(&mut record, &plan, &[], now, &SystemEntropy);
        let input = Input {
            plan: &plan,
            record: &record,
            operator_namespace: NAMESPACE,
            cache_account: Some(cache_account::own(&record)),
            authorities: None,
            unproven: Vec::new(),
        };
        let set = Applicable::new(build::build(&input));
        let stored = Wanted::new(&record.to_secret(name, NAMESPACE));
        let mut before = set.foundation;
        before.push(stored);
        let (mut migration, mut after) = (set.migration, set.workloads);
        for object in before.iter_mut().chain([&mut migration]).chain(&mut after) {
            relabel(object);
        }
        Parcel {
            namespace: plan.namespace.clone(),
            plan,
            record,
            before,
            migration,
            after,
        }
    }
}

/// A busy server may be too slow for one attempt, as it may be for the operator.
async fn until_done(attempt: impl AsyncFn() -> Result<(), ProvisionError>) {
    while let Err(error) = attempt().await {
        eprintln!("{error}");
        tokio::time::sleep(RETRY).await;
    }
}

fn relabel(wanted: &mut Wanted) {
    let labels = wanted.object.labels_mut();
    labels.insert(MANAGED_BY.to_owned(), LABEL.to_owned());
    labels.remove(MANAGED_LABEL);
    if wanted.object.namespace().as_deref() == Some(NAMESPACE) {
        wanted.object.labels_mut().remove(TENANT_LABEL);
    }
}

fn is_available(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    status.is_some_and(|status| status.available_replicas.unwrap_or(0) > 0)
}
