//! One's own tokens and sessions.

use serde::Serialize;

use super::sample::{fault, hostile, moment};
use super::{Chrome, Fault, Page, SessionRow};

/// One's own tokens and sessions.
#[derive(Debug, Clone, Serialize)]
pub struct TokensPage {
    /// Around it.
    pub chrome: Chrome,
    /// The scopes that a token may have.
    pub scopes: Vec<String>,
    /// What was typed.
    pub wish: TokenWish,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
    /// The token that was made a moment ago: shown this once.
    pub made: Option<MadeToken>,
    /// The newest tokens.
    pub tokens: Vec<TokenRow>,
    /// How many there are.
    pub total: u64,
    /// Whether the reader may see everybody's.
    pub is_admin: bool,
    /// Whether everybody's are shown.
    pub is_everybody: bool,
    /// Whose they are, when they are neither everybody's nor the reader's.
    pub whose: String,
    /// The newest sessions of the reader.
    pub sessions: Vec<SessionRow>,
    /// How many there are.
    pub open: u64,
}

/// What a token shall be, as it was typed.
#[derive(Debug, Clone, Serialize)]
pub struct TokenWish {
    /// How many hours it lives.
    pub hours: String,
    /// `user` or `custom`.
    pub scope_method: String,
    /// Scopes, as a JSON list.
    pub custom_scopes: String,
    /// What it is for.
    pub description: String,
}

impl Default for TokenWish {
    fn default() -> Self {
        Self {
            hours: "8".to_owned(),
            scope_method: "user".to_owned(),
            custom_scopes: String::new(),
            description: String::new(),
        }
    }
}

/// A token that was made a moment ago.
#[derive(Debug, Clone, Serialize)]
pub struct MadeToken {
    /// The token.
    pub token: String,
    /// The whole document.
    pub document: String,
    /// The name of its file.
    pub file: String,
    /// When it ends.
    pub expires_at: String,
}

/// A token in the list.
#[derive(Debug, Clone, Serialize)]
pub struct TokenRow {
    /// Its id.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub issued_at: String,
    /// When it ends.
    pub expires_at: String,
    /// `good`, `revoked` or `ended`.
    pub state: &'static str,
}

impl Page for TokensPage {
    const NAME: &'static str = "pages/tokens.html";

    fn samples() -> Vec<Self> {
        let empty = Self {
            chrome: Chrome::sample(),
            scopes: Vec::new(),
            wish: TokenWish::default(),
            faults: Vec::new(),
            made: None,
            tokens: Vec::new(),
            total: 0,
            is_admin: false,
            is_everybody: false,
            whose: String::new(),
            sessions: Vec::new(),
            open: 0,
        };
        let row = |state| TokenRow {
            id: "0123".to_owned(),
            user: hostile(),
            description: Some(hostile()),
            scopes: vec![hostile()],
            issued_at: moment(),
            expires_at: moment(),
            state,
        };
        let fields = ["expires_in_hours", "requested_scopes", "description", ""];
        let refused = Self {
            faults: fields.map(fault).to_vec(),
            wish: TokenWish {
                hours: "24".to_owned(),
                scope_method: "custom".to_owned(),
                custom_scopes: hostile(),
                description: hostile(),
            },
            ..empty.clone()
        };
        let made = Self {
            scopes: vec![hostile()],
            made: Some(MadeToken {
                token: "hush".to_owned(),
                document: "{}".to_owned(),
                file: "x.json".to_owned(),
                expires_at: moment(),
            }),
            tokens: ["good", "revoked", "ended"].map(row).to_vec(),
            is_admin: true,
            is_everybody: true,
            total: 1_234,
            sessions: vec![SessionRow::sample()],
            open: 1_234,
            ..empty.clone()
        };
        vec![empty, refused, made]
    }
}
