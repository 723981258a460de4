//! The Secret that a key is handed over in. Others may want its name: another ApiKey, and whoever may make Secrets there.

use albatross_crds::ApiKey;
use base64::prelude::{BASE64_STANDARD, Engine};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use crate::api_key::admit::Admitted;
use crate::context::Context;
use crate::context::key_ring::Key;
use crate::context::live::Live;
use crate::context::object::Wanted;
use crate::names;

/// As it was found. No other ApiKey looks at it meanwhile.
pub struct Place {
    found: Option<DynamicObject>,
    is_taken: bool,
    /// It is ours for certain.
    is_filled: bool,
    _alone: OwnedMutexGuard<()>,
}

impl Place {
    pub async fn of(
        owner: &ApiKey,
        admitted: &Admitted,
        ctx: &Context,
    ) -> Result<Self, kube::Error> {
        let (namespace, name) = (
            owner.namespace().unwrap_or_default(),
            &admitted.key.secret_name,
        );
        let alone = ctx
            .client_secrets
            .lock(&format!("{namespace}/{name}"))
            .await;
        let secrets = ApiResource::erase::<Secret>(&());
        let api: Api<Live> = Api::namespaced_with(ctx.client.clone(), &namespace, &secrets);
        let found = api.get_opt(name).await?.map(|Live(found)| found);
        let is_anothers = |found: &DynamicObject| {
            found.annotations().get(names::API_KEY_UID_ANNOTATION) != owner.uid().as_ref()
        };
        Ok(Self {
            is_taken: found.as_ref().is_some_and(is_anothers),
            found,
            is_filled: false,
            _alone: alone,
        })
    }

    /// Whether somebody else has it.
    pub fn is_taken(&self) -> bool {
        self.is_taken
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_none()
    }

    /// Whether the holder of the Secret has this key.
    pub fn holds(&self, key: &Key) -> bool {
        let id = self
            .found
            .as_ref()
            .map(|found| &found.data["data"]["keyId"]);
        id.and_then(Value::as_str) == Some(&BASE64_STANDARD.encode(&key.id))
    }

    /// Writes the Secret; fails when somebody has written one since the place was looked at.
    pub async fn fill(&mut self, secret: &Secret, ctx: &Context) -> Result<(), kube::Error> {
        let mut wanted = Wanted::new(secret);
        let Some(found) = &self.found else {
            self.found = Some(ctx.writer.create(&wanted).await?);
            self.is_filled = true;
            return Ok(());
        };
        if !self.is_filled {
            wanted.object.metadata.resource_version = found.resource_version();
        }
        self.is_filled |= ctx.writer.apply(&wanted, Some(found)).await?;
        Ok(())
    }
}
