//! What can be asked of a user's account.

use jiff::Timestamp;

use crate::domain::ids::KeyId;
use crate::domain::roles::{Roles, Scopes};

#[derive(Clone, Debug, PartialEq)]
pub enum UserCommand {
    Register(NewUser),
    /// The operator's wish: this person is an admin, managed from outside. Creates the account if need be.
    EnsureAdmin(NewUser),
    /// The operator's wish: no longer an admin, no longer managed from outside.
    ReleaseAdmin,
    SetRoles(Roles),
    /// From the command line: this account is an admin's.
    Promote,
    Approve,
    Suspend {
        reason: String,
    },
    Reinstate,
    /// The verifier itself is a credential and no part of any event.
    ChangePassword,
    ChangeProfile {
        display_name: String,
        callsign: Option<String>,
    },
    IssueApiKey(NewApiKey),
    /// The operator's wish: this key exists, is managed from outside and may do just this.
    EnsureApiKey(NewApiKey),
    RevokeApiKey(KeyId),
    IssueLoginLink {
        link_id: KeyId,
        expires_at: Timestamp,
    },
    Erase,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewUser {
    /// None for a machine.
    pub email: Option<String>,
    pub display_name: String,
    pub callsign: Option<String>,
    pub roles: Roles,
    /// Stands for a program: has keys, never logs in.
    pub machine: bool,
    /// A password credential is written with the registration.
    pub with_password: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct NewApiKey {
    pub key_id: KeyId,
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
}
