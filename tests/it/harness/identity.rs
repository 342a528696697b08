//! Identity providers as child processes: imitations of vendors that a test can bend, and real ones. And a browser that
//! is just good enough to walk through a sign-in.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::peers::node;
use super::{Actor, Answer, Setup, tools};

/// A file of `tests/identity`.
pub fn part(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/identity")
        .join(name)
}

pub const WEB_SECRET: &str = "web-secret-web-secret-web-secret";
pub const M2M_SECRET: &str = "m2m-secret-m2m-secret-m2m-secret";

/// A provider that runs; its whole group ends with this value.
pub struct Idp {
    child: Child,
    /// What it said when it was ready: the issuer, and whatever follows.
    pub ready: Vec<String>,
}

impl Idp {
    /// An imitation of a vendor, for a gateway that will listen where `setup` says.
    pub fn imitate(profile: &str, setup: &Setup, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(node());
        command.arg(part("idp.mjs"));
        command.env("PROFILE", profile);
        command.env("PORT", super::free_port().to_string());
        command.env("REDIRECT_URIS", format!("{}/auth/callback", setup.base()));
        command.env("POST_LOGOUT_URIS", format!("{}/login", setup.base()));
        command.envs(variables.iter().copied());
        Self::start(command)
    }

    /// Start a program that prints `ready …`.
    pub fn start(mut command: Command) -> Self {
        command
            .current_dir(tools())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let words = line.strip_prefix("ready ")?.split(' ');
            Some(words.map(str::to_owned).collect())
        });
        Self {
            child,
            ready: ready.expect("a provider that says it is ready"),
        }
    }

    pub fn issuer(&self) -> &str {
        self.ready.first().unwrap()
    }

    pub fn origin(&self) -> String {
        origin(self.issuer())
    }

    /// Bend an imitation.
    pub async fn control(&self, what: &str, body: Value) -> Value {
        let answer = Actor::new(&self.origin())
            .json(&format!("/_test/{what}"), &body)
            .await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        answer.value()
    }

    /// How often something was asked of an imitation.
    pub async fn seen(&self, what: &str) -> u64 {
        let seen = Actor::new(&self.origin()).get("/_test/seen").await.value();
        seen.get(what).and_then(Value::as_u64).unwrap_or(0)
    }

    /// An access token in the vendor's own shape, with fields laid over the request for it.
    pub async fn token(&self, wish: Value) -> String {
        text(&self.control("token", wish).await, "token")
    }

    /// Claims laid over bob's token and signed again.
    pub async fn mint(&self, wish: Value) -> String {
        let mut whole = json!({"like": {"user": "bob"}});
        let fields = wish.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(fields);
        text(&self.control("mint", whole).await, "token")
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let mut kill = Command::new("kill");
        drop(kill.args(["-KILL", "--", &group]).stderr(Stdio::null()).status());
        drop(self.child.wait());
    }
}

pub fn text(value: &Value, field: &str) -> String {
    let text = value.get(field).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap())
}

impl Setup {
    /// Where the gateway will listen.
    pub fn base(&self) -> String {
        format!("http://{}", self.listen.first().unwrap())
    }

    /// Declarations of providers, beside the scopes that ship (or those that the test has written already).
    pub fn with_providers(self, yaml: &str) -> Self {
        let auth = self.folder.path().join("auth");
        let has_policy = auth.join("scopes.yml").exists();
        std::fs::create_dir_all(&auth).unwrap();
        std::fs::write(auth.join("oauth2_providers.yml"), yaml).unwrap();
        if has_policy {
            return self;
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("auth/scopes.yml");
        std::fs::copy(shipped, auth.join("scopes.yml")).unwrap();
        self.with(&["--auth-dir", auth.to_str().unwrap()])
    }
}

/// A person with a real browser: what it saw in the end.
pub fn walk(wish: &Value) -> Value {
    let mut command = Command::new(node());
    let output = command
        .arg(part("login.mjs"))
        .arg(wish.to_string())
        .current_dir(tools())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// A page that a browser came to.
#[derive(Debug)]
pub struct Page {
    pub url: String,
    pub answer: Answer,
    /// Every address on the way, the last one too.
    pub way: Vec<String>,
}

/// Cookies by authority, and redirects.
#[derive(Debug, Default, Clone)]
pub struct Browser {
    jar: HashMap<String, BTreeMap<String, String>>,
}

impl Browser {
    /// One request, without following.
    pub async fn once(&mut self, method: &str, url: &str, form: &str) -> Answer {
        let origin = origin(url);
        let path = &url[origin.len()..];
        let path = if path.is_empty() { "/" } else { path };
        let jar = self.jar.entry(origin.clone()).or_default();
        let cookies: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut actor = Actor::new(&origin);
        if !cookies.is_empty() {
            actor = actor.with("cookie", &cookies.join("; "));
        }
        let kind = if method == "POST" {
            "application/x-www-form-urlencoded"
        } else {
            ""
        };
        let answer = actor.send(method, path, kind, form.as_bytes().to_vec()).await;
        for value in answer.headers.get_all("set-cookie") {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Follow redirects to the end.
    pub async fn visit(&mut self, method: &str, url: &str, form: &str) -> Page {
        let (mut url, mut method, mut form) = (url.to_owned(), method, form);
        let mut way = vec![url.clone()];
        for _ in 0..20 {
            let answer = self.once(method, &url, form).await;
            if !matches!(answer.status, 301..=303 | 307 | 308) {
                return Page { url, answer, way };
            }
            let base = url::Url::parse(&url).unwrap();
            url = base.join(answer.header("location")).unwrap().to_string();
            (method, form) = ("GET", "");
            way.push(url.clone());
        }
        panic!("redirects without end: {way:?}");
    }

    /// Sign in at an imitation of a provider; the page of the gateway where the browser ends.
    pub async fn sign_in(&mut self, base: &str, provider: &str, user: &str) -> Page {
        let form = self.visit("GET", &format!("{base}/auth/{provider}"), "").await;
        assert_eq!(form.answer.status, 200, "{}: {}", form.url, form.answer.text());
        // Keycloak's form leads to an address of its own.
        let html = form.answer.text();
        let action = html
            .split("action=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let to = action.map_or(form.url, |action| action.replace("&amp;", "&"));
        self.visit("POST", &to, &format!("username={user}&password={user}"))
            .await
    }

    /// The cookie that an origin gave.
    pub fn cookie(&self, base: &str, name: &str) -> Option<&str> {
        self.jar.get(base)?.get(name).map(String::as_str)
    }

    /// Somebody who sends this browser's session.
    pub fn actor(&self, base: &str) -> Actor {
        let cookie = self.cookie(base, "mcp_gateway_session").expect("a session");
        Actor::new(base).with("cookie", &format!("mcp_gateway_session={cookie}"))
    }
}
