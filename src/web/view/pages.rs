//! A struct for each page, with samples that show its states. The file of a page has its name.

use serde::Serialize;
use tera::Tera;

use super::{Error, render};

/// A page: which file shows it, and in which states it is tried.
pub trait Page: Serialize + Sized {
    /// The template's name under `templates/`.
    const NAME: &'static str;

    /// Empty, full, refused: each state a person can see.
    fn samples() -> Vec<Self>;
}

/// Render every page with every sample.
pub(super) fn check(tera: &Tera) -> Result<(), Error> {
    fn all<P: Page>(tera: &Tera) -> Result<(), Error> {
        P::samples()
            .iter()
            .try_for_each(|sample| render(tera, sample).map(drop))
    }
    all::<Login>(tera)?;
    all::<Authorize>(tera)?;
    all::<Servers>(tera)?;
    all::<ServerForm>(tera)
}

/// What every page of somebody known shows around itself.
#[derive(Debug, Clone, Serialize)]
pub struct Chrome {
    /// Who is signed in.
    pub user: String,
    /// For forms; none when a token and no session shows the page.
    pub csrf_token: Option<String>,
}

impl Chrome {
    fn sample() -> Self {
        Self {
            user: "ada".to_owned(),
            csrf_token: Some("0123".to_owned()),
        }
    }
}

/// The sign-in page.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// Where to go afterwards.
    pub next: String,
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
                next: next.clone(),
                error: None,
                providers: Vec::new(),
            },
            Self {
                next,
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
            user: "ada".to_owned(),
            redirect_uri: "http://127.0.0.1:4711/callback".to_owned(),
            state: "s".to_owned(),
            code_challenge: "c".to_owned(),
            csrf_token: "t".to_owned(),
        }]
    }
}

/// The list of servers.
#[derive(Debug, Clone, Serialize)]
pub struct Servers {
    /// Around it.
    pub chrome: Chrome,
    /// Whether the person may register one.
    pub may_register: bool,
    /// Why nginx does not run the newest configuration; for administrators.
    pub fault: Option<String>,
    /// Whether nobody has registered one that the person may see.
    pub none_yet: bool,
    /// The servers that the person may see.
    pub servers: Vec<ServerRow>,
}

/// A server in the list.
#[derive(Debug, Clone, Serialize)]
pub struct ServerRow {
    /// Display name.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// What it is for.
    pub description: String,
    /// What a client calls.
    pub url: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether an administrator trusts it.
    pub trusted: bool,
    /// `live`, `pending` or `disabled`.
    pub state: String,
    /// Why it is pending.
    pub reason: Option<String>,
    /// How it is: the word for the colour.
    pub health: String,
    /// And all that is said of it.
    pub health_words: String,
    /// How many tools it has.
    pub tools: i64,
    /// Whether it is our own.
    pub built_in: bool,
    /// Whether the person may switch it.
    pub may_toggle: bool,
    /// Whether the person may edit it.
    pub may_edit: bool,
}

impl Page for Servers {
    const NAME: &'static str = "pages/servers.html";

    fn samples() -> Vec<Self> {
        let row = |state: &str, reason: Option<&str>| ServerRow {
            name: "Weather".to_owned(),
            path: "/weather".to_owned(),
            description: "Forecasts".to_owned(),
            url: "http://127.0.0.1:8080/weather/mcp".to_owned(),
            tags: vec!["forecast".to_owned()],
            enabled: state != "disabled",
            trusted: state == "live",
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            health: "unhealthy".to_owned(),
            health_words: "unhealthy: it is gone".to_owned(),
            tools: 3,
            built_in: state == "pending",
            may_toggle: state == "live",
            may_edit: state == "live",
        };
        let rows = vec![
            row("live", None),
            row("pending", Some("the name does not resolve")),
            row("disabled", None),
        ];
        let empty = Self {
            chrome: Chrome::sample(),
            may_register: true,
            fault: None,
            none_yet: true,
            servers: Vec::new(),
        };
        let nobody = Self {
            chrome: Chrome {
                csrf_token: None,
                ..Chrome::sample()
            },
            may_register: false,
            ..empty.clone()
        };
        let full = Self {
            fault: Some("a port is taken".to_owned()),
            none_yet: false,
            servers: rows,
            ..empty.clone()
        };
        vec![empty, nobody, full]
    }
}

/// A fault beside its field; without a field it is the whole form's.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// The field's name.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// One line of a server's history.
#[derive(Debug, Clone, Serialize)]
pub struct Past {
    /// When, as RFC 3339 writes it.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What, in a few words.
    pub deed: &'static str,
}

/// The form of a server.
#[derive(Debug, Clone, Serialize)]
pub struct ServerForm {
    /// Around it.
    pub chrome: Chrome,
    /// Where it is sent.
    pub action: String,
    /// The server that is edited; none when a new one is registered.
    pub editing: Option<String>,
    /// Display name.
    pub name: String,
    /// Mount path.
    pub path: String,
    /// The upstream's address.
    pub proxy_pass_url: String,
    /// What it is for.
    pub description: String,
    /// Tags with commas.
    pub tags: String,
    /// How many tools.
    pub num_tools: String,
    /// Stars.
    pub num_stars: String,
    /// Licence.
    pub license: String,
    /// A JSON object.
    pub metadata: String,
    /// How its credential is presented: `none`, `bearer` or `api_key`.
    pub auth_scheme: String,
    /// In which header; empty means the scheme's own.
    pub auth_header_name: String,
    /// Names of its own headers, each with a colon, a line each; values are never shown.
    pub headers: String,
    /// Whether it is told who is asking.
    pub identity_headers: bool,
    /// Whether it is written in Python.
    pub is_python: bool,
    /// Whether its tools change only with approval.
    pub pinned: bool,
    /// Whether it is trusted.
    pub trusted: bool,
    /// Whether the person may say so.
    pub is_admin: bool,
    /// What was wrong with what was typed.
    pub faults: Vec<Fault>,
    /// What was done to it of late.
    pub history: Vec<Past>,
}

impl Page for ServerForm {
    const NAME: &'static str = "pages/server_form.html";

    fn samples() -> Vec<Self> {
        let new = Self {
            chrome: Chrome::sample(),
            action: "/register".to_owned(),
            editing: None,
            name: String::new(),
            path: String::new(),
            proxy_pass_url: String::new(),
            description: String::new(),
            tags: String::new(),
            num_tools: String::new(),
            num_stars: String::new(),
            license: String::new(),
            metadata: String::new(),
            auth_scheme: "none".to_owned(),
            auth_header_name: String::new(),
            headers: String::new(),
            identity_headers: true,
            is_python: false,
            pinned: false,
            trusted: true,
            is_admin: true,
            faults: Vec::new(),
            history: Vec::new(),
        };
        let fault = |field: &str| Fault {
            field: field.to_owned(),
            message: "it is required".to_owned(),
        };
        let fields = [
            "",
            "name",
            "path",
            "proxy_pass_url",
            "description",
            "tags",
            "num_tools",
            "license",
            "metadata",
        ];
        let refused = Self {
            faults: fields.map(fault).to_vec(),
            is_admin: false,
            ..new.clone()
        };
        let editing = Self {
            editing: Some("/weather".to_owned()),
            action: "/edit/weather".to_owned(),
            history: vec![Past {
                at: "2026-01-02T03:04:05Z".to_owned(),
                actor: "ada".to_owned(),
                deed: "trusted",
            }],
            ..new.clone()
        };
        vec![new, refused, editing]
    }
}
