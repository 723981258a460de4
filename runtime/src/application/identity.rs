//! Who calls: a person with roles, through a session or through one of their keys.

use jiff::Timestamp;

use crate::domain::actor::{Actor, Person};
use crate::domain::ids::UserId;
use crate::domain::roles::{Scope, Scopes};

/// A caller who has proven who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub person: Person,
    /// May go on reading and flying, and file nothing new.
    pub suspended: bool,
    /// The session that was used; none when a key was.
    pub session: Option<SessionUse>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUse {
    /// Public half of the cookie.
    pub id: String,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
}

impl Identity {
    pub fn user(&self) -> UserId {
        self.person.id
    }

    /// Names what limits go by: each key has an allowance of its own, and each user who is logged in.
    pub fn caller(&self) -> String {
        match &self.person.key {
            Some(key) => key.id.to_string(),
            None => self.user().to_string(),
        }
    }

    pub fn actor(&self) -> Actor {
        Actor::User(self.person.clone())
    }

    /// What the key may do at most; none for a session, which may all that its roles permit.
    pub fn scopes(&self) -> Option<&Scopes> {
        self.person.key.as_ref().map(|key| &key.scopes)
    }

    /// Staff read every PIREP; everybody else their own and the accepted ones.
    pub fn reads_every_pirep(&self) -> bool {
        self.person.roles.review() && self.person.allows(Scope::Review)
    }

    /// Staff read the list of users.
    pub fn reads_users(&self) -> bool {
        self.person.roles.review() && self.person.allows(Scope::Users)
    }
}
