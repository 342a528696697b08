//! The register of settings: one row each. Flags, variables, the file's keys, `gatehouse settings` and the reference in
//! the guide are made from it.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key in the file; with `-` for `_` it is the flag.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// What holds when nothing is said, in words.
    pub default: &'static str,
    /// The version that brought it.
    pub since: &'static str,
    /// What it does.
    pub sentence: &'static str,
}

pub(super) const fn key(
    name: &'static str,
    variable: &'static str,
    default: &'static str,
    sentence: &'static str,
) -> Key {
    Key {
        name,
        variable,
        default,
        since: "0.1",
        sentence,
    }
}

/// Every setting, in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(super::embeddings::KEYS)
}

/// Those whose part has no table of its own.
const KEYS: &[Key] = &[
    key(
        "data_dir",
        "GATEHOUSE_DATA_DIR",
        "data",
        "The folder that holds all state: store, keys, sockets, logs.",
    ),
    key(
        "listen",
        "GATEHOUSE_LISTEN",
        "127.0.0.1:8080,127.0.0.1:7860, and the same on [::1]",
        "TCP addresses, separated by commas; ours alone to listen on.",
    ),
    key(
        "registry_url",
        "REGISTRY_URL",
        "http:// and the first listen address",
        "The public base of every address that is printed; https here makes cookies secure.",
    ),
    key(
        "server_names",
        "GATEWAY_ADDITIONAL_SERVER_NAMES",
        "none",
        "Host names that requests may be sent to, beside that of registry_url, localhost and addresses; separated by commas.",
    ),
    key(
        "ec2_metadata_url",
        "GATEHOUSE_EC2_METADATA_URL",
        "auto",
        "Where an EC2 machine learns its own names; `auto` asks on EC2 only, `off` never.",
    ),
    key(
        "allowed_origins",
        "ALLOWED_ORIGINS",
        "none",
        "Origins whose pages may call servers, beside our own, such as `https://app.example.com`; separated by commas.",
    ),
    key(
        "trusted_proxies",
        "TRUSTED_PROXIES",
        "none",
        "Addresses or networks whose X-Forwarded-For is believed, separated by commas.",
    ),
    key(
        "nginx",
        "GATEHOUSE_NGINX",
        "managed",
        "`managed` runs an nginx of our own; `off` serves pages and API without mounts.",
    ),
    key(
        "nginx_program",
        "GATEHOUSE_NGINX_PROGRAM",
        "nginx in PATH or /usr/sbin",
        "The nginx to run.",
    ),
    key(
        "nginx_workers",
        "GATEHOUSE_NGINX_WORKERS",
        "one for each core",
        "Worker processes of nginx.",
    ),
    key(
        "templates_dir",
        "GATEHOUSE_TEMPLATES_DIR",
        "compiled in",
        "Page templates that replace the compiled-in ones, file by file; watched.",
    ),
    key(
        "nginx_dir",
        "GATEHOUSE_NGINX_DIR",
        "compiled in",
        "nginx templates that replace the compiled-in ones, file by file; watched.",
    ),
    key(
        "auth_dir",
        "GATEHOUSE_AUTH_DIR",
        "compiled in",
        "The folder of scopes.yml and oauth2_providers.yml; watched.",
    ),
    key(
        "admin_user",
        "ADMIN_USER",
        "admin",
        "The name of the local administrator.",
    ),
    key(
        "admin_password",
        "ADMIN_PASSWORD",
        "generated at the first start",
        "The local administrator's password; `_file` behind the key names a file with it.",
    ),
    key(
        "admin_password_file",
        "ADMIN_PASSWORD_FILE",
        "none",
        "A file whose first line is the local administrator's password.",
    ),
    key(
        "admin_scope",
        "GATEHOUSE_ADMIN_SCOPE",
        "mcp-registry-admin",
        "Who holds this scope is an administrator.",
    ),
    key(
        "secret_key",
        "SECRET_KEY",
        "none",
        "The secret of HS256 tokens that an earlier system signed; without it they are refused.",
    ),
    key(
        "auth_provider",
        "AUTH_PROVIDER",
        "the only one there is",
        "The identity provider of machines that ask for tokens, and of clients that look for an authorization server.",
    ),
    key(
        "session_check_seconds",
        "GATEHOUSE_SESSION_CHECK_SECONDS",
        "300",
        "How often an identity provider is asked whether a signed-in person is still welcome.",
    ),
    key(
        "health_checks",
        "GATEHOUSE_HEALTH_CHECKS",
        "on",
        "Whether servers are asked by themselves how they are; `off` leaves it to whoever refreshes one.",
    ),
    key(
        "health_check_interval_seconds",
        "HEALTH_CHECK_INTERVAL_SECONDS",
        "300",
        "From one check of a server to the next; a tenth of it when the last checks disagree with what is known.",
    ),
    key(
        "health_check_interval",
        "HEALTH_CHECK_INTERVAL",
        "none",
        "The same under its other name.",
    ),
    key(
        "health_check_timeout_seconds",
        "HEALTH_CHECK_TIMEOUT_SECONDS",
        "10",
        "How long a server may take for each answer to a check.",
    ),
    key(
        "health_check_timeout",
        "HEALTH_CHECK_TIMEOUT",
        "none",
        "The same under its other name.",
    ),
    key(
        "max_consecutive_failures",
        "MAX_CONSECUTIVE_FAILURES",
        "3",
        "So many failures in a row make a server unhealthy.",
    ),
    key(
        "max_consecutive_successes",
        "MAX_CONSECUTIVE_SUCCESSES",
        "2",
        "So many successes in a row make it healthy again.",
    ),
    key(
        "health_checks_at_once",
        "GATEHOUSE_HEALTH_CHECKS_AT_ONCE",
        "64",
        "Checks that run at the same time.",
    ),
    key(
        "health_history_days",
        "GATEHOUSE_HEALTH_HISTORY_DAYS",
        "7",
        "How long checks are remembered.",
    ),
    key(
        "idp_ca_file",
        "GATEHOUSE_IDP_CA_FILE",
        "the machine's own authorities",
        "PEM certificates that identity providers are checked against, instead of the machine's.",
    ),
    key(
        "advertised_scopes",
        "MCP_ADVERTISED_SCOPES",
        "the scopes of the provider",
        "What MCP clients are told to ask the authorization server for; separated by commas or spaces.",
    ),
    key(
        "static_token_auth",
        "REGISTRY_STATIC_TOKEN_AUTH_ENABLED",
        "false",
        "Whether registry_api_token and registry_api_keys open anything.",
    ),
    key(
        "registry_api_token",
        "REGISTRY_API_TOKEN",
        "none",
        "A static token of the group mcp-registry-admin, at least 32 characters.",
    ),
    key(
        "registry_api_keys",
        "REGISTRY_API_KEYS",
        "none",
        "Static tokens as JSON: {\"name\": {\"key\" or \"sha256\": \"…\", \"groups\": […], \"expires_at\": \"…\"}}.",
    ),
    key(
        "max_tokens_per_hour",
        "MAX_TOKENS_PER_USER_PER_HOUR",
        "100",
        "How many tokens one person may make in an hour.",
    ),
    key(
        "session_cookie_secure",
        "SESSION_COOKIE_SECURE",
        "whether registry_url is https",
        "Whether browsers send the session cookie over https only.",
    ),
    key(
        "allow_private_upstreams",
        "GATEHOUSE_ALLOW_PRIVATE_UPSTREAMS",
        "true",
        "Whether servers in loopback and private networks may be registered and reached.",
    ),
    key(
        "upstream_ca_file",
        "GATEHOUSE_UPSTREAM_CA_FILE",
        "the machine's own",
        "A PEM file of certificate authorities for https servers.",
    ),
    key(
        "upstream_connect_seconds",
        "GATEHOUSE_UPSTREAM_CONNECT_SECONDS",
        "5",
        "How long a connection to a server may take to open.",
    ),
    key(
        "upstream_read_seconds",
        "GATEHOUSE_UPSTREAM_READ_SECONDS",
        "3600",
        "How long a server may be silent.",
    ),
    key(
        "name_ttl_seconds",
        "GATEHOUSE_NAME_TTL_SECONDS",
        "10",
        "How long the addresses of a name are believed.",
    ),
    key(
        "max_body_bytes",
        "GATEHOUSE_MAX_BODY_BYTES",
        "8388608",
        "The largest request body.",
    ),
    key(
        "reload_seconds",
        "GATEHOUSE_RELOAD_SECONDS",
        "30",
        "At most one reload of nginx in this time, after the first.",
    ),
    key(
        "max_upstream_blocks",
        "GATEHOUSE_MAX_UPSTREAM_BLOCKS",
        "500",
        "How many servers get connections kept by nginx; the busiest do.",
    ),
    key(
        "worker_shutdown_seconds",
        "GATEHOUSE_WORKER_SHUTDOWN_SECONDS",
        "3600",
        "How long old nginx workers may finish their streams.",
    ),
    key(
        "feed",
        "GATEHOUSE_FEED",
        "public",
        "Who hears how servers are at `/ws/health_status`: `public`, or `members` who each hear of what they may see.",
    ),
    key(
        "max_websocket_connections",
        "MAX_WEBSOCKET_CONNECTIONS",
        "100",
        "Listeners at once.",
    ),
    key(
        "websocket_send_timeout_seconds",
        "WEBSOCKET_SEND_TIMEOUT_SECONDS",
        "2",
        "A listener that takes longer for a message is let go.",
    ),
    key(
        "websocket_broadcast_interval_ms",
        "WEBSOCKET_BROADCAST_INTERVAL_MS",
        "10",
        "How long changes wait for others, to be told together.",
    ),
    key(
        "websocket_max_batch_size",
        "WEBSOCKET_MAX_BATCH_SIZE",
        "20",
        "Servers of one message, but for the first one, which has all.",
    ),
    key(
        "feed_ping_seconds",
        "GATEHOUSE_FEED_PING_SECONDS",
        "20",
        "From one ping to the next; a listener that has not answered by then is let go.",
    ),
    key(
        "search_keyword_weight",
        "GATEHOUSE_SEARCH_KEYWORD_WEIGHT",
        "0.3",
        "How much the words of a question count when tools and servers are looked for, 0 to 1.",
    ),
    key(
        "search_vector_weight",
        "GATEHOUSE_SEARCH_VECTOR_WEIGHT",
        "0.7",
        "How much its meaning counts, 0 to 1.",
    ),
    key(
        "search_floor",
        "GATEHOUSE_SEARCH_FLOOR",
        "0.15",
        "When nothing is nearer to a question than this cosine, the answer is that nothing fits.",
    ),
    key(
        "search_keyword_floor",
        "GATEHOUSE_SEARCH_KEYWORD_FLOOR",
        "0.1",
        "The same for answers from words alone: the share of the words of a question that one thing has.",
    ),
    key(
        "search_seconds",
        "GATEHOUSE_SEARCH_SECONDS",
        "0.8",
        "How many seconds a question waits for its vectors, 2 by itself when a provider makes them; without them words alone answer.",
    ),
    key(
        "search_exact_up_to",
        "GATEHOUSE_SEARCH_EXACT_UP_TO",
        "20000",
        "Up to so many tools each is compared with a question; beyond it a graph finds the neighbourhood.",
    ),
    key(
        "vector_search_ef_search",
        "VECTOR_SEARCH_EF_SEARCH",
        "twice what is looked for",
        "How wide that graph looks at least (`ef`), 1 to 10,000; more finds more and takes longer, less than the default changes nothing.",
    ),
    key(
        "call_log",
        "GATEHOUSE_CALL_LOG",
        "true",
        "Whether a row is kept of each call: who, what, when, how it went; never what was said.",
    ),
    key(
        "call_retention_days",
        "GATEHOUSE_CALL_RETENTION_DAYS",
        "30",
        "How many days calls are kept.",
    ),
    key(
        "call_retention_rows",
        "GATEHOUSE_CALL_RETENTION_ROWS",
        "1000000",
        "How many calls are kept at most; the oldest go.",
    ),
    key(
        "call_log_bytes",
        "GATEHOUSE_CALL_LOG_BYTES",
        "67108864",
        "A log file of so many bytes is read out and removed.",
    ),
    key(
        "log_level",
        "LOG_LEVEL",
        "info",
        "What is logged: error, warn, info, debug, or a tracing filter.",
    ),
];

/// The row of a key.
pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// The reference as a Markdown table.
pub fn reference() -> String {
    let mut text =
        String::from("| key, flag | variable | default | since | what it does |\n|---|---|---|---|---|\n");
    for key in all() {
        let flag = key.name.replace('_', "-");
        let row = format!(
            "| `{}`, `--{flag}` | `{}` | {} | {} | {} |\n",
            key.name, key.variable, key.default, key.since, key.sentence
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_shows_the_present_reference() {
        let guide = include_str!("../../docs/settings.md");
        assert!(
            guide.contains(&reference()),
            "write the output of `gatehouse settings` into docs/settings.md"
        );
    }

    #[test]
    fn no_name_stands_twice() {
        for (index, key) in all().enumerate() {
            assert!(
                !all()
                    .skip(index + 1)
                    .any(|other| other.name == key.name || other.variable == key.variable)
            );
        }
    }
}
