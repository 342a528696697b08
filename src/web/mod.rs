//! The HTTP face: every route on one screen.
//!
//! Three routers for three sockets: the registry (pages and API), the gate (nginx's questions) and the admin socket
//! (the command line of whoever owns the data folder).

mod admin;
mod api;
mod body_gate;
mod extract;
mod feed;
mod gate;
mod layers;
pub mod links;
mod login;
mod mcpgw;
mod oauth;
mod ops;
mod people;
mod problem;
mod provider_login;
mod pump;
mod refusal;
mod state;
mod ui;
pub mod view;
mod well_known;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use std::convert::Infallible;
use std::sync::Arc;
use tower::Service;

pub use extract::client_ip::Arrival;
pub use mcpgw::{tool_count, tool_names};
pub use state::{AppState, Site};

/// Pages, forms and API.
pub fn registry(state: AppState) -> Router {
    let routes = Router::new()
        // Pages and forms.
        .route(links::HOME, get(ui::servers::page))
        .route(links::LOGIN, get(login::page).post(login::submit))
        .route(links::LOGOUT, post(login::sign_out))
        .route(links::AUTH_CALLBACK, get(provider_login::callback))
        .route(links::AUTH_PROVIDER, get(provider_login::begin))
        .route(links::API_AUTH_PROVIDER, get(provider_login::begin))
        .route(
            links::AUTHORIZE,
            get(oauth::authorize_page).post(oauth::authorize),
        )
        .route(
            links::REGISTER,
            get(ui::server_form::new_page).post(api::servers::register),
        )
        .route(links::TOGGLE, post(api::servers::toggle))
        .route(
            links::EDIT,
            get(ui::server_form::edit_page).post(api::servers::edit),
        )
        .route(
            links::SERVER,
            get(ui::server_page::page).post(ui::server_page::act),
        )
        .route(links::USAGE, get(ui::usage::page))
        .route(links::TOKENS, get(ui::tokens::page).post(ui::tokens::act))
        .route(links::OPERATIONS, get(ui::operations::page))
        .route(links::OPERATIONS_NGINX, get(ui::operations::text))
        // Pages for administrators.
        .route(links::ACCESS, get(ui::access::page).post(ui::access::act))
        .route(
            links::ACCESS_SCOPES,
            get(ui::access::scope::new_page).post(ui::access::scope::act_on_new),
        )
        .route(
            links::ACCESS_SCOPE,
            get(ui::access::scope::page).post(ui::access::scope::act),
        )
        .route(
            links::ACCESS_GROUP,
            get(ui::access::group::page).post(ui::access::group::act),
        )
        .route(links::ACCESS_EXPLAIN, get(ui::access::explain::page))
        .route(links::ACCESS_KEYS, get(ui::access::keys::page))
        .route(
            links::ACCESS_MACHINES,
            get(ui::access::machines::page).post(ui::access::machines::act),
        )
        .route(
            links::ACCESS_SESSIONS,
            get(ui::access::sessions::page).post(ui::access::sessions::act),
        )
        .route(links::TRY, get(ui::trial::none).post(ui::trial::ask))
        .route(links::REMOVE, get(ui::removal::page).post(ui::removal::remove))
        .route(links::TOOLS, get(ui::tools::search))
        .route(links::TOOLS_OF, get(ui::tools::of_server))
        .route(links::PREFERENCES, post(ui::preferences::keep))
        .route(links::STATIC, get(ui::assets::file))
        // API: who am I, tokens.
        .route(links::API_LOGIN, post(login::api_submit))
        .route(links::API_LOGOUT, post(login::sign_out))
        .route(links::API_ME, get(api::me::me))
        .route(links::API_TOKENS_GENERATE, post(api::tokens::generate))
        .route(links::API_TOKENS, get(api::tokens::list))
        .route(links::API_TOKEN, delete(api::tokens::revoke))
        .route(links::API_SESSIONS, get(api::sessions::list))
        .route(links::API_SESSION, delete(api::sessions::end))
        .route(links::API_AUTH_TOKEN, post(oauth::token))
        .route(links::API_DEVICE, post(oauth::device))
        .route(links::API_PROVIDERS, get(provider_login::list))
        .route(links::API_USERS, get(api::machines::list))
        .route(links::API_MACHINES, post(api::machines::create))
        .route(links::API_USER, delete(api::machines::remove))
        // API: servers, in the words of each generation of clients.
        .route(links::API_SERVERS, get(api::servers::list))
        .route(links::API_HEALTH, get(api::health::all))
        .route(links::API_HEALTH_OF, get(api::health::one))
        .route(links::API_REFRESH, post(api::health::refresh))
        .route(links::API_TOOLS, get(api::catalog::tools))
        .route(links::API_SERVER_TOOLS, get(api::catalog::tools))
        .route(
            links::API_CATALOG,
            get(api::catalog::catalog).post(api::catalog::approve),
        )
        .route(links::API_SERVER_DETAILS, get(api::servers::details))
        // API: finding things.
        .route(links::API_SEARCH, post(api::search::semantic))
        .route(links::API_SEARCH_TAGS, get(api::search::tags))
        // The feed.
        .route(links::FEED, any(feed::feed))
        .route(links::API_FEED, any(feed::feed))
        .route(links::FEED_STATS, get(feed::stats))
        .route(links::API_FEED_STATS, get(feed::stats))
        // API: groups and rights.
        .route(links::API_GROUPS, get(api::groups::list))
        .route(links::API_GROUPS_CREATE, post(api::group_changes::create))
        .route(links::API_GROUPS_DELETE, post(api::group_changes::delete))
        .route(links::API_GROUPS_ADD, post(api::group_changes::add))
        .route(links::API_GROUPS_REMOVE, post(api::group_changes::remove))
        .route(links::API_GROUPS_IMPORT, post(api::group_changes::import))
        .route(links::API_GROUP, get(api::groups::show))
        .route(links::API_EXPLAIN, get(api::access::explain))
        .route(links::API_SCOPES_FILE, get(api::access::export))
        // API: the call log.
        .route(links::API_CALLS, get(api::calls::list))
        .route(links::API_USAGE, get(api::calls::usage))
        .route(links::API_SCOPES_RESET, post(api::access::reset))
        .route(
            links::API_MANAGEMENT_SERVERS,
            get(api::management::list).post(api::management::create),
        )
        .route(
            links::API_MANAGEMENT_SERVER,
            delete(api::management::remove).post(api::management::switch),
        )
        // Operations.
        .route(links::VALIDATE, get(gate::validate))
        .route(links::HEALTH, get(ops::health))
        .route(links::HEALTHZ, get(ops::healthz))
        .route(links::READYZ, get(ops::readyz))
        .route(links::JWKS, get(ops::jwks))
        .route(
            links::RESOURCE,
            get(well_known::resource).options(well_known::preflight),
        )
        .route(
            links::RESOURCE_BELOW,
            get(well_known::resource).options(well_known::preflight),
        )
        .route(links::API_NGINX, get(ops::nginx))
        .fallback(problem::no_such_page)
        .method_not_allowed_fallback(problem::wrong_method);
    layers::around(routes, &state).with_state(state)
}

/// What nginx asks. Two doors need no router, and every call comes this way.
pub fn gate(
    state: AppState,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static {
    let doors = Arc::new(body_gate::Doors {
        own: mcpgw::Own::new(state.clone()),
        gate: state.gate,
        relay: state.relay,
        unsaid: state.unsaid,
    });
    tower::service_fn(move |request: Request| {
        let doors = Arc::clone(&doors);
        async move {
            Ok(match request.uri().path() {
                "/_gate/check" => gate::check(&doors.gate, request.headers()).await,
                _ => body_gate::door(&doors, request).await,
            })
        }
    })
}

/// What the command line asks of a running daemon.
pub fn admin(state: AppState) -> Router {
    Router::new()
        .route(links::ADMIN_PASSWORD, post(admin::reset_password))
        .route(links::ADMIN_TOKENS, get(admin::tokens).post(admin::create_token))
        .route(links::ADMIN_REVOKE, post(admin::revoke))
        .route(links::ADMIN_ROTATE, post(admin::rotate_keys))
        .route(
            links::ADMIN_MACHINES,
            get(admin::machines).post(admin::create_machine),
        )
        .route(links::ADMIN_MACHINE_REMOVE, post(admin::remove_machine))
        .route(links::ADMIN_EXPLAIN, post(admin::explain))
        .route(
            links::ADMIN_SCOPES,
            get(admin::export_scopes).post(admin::import_scopes),
        )
        .route(links::ADMIN_SCOPES_RESET, post(admin::reset_scope))
        .with_state(state)
}
