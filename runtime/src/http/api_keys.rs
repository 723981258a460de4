//! `/api/v1/users/{id}/apikeys`: keys that stand for a user.

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::api_keys::NewKey;
use crate::http::caller::{Known, Named, Write};
use crate::http::extract::{Body, Path};
use crate::http::problem::Problem;
use crate::http::respond::{Done, Entity};
use crate::http::state::HttpState;
use crate::http::users::dto::{ApiKey, ApiKeyList, IssueApiKey, IssuedApiKey};

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(issue_api_key, list_api_keys))
        .routes(routes!(revoke_api_key))
}

/// Issue an API key
///
/// The key itself is in this one answer and nowhere else. A repeat is answered 409 `already-issued`.
#[utoipa::path(post, path = "/users/{id}/apikeys", operation_id = "issueApiKey", tag = "keys",
    request_body = IssueApiKey,
    params(("id" = Uuid, Path, description = "Id of the caller"),
        Named),
    responses((status = 201, description = "The key, with its secret", body = IssuedApiKey)))]
async fn issue_api_key(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { value, bytes }: Body<IssueApiKey>,
) -> Result<Entity<IssuedApiKey>, Problem> {
    let options = write.named(&bytes)?;
    let new = NewKey {
        name: value.name,
        scopes: value.scopes.into_iter().collect(),
        expires_at: value.expires_at,
    };
    let keys = &state.airline().api_keys;
    let issued = keys.issue(&known.identity, id.into(), new, options).await?;
    let issued = issued.map(|issued| IssuedApiKey {
        api_key: issued.view.into(),
        key: issued.key.expose_secret().to_owned(),
    });
    Ok(Entity::created(issued))
}

/// List a user's API keys
#[utoipa::path(get, path = "/users/{id}/apikeys", operation_id = "listApiKeys", tag = "keys",
    params(("id" = Uuid, Path, description = "Id of the user")),
    responses((status = 200, description = "The keys that are not revoked, without their secrets", body = ApiKeyList)))]
async fn list_api_keys(
    State(state): State<HttpState>,
    known: Known,
    Path(id): Path<Uuid>,
) -> Result<Json<ApiKeyList>, Problem> {
    let keys = &state.airline().api_keys;
    let keys = keys.list(&known.identity, id.into()).await?;
    Ok(Json(ApiKeyList {
        items: keys.into_iter().map(ApiKey::from).collect(),
    }))
}

/// Revoke an API key
///
/// It stops working at once.
#[utoipa::path(delete, path = "/users/{id}/apikeys/{key_id}", operation_id = "revokeApiKey", tag = "keys",
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("key_id" = String, Path, description = "Id of the key"), Write),
    responses((status = 204, description = "Revoked")))]
async fn revoke_api_key(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path((id, key_id)): Path<(Uuid, String)>,
) -> Result<Done, Problem> {
    let keys = &state.airline().api_keys;
    let revoked = keys
        .revoke(&known.identity, id.into(), &key_id, write.options(b""))
        .await?;
    Ok(Done {
        position: Some(revoked.position),
    })
}
