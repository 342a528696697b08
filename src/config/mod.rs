//! Settings: flags over environment over file over defaults, read once into ready types.
//!
//! **Invariants:** only this part reads the environment; all faults come together, each with its key and its origin; a
//! secret is a [`Secret`] from the first line.

mod embeddings;
mod feed;
pub mod folders;
mod health;
mod identity;
pub mod keys;
mod raw;
mod reader;
mod search;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::raw::Raw;
use self::reader::Reader;
use crate::domain::secret::Secret;
use crate::ec2;
use crate::embed;
use crate::idp::Variables;
use crate::service::{feed as feed_service, monitor, search as search_service};
use crate::token::api_keys::ApiKey;

/// One fault of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    key: String,
    origin: String,
    words: String,
}

impl Fault {
    fn new(key: &str, origin: &str, words: String) -> Self {
        Self {
            key: key.to_owned(),
            origin: origin.to_owned(),
            words,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.origin, self.words)
    }
}

/// Whether an nginx of ours runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NginxMode {
    /// It does; the daemon starts, supervises and stops it.
    Managed,
    /// It does not: pages and API only, on our own listeners.
    Off,
}

/// All settings, ready.
#[derive(Debug, Clone)]
#[expect(
    missing_docs,
    reason = "each field is a row of `keys::all`, where its sentence stands"
)]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: Vec<SocketAddr>,
    pub registry_url: String,
    pub server_names: Vec<String>,
    pub ec2_metadata_url: ec2::Settings,
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub nginx: NginxMode,
    pub nginx_program: Option<PathBuf>,
    pub nginx_workers: Option<u16>,
    pub templates_dir: Option<PathBuf>,
    pub nginx_dir: Option<PathBuf>,
    pub auth_dir: Option<PathBuf>,
    pub admin_user: String,
    pub admin_password: Option<Secret<String>>,
    pub admin_scope: String,
    pub secret_key: Option<Secret<String>>,
    pub auth_provider: Option<String>,
    pub api_keys: Vec<ApiKey>,
    pub advertised_scopes: Vec<String>,
    pub session_check: Duration,
    pub health: monitor::Settings,
    /// How the feed is told.
    pub feed: feed_service::Settings,
    /// How answers are found.
    pub search: search_service::Settings,
    /// Where vectors come from.
    pub embeddings: embed::Settings,
    pub idp_ca_file: Option<PathBuf>,
    pub max_tokens_per_hour: u32,
    pub session_cookie_secure: bool,
    pub allow_private_upstreams: bool,
    pub upstream_ca_file: Option<PathBuf>,
    pub upstream_connect: Duration,
    pub upstream_read: Duration,
    pub name_ttl: Duration,
    pub max_body_bytes: u64,
    pub reload: Duration,
    pub max_upstream_blocks: usize,
    pub worker_shutdown: Duration,
    pub call_log: bool,
    pub call_log_bytes: u64,
    pub call_retention: Duration,
    pub call_retention_rows: u64,
    pub log_level: String,
    /// The whole environment: the file of identity providers names variables of its own.
    pub variables: Variables,
    /// Where `gatehouse login` keeps its token; none without a home folder.
    pub token_file: Option<PathBuf>,
    pub origins: BTreeMap<&'static str, String>,
}

impl Config {
    /// Where a setting was written.
    pub fn origin(&self, key: &str) -> &str {
        self.origins.get(key).map_or("not set", String::as_str)
    }
}

/// Read the settings of this process. What is faulty holds its default, so that a check can go on and find more.
pub fn load(flags: &[(String, String)], file: Option<&Path>, nginx: NginxNeed) -> (Config, Vec<Fault>) {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the environment"
    )]
    let (config, faults) = load_from(flags, |name| std::env::var(name).ok(), file, nginx);
    // Names and values that are no text cannot be meant.
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables = Variables::new(std::env::vars_os().filter_map(text));
    (Config { variables, ..config }, faults)
}

/// Whether the environment has a variable that a library reads by itself.
pub fn is_in_environment(name: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the environment"
    )]
    std::env::var_os(name).is_some()
}

/// Whether the command runs nginx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NginxNeed {
    /// It does, unless the settings say `off`.
    Needed,
    /// It does not.
    NotNeeded,
}

fn load_from(
    flags: &[(String, String)],
    environment: impl Fn(&str) -> Option<String>,
    file: Option<&Path>,
    need: NginxNeed,
) -> (Config, Vec<Fault>) {
    let path = environment("PATH").unwrap_or_default();
    let token_file = token_file(&environment);
    let (raw, faults) = Raw::gather(flags, environment, file);
    let mut reader = Reader { raw, faults, need };
    let config = Config {
        token_file,
        ..reader.config(&path)
    };
    (config, reader.faults)
}

/// By the XDG base directory specification.
fn token_file(environment: &impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        environment(name)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("gatehouse").join("token.json"))
}

impl Reader {
    fn config(&mut self, path: &str) -> Config {
        let listen = self.listen();
        let first = listen
            .first()
            .copied()
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let registry_url = self.registry_url(first);
        let nginx = self.choice(
            "nginx",
            &[("managed", NginxMode::Managed), ("off", NginxMode::Off)],
        );
        let data_dir = self
            .text("data_dir")
            .map_or_else(|| PathBuf::from("data"), PathBuf::from);
        let mut embeddings = self.embeddings(&data_dir);
        let search = self.search(&embeddings.source);
        embeddings.limits.turn = search.turn();
        Config {
            server_names: self.server_names(&registry_url),
            ec2_metadata_url: self.ec2(),
            allowed_origins: self.origins(),
            trusted_proxies: self.networks(),
            nginx: nginx.unwrap_or(NginxMode::Managed),
            nginx_program: self.nginx_program(path, nginx),
            nginx_workers: self
                .number("nginx_workers", 1, 256)
                .and_then(|n| u16::try_from(n).ok()),
            templates_dir: self.folder("templates_dir"),
            nginx_dir: self.folder("nginx_dir"),
            auth_dir: self.folder("auth_dir"),
            admin_user: self.name("admin_user", "admin"),
            admin_password: self.password(),
            admin_scope: self.name("admin_scope", "mcp-registry-admin"),
            secret_key: self.secret_key(),
            auth_provider: self.auth_provider(),
            api_keys: self.api_keys(),
            advertised_scopes: self.words("advertised_scopes"),
            session_check: self.seconds("session_check_seconds", 300, 28_800),
            health: self.health(),
            feed: self.feed(),
            search,
            embeddings,
            data_dir,
            idp_ca_file: self.file("idp_ca_file"),
            max_tokens_per_hour: self
                .number("max_tokens_per_hour", 1, 100_000)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(100),
            session_cookie_secure: self
                .flag("session_cookie_secure")
                .unwrap_or(registry_url.starts_with("https://")),
            registry_url,
            allow_private_upstreams: self.flag("allow_private_upstreams").unwrap_or(true),
            upstream_ca_file: self.file("upstream_ca_file"),
            upstream_connect: self.seconds("upstream_connect_seconds", 5, 60),
            upstream_read: self.seconds("upstream_read_seconds", 3600, 86_400),
            name_ttl: self.seconds("name_ttl_seconds", 10, 3600),
            max_body_bytes: self
                .number("max_body_bytes", 1024, 64 * 1024 * 1024)
                .unwrap_or(8 * 1024 * 1024),
            reload: self.seconds("reload_seconds", 30, 3600),
            max_upstream_blocks: self
                .number("max_upstream_blocks", 0, 10_000)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(500),
            worker_shutdown: self.seconds("worker_shutdown_seconds", 3600, 86_400),
            call_log: self.flag("call_log").unwrap_or(true),
            call_log_bytes: self
                .number("call_log_bytes", 4096, 1 << 40)
                .unwrap_or(64 * 1024 * 1024),
            call_retention: self.days("call_retention_days", 30, 3650),
            call_retention_rows: self
                .number("call_retention_rows", 1, 1_000_000_000)
                .unwrap_or(1_000_000),
            log_level: self.text("log_level").unwrap_or_else(|| "info".to_owned()),
            origins: self.raw.origins(),
            variables: Variables::default(),
            token_file: None,
            listen,
        }
    }

    fn listen(&mut self) -> Vec<SocketAddr> {
        let Some(text) = self.text("listen") else {
            let mut all = Vec::new();
            let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
            for port in [8080, 7860] {
                all.push(SocketAddr::from(([127, 0, 0, 1], port)));
                all.extend(has_v6.then(|| SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port))));
            }
            return all;
        };
        let mut all = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse::<SocketAddr>() {
                Ok(address) if address.port() != 0 => all.push(address),
                _ => self.fault(
                    "listen",
                    format!("`{part}` is not an address with a port, such as `127.0.0.1:8080`"),
                ),
            }
        }
        if all.is_empty() && self.faults.is_empty() {
            self.fault("listen", "expected at least one address");
        }
        all.sort_by_key(SocketAddr::is_ipv6);
        all.dedup();
        all
    }

    fn registry_url(&mut self, first: SocketAddr) -> String {
        let Some(text) = self.text("registry_url") else {
            return format!("http://{first}");
        };
        let parsed = url::Url::parse(&text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let plain = parsed.is_some_and(|url| {
            url.query().is_none() && url.fragment().is_none() && url.username().is_empty()
        });
        let inert = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"'<>{}\\".contains(&b));
        if !plain || !inert {
            self.fault(
                "registry_url",
                format!("`{text}` is not an http or https address such as `https://mcp.example.com`"),
            );
        }
        text.trim_end_matches('/').to_owned()
    }

    /// The names of the settings, and the one that we print.
    fn server_names(&mut self, registry_url: &str) -> Vec<String> {
        let mut names = Vec::new();
        for name in self.words("server_names") {
            if is_server_name(&name) {
                names.push(name);
            } else {
                let words =
                    format!("`{name}` is not a host name, such as `mcp.example.com` or `*.example.com`");
                self.fault("server_names", words);
            }
        }
        let own = url::Url::parse(registry_url).ok();
        names.extend(
            own.and_then(|url| url.domain().map(str::to_owned))
                .filter(|name| name != "localhost"),
        );
        names.sort();
        names.dedup();
        names
    }

    fn ec2(&mut self) -> ec2::Settings {
        match self.text("ec2_metadata_url").as_deref() {
            None | Some("auto") => ec2::Settings::Auto,
            Some("off") => ec2::Settings::Off,
            Some(base) if base.starts_with("http://") => ec2::Settings::At(base.to_owned()),
            Some(other) => {
                let words = format!("`{other}` is none of: auto, off, an http address");
                self.fault("ec2_metadata_url", words);
                ec2::Settings::Off
            }
        }
    }

    fn origins(&mut self) -> Vec<String> {
        let mut origins = Vec::new();
        for word in self.words("allowed_origins") {
            let parsed = url::Url::parse(&word).ok().filter(url::Url::has_host);
            match parsed.map(|url| url.origin().ascii_serialization()) {
                // What a browser sends: scheme and authority, nothing behind.
                Some(origin) if origin == word.to_ascii_lowercase() => origins.push(origin),
                _ => self.fault(
                    "allowed_origins",
                    format!("`{word}` is not an origin, such as `https://app.example.com`"),
                ),
            }
        }
        origins
    }

    fn networks(&mut self) -> Vec<ipnet::IpNet> {
        let mut networks = Vec::new();
        for part in self.words("trusted_proxies") {
            let parsed = part.parse::<ipnet::IpNet>().ok();
            match parsed.or_else(|| part.parse::<std::net::IpAddr>().ok().map(Into::into)) {
                Some(network) => networks.push(network),
                None => self.fault(
                    "trusted_proxies",
                    format!("`{part}` is not an address or a network such as `10.0.0.0/8`"),
                ),
            }
        }
        networks
    }

    fn nginx_program(&mut self, path: &str, mode: Option<NginxMode>) -> Option<PathBuf> {
        if let Some(text) = self.text("nginx_program") {
            if !Path::new(&text).is_file() {
                self.fault("nginx_program", format!("there is no file `{text}`"));
            }
            return Some(PathBuf::from(text));
        }
        let folders = std::env::split_paths(path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders
            .map(|folder| folder.join("nginx"))
            .find(|file| file.is_file());
        if found.is_none() && mode != Some(NginxMode::Off) && self.need == NginxNeed::Needed {
            self.fault(
                "nginx_program",
                "nginx is neither in PATH nor in /usr/sbin; install the package nginx, or use `--nginx off`",
            );
        }
        found
    }

    fn password(&mut self) -> Option<Secret<String>> {
        if let Some(written) = self.raw.get("admin_password") {
            return Some(Secret::new(written.text.clone())).filter(|secret| !secret.expose().is_empty());
        }
        let file = self.text("admin_password_file")?;
        match std::fs::read_to_string(&file) {
            Ok(text) if text.lines().next().is_some_and(|line| !line.is_empty()) => {
                text.lines().next().map(|line| Secret::new(line.to_owned()))
            }
            Ok(_) => {
                self.fault("admin_password_file", format!("`{file}` is empty"));
                None
            }
            Err(error) => {
                self.fault("admin_password_file", format!("`{file}`: {error}"));
                None
            }
        }
    }

    fn secret_key(&mut self) -> Option<Secret<String>> {
        let secret = Secret::new(self.text("secret_key")?);
        // HS256 with a short secret can be guessed offline (RFC 7518 section 3.2).
        if secret.expose().len() < 32 {
            self.fault("secret_key", "it must have at least 32 characters");
        }
        Some(secret)
    }
}

/// A DNS name in lower case, perhaps with `*.` before it. Nothing else may stand in nginx.conf.
pub fn is_server_name(name: &str) -> bool {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        let inert = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inert)
    };
    plain.len() <= 253 && plain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("g.toml");
        std::fs::write(
            &file,
            "admin_user = 'file'\nlog_level = 'warn'\nlisten = ['127.0.0.1:1', '127.0.0.1:2']",
        )
        .unwrap();
        let environment = |name: &str| match name {
            "ADMIN_USER" => Some("variable".to_owned()),
            "ADMIN_PASSWORD" => Some(String::new()),
            "GATEHOUSE_NGINX" => Some("off".to_owned()),
            _ => None,
        };
        let flags = [("admin_user".to_owned(), "flag".to_owned())];
        let (config, faults) = load_from(&flags, environment, Some(&file), NginxNeed::Needed);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(
            (config.admin_user.as_str(), config.log_level.as_str()),
            ("flag", "warn")
        );
        assert_eq!(
            config.listen,
            ["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]
        );
        assert_eq!(
            (config.nginx, config.registry_url.as_str()),
            (NginxMode::Off, "http://127.0.0.1:1")
        );
        assert!(config.admin_password.is_none());
        let (config, _) = load_from(&[], environment, Some(&file), NginxNeed::Needed);
        assert_eq!(config.admin_user, "variable");
    }

    #[test]
    fn checks_are_set_by_the_names_of_both_generations() {
        let read = |flags: &[(&str, &str)], variables: &'static [(&'static str, &'static str)]| {
            let flags: Vec<_> = flags
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect();
            let environment = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, text)| (*text).to_owned())
            };
            let (config, faults) = load_from(&flags, environment, None, NginxNeed::NotNeeded);
            assert!(faults.is_empty(), "{faults:?}");
            let health = config.health;
            let thresholds = health.thresholds;
            [
                health.interval.as_secs(),
                health.timeout.as_secs(),
                thresholds.failures.into(),
                thresholds.successes.into(),
            ]
        };
        assert_eq!(read(&[], &[]), [300, 10, 3, 2]);
        let one = &[
            ("HEALTH_CHECK_INTERVAL_SECONDS", "60"),
            ("HEALTH_CHECK_TIMEOUT_SECONDS", "2"),
            ("MAX_CONSECUTIVE_FAILURES", "5"),
            ("MAX_CONSECUTIVE_SUCCESSES", "4"),
        ];
        assert_eq!(read(&[], one), [60, 2, 5, 4]);
        let other = &[("HEALTH_CHECK_INTERVAL", "61"), ("HEALTH_CHECK_TIMEOUT", "3")];
        assert_eq!(read(&[], other), [61, 3, 3, 2]);
        // In one layer the longer name wins; a flag wins over any variable.
        let both = &[
            ("HEALTH_CHECK_INTERVAL", "61"),
            ("HEALTH_CHECK_INTERVAL_SECONDS", "60"),
        ];
        assert_eq!(read(&[], both)[0], 60);
        assert_eq!(read(&[("health_check_interval", "7")], both)[0], 7);
    }

    #[test]
    fn all_faults_come_together_with_key_and_origin_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("g.toml");
        std::fs::write(
            &file,
            "colour = 'red'\nmax_body_bytes = 1\nadmin_password = 'hush'",
        )
        .unwrap();
        let environment = |name: &str| (name == "TRUSTED_PROXIES").then(|| "10.0.0.0/8, nobody".to_owned());
        let flags = [
            ("nginx".to_owned(), "maybe".to_owned()),
            ("listen".to_owned(), "8080".to_owned()),
        ];
        let (_, faults) = load_from(&flags, environment, Some(&file), NginxNeed::NotNeeded);
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for expected in [
            "colour (the file",
            "max_body_bytes (the file",
            "trusted_proxies (the variable TRUSTED_PROXIES)",
            "nginx (the flag --nginx)",
            "listen (the flag --listen)",
        ] {
            assert!(
                words.iter().any(|line| line.starts_with(expected)),
                "{expected}: {words:?}"
            );
        }
        assert!(!words.concat().contains("hush"));
    }
}
