//! Who did what to what, and when.

use serde::Serialize;

use crate::clock::Timestamp;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A server was registered.
    ServerRegistered,
    /// A server's record was changed.
    ServerChanged,
    /// A server was switched on.
    ServerEnabled,
    /// A server was switched off.
    ServerDisabled,
    /// A server was removed.
    ServerRemoved,
    /// A server was given trust: its answers may go through nginx unread.
    ServerTrusted,
    /// The trust in a server was taken away.
    ServerDistrusted,
    /// A local account got a new password.
    PasswordReset,
    /// A session was ended by its owner from elsewhere, or by an administrator.
    SessionEnded,
    /// A token was revoked, with its refreshes.
    TokenRevoked,
    /// A machine account was made.
    MachineCreated,
    /// A machine account was removed; its tokens end.
    MachineRemoved,
    /// Definitions of a pinned server that were held were approved.
    CatalogApproved,
    /// A scope was made or changed in the store.
    ScopeChanged,
    /// A scope was removed, or hidden where the file has it.
    ScopeRemoved,
    /// What the store said of a scope was forgotten; the file counts again.
    ScopeReset,
}

impl Deed {
    const ALL: [Self; 16] = [
        Self::ServerRegistered,
        Self::ServerChanged,
        Self::ServerEnabled,
        Self::ServerDisabled,
        Self::ServerRemoved,
        Self::ServerTrusted,
        Self::ServerDistrusted,
        Self::PasswordReset,
        Self::SessionEnded,
        Self::TokenRevoked,
        Self::MachineCreated,
        Self::MachineRemoved,
        Self::CatalogApproved,
        Self::ScopeChanged,
        Self::ScopeRemoved,
        Self::ScopeReset,
    ];

    /// The deed of a word in the store.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == word)
    }

    /// Trust given or taken.
    pub fn of_trust(trusted: bool) -> Self {
        if trusted {
            Self::ServerTrusted
        } else {
            Self::ServerDistrusted
        }
    }

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerRegistered => "server_registered",
            Self::ServerChanged => "server_changed",
            Self::ServerEnabled => "server_enabled",
            Self::ServerDisabled => "server_disabled",
            Self::ServerRemoved => "server_removed",
            Self::ServerTrusted => "server_trusted",
            Self::ServerDistrusted => "server_distrusted",
            Self::PasswordReset => "password_reset",
            Self::SessionEnded => "session_ended",
            Self::TokenRevoked => "token_revoked",
            Self::MachineCreated => "machine_created",
            Self::MachineRemoved => "machine_removed",
            Self::CatalogApproved => "catalog_approved",
            Self::ScopeChanged => "scope_changed",
            Self::ScopeRemoved => "scope_removed",
            Self::ScopeReset => "scope_reset",
        }
    }
}

/// One row of the audit trail, written in the same transaction as the deed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub deed: Deed,
    /// To what: a mount path, an account's name, a token's id, or `scope` and a scope's name.
    pub target: String,
}
