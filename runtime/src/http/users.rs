//! `/api/v1/users`: people, machines and their roles.

pub mod dto;

use axum::extract::State;
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::application::users::{Register, UserFilter};
use crate::domain::roles::Role;
use crate::domain::user::UserStatus;
use crate::http::authorisation::decision::Reach;
use crate::http::caller::{Caller, Known, Write};
use crate::http::error::of_query;
use crate::http::extract::{Body, Path, Query};
use crate::http::lists::page;
use crate::http::pireps::input::NoMembers;
use crate::http::problem::Problem;
use crate::http::respond::Entity;
use crate::http::state::HttpState;
use crate::http::visible::{PeopleVisible, Visible};
use dto::{RegisterUser, RegisteredUser, SetRoles, SuspendUser, User, UserPage};

pub fn routes() -> OpenApiRouter<HttpState> {
    OpenApiRouter::new()
        .routes(routes!(register_user, list_users))
        .routes(routes!(get_user))
        .routes(routes!(set_roles))
        .routes(routes!(approve_user))
        .routes(routes!(suspend_user))
        .routes(routes!(reinstate_user))
        .routes(routes!(erase_user))
}

/// Register a user
///
/// Anybody may register as a pilot, with a password, unless the settings say `InviteOnly`; where they say `Approval`, the
/// new user is `Pending` and cannot log in before an admin has approved. An admin may leave the password out: the answer then
/// holds a one-time log-in link for the new user.
#[utoipa::path(post, path = "/users", operation_id = "registerUser", tag = "users",
    request_body = RegisterUser,
    params(Write),
    responses((status = 201, description = "Registered", body = RegisteredUser)))]
async fn register_user(
    State(state): State<HttpState>,
    caller: Caller,
    write: Write,
    Body { value, bytes }: Body<RegisterUser>,
) -> Result<Entity<RegisteredUser>, Problem> {
    // Only an admin's registration is one on somebody's behalf.
    let inviter = caller.identity.filter(|_| caller.reach == Reach::All);
    let users = &state.airline().users;
    let new = Register {
        email: value.email,
        display_name: value.display_name,
        password: value.password,
    };
    let registered = users
        .register(inviter.as_ref(), new, write.options(&bytes))
        .await?;
    let registered = registered.map(|registered| RegisteredUser {
        user: registered.user.into(),
        login_link: registered
            .login_link
            .map(|link| link.expose_secret().to_owned()),
    });
    let location = format!("/api/v1/users/{}", registered.entity.user.id);
    Ok(Entity::created(registered).at(location))
}

/// Which users are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only those whose name, callsign or e-mail address contains this.
    search: Option<String>,
    /// Only those who hold this role.
    #[param(inline = false)]
    role: Option<Role>,
    /// Only those whose account stands like this.
    #[param(inline = false)]
    status: Option<UserStatus>,
    /// How many items at most; 50 unless it says otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the page before, with the same filter.
    cursor: Option<String>,
}

/// List users
#[utoipa::path(get, path = "/users", operation_id = "listUsers", tag = "users",
    params(ListParams, Visible), responses((status = 200, description = "A page of users, by name", body = UserPage)))]
async fn list_users(
    State(state): State<HttpState>,
    known: Known,
    _visible: PeopleVisible,
    Query(params): Query<ListParams>,
) -> Result<axum::Json<UserPage>, Problem> {
    let page = page(params.limit, params.cursor)?;
    let filter = UserFilter {
        search: params.search,
        role: params.role,
        status: params.status,
    };
    let listed = state
        .airline()
        .users
        .list(&known.identity, filter, page)
        .await;
    let listed = listed.map_err(of_query)?;
    Ok(axum::Json(UserPage {
        items: listed.items.into_iter().map(User::from).collect(),
        next: listed.next,
    }))
}

/// Read a user
#[utoipa::path(get, path = "/users/{id}", operation_id = "getUser", tag = "users",
    params(("id" = Uuid, Path, description = "Id of the user"), Visible),
    responses((status = 200, description = "The user", body = User)))]
async fn get_user(
    State(state): State<HttpState>,
    known: Known,
    _visible: PeopleVisible,
    Path(id): Path<Uuid>,
) -> Result<Entity<User>, Problem> {
    let user = state
        .airline()
        .users
        .get(&known.identity, id.into())
        .await?;
    let version = user.version;
    Ok(Entity::read(user.into(), version))
}

/// Set a user's roles
#[utoipa::path(put, path = "/users/{id}/roles", operation_id = "setUserRoles", tag = "users",
    request_body = SetRoles,
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The user with the new roles", body = User)))]
async fn set_roles(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { value, bytes }: Body<SetRoles>,
) -> Result<Entity<User>, Problem> {
    let roles = value.roles.into_iter().collect();
    let users = &state.airline().users;
    let written = users
        .set_roles(&known.identity, id.into(), roles, write.options(&bytes))
        .await?;
    Ok(Entity::written(written.map(User::from)))
}

/// Approve a user
///
/// Whoever registered where the settings say `Approval` may log in from then on, unless the airline has as many pilots as it
/// may. Who is not to be let in is erased.
#[utoipa::path(post, path = "/users/{id}/approve", operation_id = "approveUser", tag = "users",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The user, who is active now", body = User)))]
async fn approve_user(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<User>, Problem> {
    let users = &state.airline().users;
    let written = users
        .approve(&known.identity, id.into(), write.options(&bytes))
        .await?;
    Ok(Entity::written(written.map(User::from)))
}

/// Suspend a user
///
/// Every session ends, and nothing new begins: no log-in, no flight. A flight that has begun is still recorded, and its
/// report is held for staff. Neither the last admin, nor users that the hosting platform manages, nor those who await
/// approval can be suspended.
#[utoipa::path(post, path = "/users/{id}/suspend", operation_id = "suspendUser", tag = "users",
    request_body = SuspendUser,
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The suspended user", body = User)))]
async fn suspend_user(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { value, bytes }: Body<SuspendUser>,
) -> Result<Entity<User>, Problem> {
    let (users, options) = (&state.airline().users, write.options(&bytes));
    let written = users
        .suspend(&known.identity, id.into(), value.reason, options)
        .await?;
    Ok(Entity::written(written.map(User::from)))
}

/// Reinstate a suspended user
#[utoipa::path(post, path = "/users/{id}/reinstate", operation_id = "reinstateUser", tag = "users",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "The user, active again", body = User)))]
async fn reinstate_user(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<User>, Problem> {
    let users = &state.airline().users;
    let written = users
        .reinstate(&known.identity, id.into(), write.options(&bytes))
        .await?;
    Ok(Entity::written(written.map(User::from)))
}

/// Erase a person
///
/// Name, address, sessions, keys and all texts on the person's flights are gone for good; the flights stay. Erasing again
/// changes nothing. The last admin, and admins that the hosting platform manages, cannot be erased.
#[utoipa::path(post, path = "/users/{id}/erase", operation_id = "eraseUser", tag = "users",
    request_body = NoMembers,
    params(("id" = Uuid, Path, description = "Id of the user"),
        ("If-Match" = Option<String>, Header, description = "ETag of the version that was seen"), Write),
    responses((status = 200, description = "What is left of the user", body = User)))]
async fn erase_user(
    State(state): State<HttpState>,
    known: Known,
    write: Write,
    Path(id): Path<Uuid>,
    Body { bytes, .. }: Body<NoMembers>,
) -> Result<Entity<User>, Problem> {
    let erasure = &state.airline().erasure;
    let written = erasure
        .erase(&known.identity, id.into(), write.options(&bytes))
        .await?;
    Ok(Entity::written(written.map(User::from)))
}
