//! Signing in, and saying yes to the command line.

use serde::Serialize;

use super::{Chrome, Page, hostile};

/// The sign-in page.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// Around it.
    pub chrome: Chrome,
    /// Where to go afterwards.
    pub next: String,
    /// The name that was typed.
    pub username: String,
    /// What went wrong.
    pub error: Option<String>,
    /// The identity providers to sign in through.
    pub providers: Vec<Choice>,
}

/// One of several ways to go.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// Where it leads.
    pub href: String,
    /// What it is called.
    pub name: String,
}

impl Page for Login {
    const NAME: &'static str = "pages/login.html";

    fn samples() -> Vec<Self> {
        let next = "/edit/weather".to_owned();
        vec![
            Self {
                chrome: Chrome::stranger(),
                next: next.clone(),
                username: String::new(),
                error: None,
                providers: Vec::new(),
            },
            Self {
                chrome: Chrome::stranger(),
                next,
                username: hostile(),
                error: Some("Invalid username or password".to_owned()),
                providers: vec![Choice {
                    href: "/auth/keycloak".to_owned(),
                    name: "Keycloak".to_owned(),
                }],
            },
        ]
    }
}

/// The question whether the command line may act for the person.
#[derive(Debug, Clone, Serialize)]
pub struct Authorize {
    /// Around it.
    pub chrome: Chrome,
    /// Who is asked.
    pub user: String,
    /// Where the answer goes: an address of the person's own machine.
    pub redirect_uri: String,
    /// The asker's state, sent back as it came.
    pub state: String,
    /// The challenge of the asker's verifier.
    pub code_challenge: String,
    /// The form's token.
    pub csrf_token: String,
}

impl Page for Authorize {
    const NAME: &'static str = "pages/authorize.html";

    fn samples() -> Vec<Self> {
        vec![Self {
            chrome: Chrome::stranger(),
            user: "ada".to_owned(),
            redirect_uri: "http://127.0.0.1:4711/callback".to_owned(),
            state: "s".to_owned(),
            code_challenge: "c".to_owned(),
            csrf_token: "t".to_owned(),
        }]
    }
}
