//! The one table of who may do what: every route of the API has its row, or nobody can reach it.

use crate::domain::roles::{Role, Scope};
use crate::http::rate_limit::Policy;

/// One route, and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub method: &'static str,
    /// The template, as the router has it.
    pub path: &'static str,
    /// What a caller with an API key needs besides.
    pub key: Key,
    /// Whose the thing is that the route is about.
    pub owner: Owner,
    /// What it takes when the thing is the caller's own.
    pub own: Need,
    /// What it takes when it is somebody else's. On a list: to see everybody's.
    pub others: Need,
    pub limit: Policy,
}

/// How an API key comes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// It must hold this scope.
    Scope(Scope),
    /// The same; a key that has expired since it began this very flight will do for a day.
    Flight(Scope),
    /// Any key will do.
    Any,
    /// A session only: a leaked key must not make itself at home.
    Never,
}

/// Whose the thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's own, or a list that holds the caller's own.
    Caller,
    /// The user whom `{id}` names.
    User,
    /// The pilot of the PIREP that `{id}` names.
    Pilot,
    /// The same, but there may be none yet: then it becomes the caller's own.
    FuturePilot,
}

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Anybody, logged in or not.
    Anybody,
    /// Somebody who is known, whatever the roles.
    Known,
    /// Somebody who is known, if the thing is published: an accepted PIREP.
    Published,
    /// Somebody whose roles cover this one.
    Role(Role),
    /// Nobody.
    Nobody,
}

impl Rule {
    /// Nobody needs to be known for any part of it.
    pub fn is_public(&self) -> bool {
        self.own == Need::Anybody
    }
}

use Key::{Any, Flight, Never, Scope as Needs};
use Need::{Anybody, Known, Nobody, Published};
use Policy::{Credentials, General, Telemetry};

const ADMIN: Need = Need::Role(Role::TenantAdmin);
const STAFF: Need = Need::Role(Role::Reviewer);

const READ: Key = Needs(Scope::PirepsRead);
const WRITE: Key = Needs(Scope::PirepsWrite);
const FINISH: Key = Flight(Scope::PirepsWrite);
const TRACK: Key = Flight(Scope::TrackWrite);
const REVIEW: Key = Needs(Scope::Review);
const SETUP: Key = Needs(Scope::Settings);
const USERS: Key = Needs(Scope::Users);
const SHOWN: Key = Needs(Scope::CatalogueRead);
const KEPT: Key = Needs(Scope::CatalogueWrite);
const BIDS: Key = Needs(Scope::BidsWrite);

const fn rule(
    method: &'static str,
    path: &'static str,
    key: Key,
    owner: Owner,
    own: Need,
    others: Need,
    limit: Policy,
) -> Rule {
    Rule {
        method,
        path,
        key,
        owner,
        own,
        others,
        limit,
    }
}

/// Method, path, key, whose, own, others', limit.
#[rustfmt::skip]
pub const TABLE: &[Rule] = &[
    rule("GET",    "/api/v1/airline",                     Any,    Owner::Caller,      Anybody, Anybody,   General),
    rule("POST",   "/api/v1/auth/login",                  Any,    Owner::Caller,      Anybody, Anybody,   Credentials),
    rule("POST",   "/api/v1/auth/link",                   Any,    Owner::Caller,      Anybody, Anybody,   Credentials),
    rule("POST",   "/api/v1/auth/logout",                 Never,  Owner::Caller,      Known,   Nobody,    General),
    rule("GET",    "/api/v1/me",                          Any,    Owner::Caller,      Known,   Nobody,    General),
    rule("DELETE", "/api/v1/me",                          Never,  Owner::Caller,      Known,   Nobody,    Credentials),
    rule("PUT",    "/api/v1/me/password",                 Never,  Owner::Caller,      Known,   Nobody,    Credentials),
    rule("POST",   "/api/v1/users",                       USERS,  Owner::Caller,      Anybody, ADMIN,     Credentials),
    rule("GET",    "/api/v1/users",                       USERS,  Owner::Caller,      STAFF,   STAFF,     General),
    rule("GET",    "/api/v1/users/{id}",                  USERS,  Owner::User,        Known,   STAFF,     General),
    rule("PUT",    "/api/v1/users/{id}/roles",            USERS,  Owner::User,        ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/users/{id}/approve",          USERS,  Owner::User,        ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/users/{id}/suspend",          USERS,  Owner::User,        ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/users/{id}/reinstate",        USERS,  Owner::User,        ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/users/{id}/erase",            Never,  Owner::User,        ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/users/{id}/apikeys",          Never,  Owner::User,        Known,   Nobody,    General),
    rule("GET",    "/api/v1/users/{id}/apikeys",          USERS,  Owner::User,        Known,   ADMIN,     General),
    rule("DELETE", "/api/v1/users/{id}/apikeys/{key_id}", USERS,  Owner::User,        Known,   ADMIN,     General),
    rule("GET",    "/api/v1/pireps",                      READ,   Owner::Caller,      Known,   STAFF,     General),
    rule("POST",   "/api/v1/pireps",                      WRITE,  Owner::Caller,      Known,   Nobody,    General),
    rule("GET",    "/api/v1/pireps/{id}",                 READ,   Owner::Pilot,       Known,   Published, General),
    rule("PUT",    "/api/v1/pireps/{id}",                 WRITE,  Owner::FuturePilot, Known,   Nobody,    General),
    rule("PATCH",  "/api/v1/pireps/{id}",                 WRITE,  Owner::Pilot,       Known,   STAFF,     General),
    rule("DELETE", "/api/v1/pireps/{id}",                 WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/positions",       TRACK,  Owner::Pilot,       Known,   Nobody,    Telemetry),
    rule("POST",   "/api/v1/pireps/{id}/log",             TRACK,  Owner::Pilot,       Known,   Nobody,    Telemetry),
    rule("GET",    "/api/v1/pireps/{id}/log",             READ,   Owner::Pilot,       Known,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/finish",          FINISH, Owner::Pilot,       Known,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/submit",          FINISH, Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/pause",           WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/resume",          WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/cancel",          WRITE,  Owner::Pilot,       Known,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/restore",         WRITE,  Owner::Pilot,       Known,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/withdraw",        WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/accept",          REVIEW, Owner::Pilot,       STAFF,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/reject",          REVIEW, Owner::Pilot,       STAFF,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/reopen",          REVIEW, Owner::Pilot,       STAFF,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/ask",             REVIEW, Owner::Pilot,       STAFF,   STAFF,     General),
    rule("POST",   "/api/v1/pireps/{id}/answer",          WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/appeal",          WRITE,  Owner::Pilot,       Known,   Nobody,    General),
    rule("POST",   "/api/v1/pireps/{id}/comments",        WRITE,  Owner::Pilot,       Known,   STAFF,     General),
    rule("GET",    "/api/v1/pireps/{id}/history",         READ,   Owner::Pilot,       Known,   Published, General),
    rule("GET",    "/api/v1/pireps/{id}/track",           READ,   Owner::Pilot,       Known,   Published, General),
    rule("GET",    "/api/v1/settings",                    SETUP,  Owner::Caller,      STAFF,   STAFF,     General),
    rule("PUT",    "/api/v1/settings",                    SETUP,  Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/rules",                       SETUP,  Owner::Caller,      STAFF,   STAFF,     General),
    rule("PUT",    "/api/v1/rules",                       SETUP,  Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/rules/dry-run",               SETUP,  Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/aircraft",                    SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("POST",   "/api/v1/aircraft",                    KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/aircraft/{id}",               SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("PATCH",  "/api/v1/aircraft/{id}",               KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/aircraft/{id}/archive",       KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/aircraft/{id}/restore",       KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/flights",                     SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("POST",   "/api/v1/flights",                     KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/flights/{id}",                SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("PATCH",  "/api/v1/flights/{id}",                KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/flights/{id}/archive",        KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("POST",   "/api/v1/flights/{id}/restore",        KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/ranks",                       SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("PUT",    "/api/v1/ranks",                       KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/pirep-fields",                SHOWN,  Owner::Caller,      Known,   Known,     General),
    rule("PUT",    "/api/v1/pirep-fields",                KEPT,   Owner::Caller,      ADMIN,   ADMIN,     General),
    rule("GET",    "/api/v1/bids",                        SHOWN,  Owner::Caller,      Known,   Nobody,    General),
    rule("POST",   "/api/v1/bids",                        BIDS,   Owner::Caller,      Known,   Nobody,    General),
    rule("DELETE", "/api/v1/bids/{id}",                   BIDS,   Owner::Caller,      Known,   Nobody,    General),
    rule("GET",    "/api/v1/stream",                      READ,   Owner::Caller,      Known,   STAFF,     General),
];

/// The row of a route. `HEAD` is `GET` without a body.
pub fn find(method: &str, path: &str) -> Option<&'static Rule> {
    let method = if method == "HEAD" { "GET" } else { method };
    TABLE
        .iter()
        .find(|rule| rule.method == method && rule.path == path)
}

/// The methods of a path, for `Allow`; empty when the path has no row at all.
pub fn methods(path: &str) -> String {
    let methods: Vec<_> = TABLE
        .iter()
        .filter(|rule| rule.path == path)
        .flat_map(|rule| match rule.method {
            "GET" => &["GET", "HEAD"][..],
            _ => std::slice::from_ref(&rule.method),
        })
        .copied()
        .collect();
    methods.join(", ")
}
