//! The list of servers: rights first, then the words that are looked for, then the page.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::chrome::{chrome, kept};
use super::order::Order;
use super::paging::{Cut, said};
use super::server_row::{Condition, Eyes};
use crate::domain::access::Action;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::server::Server;
use crate::web::extract::questions::Questions;
use crate::web::extract::visitor::{PageMember, is_partial};
use crate::web::links;
use crate::web::problem::Problem;
use crate::web::state::AppState;
use crate::web::view::pages::{Figures, List, Section, ServerList, ServerRow, Servers, Tab};

/// The cookie of how servers are shown.
pub(super) const VIEW: (&str, &[&str]) = ("gatehouse_view", &["table", "cards"]);
/// Servers of a page: with the first words of the feed about a thousand that are all ill it stays below 300 kB.
const PAGE: usize = 40;
/// Longer words are looked for up to here.
const LONGEST_QUERY: usize = 200;

/// What is looked for. Everything is a text: an address is anybody's to write.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    show: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
    #[serde(default)]
    saved: String,
}

/// What is looked at: words, a filter, an order.
#[derive(Debug, Clone)]
struct Look {
    query: String,
    show: &'static str,
    order: Order,
}

/// The filters: a word in the address, and what it is called.
const FILTERS: [(&str, &str); 4] = [
    ("all", "All"),
    ("enabled", "Enabled"),
    ("disabled", "Disabled"),
    ("issues", "Issues"),
];

fn passes(filter: &str, server: &Server, condition: &Condition) -> bool {
    match filter {
        "enabled" => server.enabled,
        "disabled" => !server.enabled,
        "issues" => matches!(condition.tone, "warn" | "bad"),
        _ => true,
    }
}

/// Whether every word stands somewhere in what its owner says of it.
fn speaks_of(server: &Server, words: &[String]) -> bool {
    let profile = &server.profile;
    let texts = [
        profile.name.as_str(),
        profile.description.as_str(),
        server.path.as_str(),
    ];
    let texts = texts.into_iter().chain(profile.tags.iter().map(String::as_str));
    let texts = texts.collect::<Vec<_>>().join("\n").to_lowercase();
    words.iter().all(|word| texts.contains(word))
}

/// `GET /`: the page; for our script the list alone.
pub(in crate::web) async fn page(
    State(state): State<AppState>,
    PageMember(caller): PageMember,
    headers: HeaderMap,
    Questions(asked): Questions<Asked>,
) -> Response {
    let who = &caller.identity;
    let servers = match state.registry.list(who).await {
        Ok(servers) => servers,
        Err(error) => return Problem::from(error).into_response(),
    };
    let eyes = Eyes::new(&state, who);
    let seen: Vec<(Server, Condition)> = servers
        .into_iter()
        .map(|server| {
            let condition = eyes.condition(&server);
            (server, condition)
        })
        .collect();
    let may_register = eyes.may(Action::Register, None);
    let (list, saved) = list(&eyes, &asked, seen, &headers);
    let page = Servers {
        chrome: chrome(&state, &caller, &headers, Section::Servers),
        may_register,
        fault: state
            .nginx
            .borrow()
            .fault
            .clone()
            .filter(|_| eyes.is_administrator()),
        saved_unseen: (saved.is_none() && may_register)
            .then(|| unseen(&state, who, &asked.saved))
            .flatten(),
        saved,
        list,
    };
    if is_partial(&headers) {
        state.view.page(StatusCode::OK, &ServerList(page))
    } else {
        state.view.page(StatusCode::OK, &page)
    }
}

/// What somebody saved who may not see it: its path and no word more, and only of a server that there is.
fn unseen(state: &AppState, who: &Identity, saved: &str) -> Option<String> {
    let path: ServerPath = saved.parse().ok()?;
    let known = state.monitor.state(&path)?;
    let is_seen = state.rights.borrow().may_see(who, &path, &known.name);
    (!is_seen).then(|| path.to_string())
}

fn list(
    eyes: &Eyes<'_>,
    asked: &Asked,
    seen: Vec<(Server, Condition)>,
    headers: &HeaderMap,
) -> (List, Option<ServerRow>) {
    let query: String = asked.q.trim().chars().take(LONGEST_QUERY).collect();
    let words: Vec<String> = query
        .to_lowercase()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let show = FILTERS.iter().find(|(word, _)| *word == asked.show);
    let show = show.map_or("all", |(word, _)| *word);
    let look = Look {
        query,
        show,
        order: Order::of(&asked.sort),
    };
    let figures = figures(eyes, &seen);
    let none_yet = seen.iter().all(|(server, _)| server.is_built_in());
    let saved = seen
        .iter()
        .position(|(server, _)| !asked.saved.is_empty() && server.path.as_str() == asked.saved);
    let saved = saved.and_then(|at| seen.get(at)).map(|(server, _)| {
        let condition = eyes.condition(server);
        eyes.row(server, condition)
    });

    let found: Vec<(Server, Condition)> = seen
        .into_iter()
        .filter(|(server, _)| speaks_of(server, &words))
        .collect();
    let tabs = FILTERS.map(|(word, name)| Tab {
        show: word,
        name,
        count: found
            .iter()
            .filter(|(server, condition)| passes(word, server, condition))
            .count(),
        href: Look {
            show: word,
            ..look.clone()
        }
        .address(1),
        is_here: word == show,
    });
    let mut found: Vec<(Server, Condition)> = found
        .into_iter()
        .filter(|(server, condition)| passes(show, server, condition))
        .collect();
    look.order.sort(eyes, &mut found);
    let cut = Cut::of(found.len(), PAGE, &asked.page);
    let rows: Vec<ServerRow> = cut
        .rows(found)
        .map(|(server, condition)| eyes.row(&server, condition))
        .collect();
    let list = List {
        here: look.with_saved(cut.number, saved.as_ref().map_or("", |saved| &saved.path)),
        show,
        view: kept(headers, VIEW),
        tabs: tabs.to_vec(),
        figures,
        none_yet,
        pager: cut.pager(|number| look.address(number)),
        columns: look.order.columns(|order| {
            Look {
                order,
                ..look.clone()
            }
            .address(1)
        }),
        sort: look.order.said(),
        query: look.query,
        rows,
    };
    (list, saved)
}

fn figures(eyes: &Eyes<'_>, seen: &[(Server, Condition)]) -> Figures {
    let count = |is_so: &dyn Fn(&(Server, Condition)) -> bool| seen.iter().filter(|one| is_so(one)).count();
    Figures {
        servers: seen.len(),
        enabled: count(&|(server, _)| server.enabled),
        healthy: count(&|(_, condition)| condition.tone == "good"),
        issues: count(&|(_, condition)| matches!(condition.tone, "warn" | "bad")),
        tools: seen.iter().map(|(server, _)| eyes.tools(server)).sum(),
    }
}

impl Look {
    /// The address of a page of it; what is not said is not written.
    fn address(&self, page: usize) -> String {
        self.with_saved(page, "")
    }

    /// The same with the server that was saved a moment ago, which is told about as long as the page stays.
    fn with_saved(&self, page: usize, saved: &str) -> String {
        let show = Some(self.show).filter(|show| *show != "all").unwrap_or_default();
        let sort = self.order.said().unwrap_or_default();
        let page = said(page);
        let questions = [
            ("q", self.query.as_str()),
            ("show", show),
            ("sort", &sort),
            ("page", &page),
            ("saved", saved),
        ];
        links::asking(links::HOME, &questions)
    }
}
