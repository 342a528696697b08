//! Every path that we serve, as constants; templates and redirects take them from here.

/// The list of servers.
pub const HOME: &str = "/";
/// The sign-in page and its form.
pub const LOGIN: &str = "/login";
/// Sign out.
pub const LOGOUT: &str = "/logout";
/// The registration form and call.
pub const REGISTER: &str = "/register";
/// Switch a server.
pub const TOGGLE: &str = "/toggle/{*path}";
/// The edit form and call.
pub const EDIT: &str = "/edit/{*path}";
/// The tools of every server, searched.
pub const TOOLS: &str = "/tools";
/// The tools of one server.
pub const TOOLS_OF: &str = "/tools/{*path}";
/// The question whether a server may go, and the answer.
pub const REMOVE: &str = "/remove/{*path}";
/// Ask a server before it is saved.
pub const TRY: &str = "/register/try";
/// Calls and figures over time.
pub const USAGE: &str = "/usage";
/// One's own tokens.
pub const TOKENS: &str = "/tokens";
/// Groups, scopes, sessions, machine accounts.
pub const ACCESS: &str = "/access";
/// What nginx runs.
pub const OPERATIONS: &str = "/operations";
/// Everything about one server.
pub const SERVER: &str = "/servers/{*path}";
/// A new scope.
pub const ACCESS_SCOPES: &str = "/access/scopes";
/// One scope.
pub const ACCESS_SCOPE: &str = "/access/scopes/{*name}";
/// One group of people.
pub const ACCESS_GROUP: &str = "/access/groups/{*name}";
/// Why somebody may do something, or not.
pub const ACCESS_EXPLAIN: &str = "/access/explain";
/// API keys of the settings.
pub const ACCESS_KEYS: &str = "/access/keys";
/// Machine accounts.
pub const ACCESS_MACHINES: &str = "/access/machines";
/// Everybody's sessions.
pub const ACCESS_SESSIONS: &str = "/access/sessions";
/// The file that nginx runs.
pub const OPERATIONS_NGINX: &str = "/operations/nginx";
/// How a person likes to look at the pages.
pub const PREFERENCES: &str = "/preferences";
/// Our stylesheet and script.
pub const STATIC: &str = "/static/{file}";
/// Sign in through an identity provider.
pub const AUTH_PROVIDER: &str = "/auth/{provider}";
/// The same, as earlier systems call it.
pub const API_AUTH_PROVIDER: &str = "/api/auth/auth/{provider}";
/// Where an identity provider sends the browser back to.
pub const AUTH_CALLBACK: &str = "/auth/callback";
/// The ways to sign in.
pub const API_PROVIDERS: &str = "/api/auth/providers";
/// Where the command line sends a browser to sign in.
pub const AUTHORIZE: &str = "/oauth2/authorize";
/// Where it begins when there is no browser.
pub const API_DEVICE: &str = "/api/auth/device";
/// Sign in, for programs.
pub const API_LOGIN: &str = "/api/auth/login";
/// Sign out, for programs.
pub const API_LOGOUT: &str = "/api/auth/logout";
/// Who am I, and what may I do.
pub const API_ME: &str = "/api/auth/me";
/// Open sessions.
pub const API_SESSIONS: &str = "/api/sessions";
/// One of them.
pub const API_SESSION: &str = "/api/sessions/{id}";
/// Refresh a token.
pub const API_AUTH_TOKEN: &str = "/api/auth/token";
/// Vended tokens.
pub const API_TOKENS: &str = "/api/tokens";
/// One of them.
pub const API_TOKEN: &str = "/api/tokens/{id}";
/// Vend a token.
pub const API_TOKENS_GENERATE: &str = "/api/tokens/generate";
/// How every server is.
pub const API_HEALTH: &str = "/api/servers/health";
/// How one is and was.
pub const API_HEALTH_OF: &str = "/api/servers/health/{*path}";
/// How every server is, as a stream.
pub const FEED: &str = "/ws/health_status";
/// The same as later clients call it.
pub const API_FEED: &str = "/api/health/ws/health_status";
/// What the stream did.
pub const FEED_STATS: &str = "/ws/stats";
/// The same as later clients call it.
pub const API_FEED_STATS: &str = "/api/health/ws/stats";
/// Check one now.
pub const API_REFRESH: &str = "/api/refresh/{*path}";
/// The tools of one, or of all.
pub const API_TOOLS: &str = "/api/tools/{*path}";
/// The same under its other name.
pub const API_SERVER_TOOLS: &str = "/api/servers/tools/{*path}";
/// Everything that one offers, with its versions; approve what is held.
pub const API_CATALOG: &str = "/api/catalog/{*path}";
/// All servers, paged.
pub const API_SERVERS: &str = "/api/servers";
/// Groups and scopes.
pub const API_GROUPS: &str = "/api/servers/groups";
/// Make a group.
pub const API_GROUPS_CREATE: &str = "/api/servers/groups/create";
/// Remove a group.
pub const API_GROUPS_DELETE: &str = "/api/servers/groups/delete";
/// Give groups a server.
pub const API_GROUPS_ADD: &str = "/api/servers/groups/add";
/// Take a server away from groups.
pub const API_GROUPS_REMOVE: &str = "/api/servers/groups/remove";
/// Take in a scope document.
pub const API_GROUPS_IMPORT: &str = "/api/servers/groups/import";
/// One group.
pub const API_GROUP: &str = "/api/servers/groups/{*name}";
/// Why somebody may do something, or not.
pub const API_EXPLAIN: &str = "/api/access/explain";
/// What holds, as a scopes file.
pub const API_SCOPES_FILE: &str = "/api/access/scopes.yml";
/// Give a scope back to the file.
pub const API_SCOPES_RESET: &str = "/api/access/reset";
/// Find tools and servers.
pub const API_SEARCH: &str = "/api/search/semantic";
/// The tags of what can be found.
pub const API_SEARCH_TAGS: &str = "/api/search/tags";
/// Calls, one by one.
pub const API_CALLS: &str = "/api/calls";
/// Calls, counted over time.
pub const API_USAGE: &str = "/api/usage";
/// One server's record, or `all`.
pub const API_SERVER_DETAILS: &str = "/api/server_details/{*path}";
/// Management: list and create.
pub const API_MANAGEMENT_SERVERS: &str = "/api/management/servers";
/// Management: remove; with `/enable` or `/disable` behind it, switch.
pub const API_MANAGEMENT_SERVER: &str = "/api/management/servers/{*name}";
/// People and machines that we know ourselves.
pub const API_USERS: &str = "/api/management/iam/users";
/// Make a machine account.
pub const API_MACHINES: &str = "/api/management/iam/users/m2m";
/// Remove one.
pub const API_USER: &str = "/api/management/iam/users/{name}";
/// The check for people with their own nginx.
pub const VALIDATE: &str = "/validate";
/// The health of earlier systems.
pub const HEALTH: &str = "/health";
/// Whether the process lives.
pub const HEALTHZ: &str = "/healthz";
/// Whether it serves.
pub const READYZ: &str = "/readyz";
/// What nginx runs.
pub const API_NGINX: &str = "/api/operations/nginx";
/// Our public keys.
pub const JWKS: &str = "/.well-known/jwks.json";
/// Who issues tokens for an address of ours (RFC 9728).
pub const RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// The same for an address below the root.
pub const RESOURCE_BELOW: &str = "/.well-known/oauth-protected-resource/{*path}";

/// A new password for a local account.
pub const ADMIN_PASSWORD: &str = "/admin/password";
/// Sign with a new key.
pub const ADMIN_ROTATE: &str = "/admin/rotate-keys";
/// Revoke a token.
pub const ADMIN_REVOKE: &str = "/admin/revoke";
/// Make a machine account; all of them.
pub const ADMIN_MACHINES: &str = "/admin/machines";
/// Remove one.
pub const ADMIN_MACHINE_REMOVE: &str = "/admin/machines/remove";
/// A token for anybody; all of them.
pub const ADMIN_TOKENS: &str = "/admin/tokens";
/// Why anybody may do something, or not.
pub const ADMIN_EXPLAIN: &str = "/admin/access/explain";
/// The scopes as a file: written, taken in.
pub const ADMIN_SCOPES: &str = "/admin/access/scopes";
/// Give a scope back to the file.
pub const ADMIN_SCOPES_RESET: &str = "/admin/access/reset";

/// Every public path, for the test that holds the reserved mount paths against the router.
pub const ALL: &[&str] = &[
    HOME,
    LOGIN,
    LOGOUT,
    REGISTER,
    TOGGLE,
    EDIT,
    TOOLS,
    TOOLS_OF,
    REMOVE,
    TRY,
    USAGE,
    TOKENS,
    ACCESS,
    OPERATIONS,
    OPERATIONS_NGINX,
    SERVER,
    ACCESS_SCOPES,
    ACCESS_SCOPE,
    ACCESS_GROUP,
    ACCESS_EXPLAIN,
    ACCESS_KEYS,
    ACCESS_MACHINES,
    ACCESS_SESSIONS,
    PREFERENCES,
    STATIC,
    API_LOGIN,
    API_LOGOUT,
    API_ME,
    API_TOKENS_GENERATE,
    API_SERVERS,
    API_GROUPS,
    API_GROUPS_CREATE,
    API_GROUPS_DELETE,
    API_GROUPS_ADD,
    API_GROUPS_REMOVE,
    API_GROUPS_IMPORT,
    API_GROUP,
    API_EXPLAIN,
    API_SCOPES_FILE,
    API_SCOPES_RESET,
    API_SEARCH,
    API_SEARCH_TAGS,
    API_CALLS,
    API_USAGE,
    API_SERVER_DETAILS,
    API_MANAGEMENT_SERVERS,
    API_MANAGEMENT_SERVER,
    VALIDATE,
    HEALTH,
    HEALTHZ,
    READYZ,
    JWKS,
    API_NGINX,
    API_AUTH_TOKEN,
    API_TOKENS,
    API_TOKEN,
    API_SESSIONS,
    API_SESSION,
    AUTH_PROVIDER,
    AUTH_CALLBACK,
    API_AUTH_PROVIDER,
    API_PROVIDERS,
    AUTHORIZE,
    API_DEVICE,
    API_USERS,
    API_MACHINES,
    API_USER,
    RESOURCE,
    RESOURCE_BELOW,
    API_HEALTH,
    API_HEALTH_OF,
    API_REFRESH,
    API_TOOLS,
    API_SERVER_TOOLS,
    API_CATALOG,
    FEED,
    API_FEED,
    FEED_STATS,
    API_FEED_STATS,
];

/// The page of one server.
pub fn server(path: &crate::domain::path::ServerPath) -> String {
    SERVER.replace("/{*path}", path.as_str())
}

/// The tools of one server.
pub fn tools(path: &crate::domain::path::ServerPath) -> String {
    TOOLS_OF.replace("/{*path}", path.as_str())
}

/// The page of one scope, whose name may hold anything that a scopes file may say.
pub fn scope(name: &str) -> String {
    named(ACCESS_SCOPE, name)
}

/// The page of one group, which an identity provider may call anything.
pub fn group(name: &str) -> String {
    named(ACCESS_GROUP, name)
}

fn named(link: &str, name: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    link.replace("{*name}", &name)
}

/// A page with these questions; those without an answer are left out.
pub fn asking(page: &str, questions: &[(&str, &str)]) -> String {
    let said: Vec<_> = questions
        .iter()
        .filter(|(_, answer)| !answer.is_empty())
        .collect();
    match serde_urlencoded::to_string(&said) {
        Ok(query) if !query.is_empty() => format!("{page}?{query}"),
        _ => page.to_owned(),
    }
}

/// The list, which begins with the server that was saved a moment ago.
pub fn saved(path: &crate::domain::path::ServerPath) -> String {
    asking(HOME, &[("saved", path.as_str())])
}

/// The sign-in at a provider that comes back to `next`.
pub fn provider_with_next(provider: &str, next: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let address = AUTH_PROVIDER.replace("{provider}", provider);
    if next == HOME {
        address
    } else {
        format!("{address}?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
    }
}

/// The sign-in page that comes back to `next`, if it would: an address that it does not take is left out.
pub fn login_with_next(next: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    if next == HOME || crate::domain::local_path::LocalPath::parse(next).is_none() {
        LOGIN.to_owned()
    } else {
        format!("{LOGIN}?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_server_can_be_mounted_where_a_route_of_ours_begins() {
        for link in super::ALL.iter().filter(|link| **link != super::HOME) {
            let first = link.split('/').nth(1).unwrap();
            assert!(crate::domain::path::is_reserved(first), "{link} is not reserved");
        }
    }
}
