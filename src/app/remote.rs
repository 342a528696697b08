//! The registry as a command line on another machine sees it: over HTTP, with a token that a sign-in left in a file.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::loopback::Loopback;
use crate::clock::{Clock, SystemClock};
use crate::domain::secret::Secret;
use crate::domain::upstream::{AddressRules, UpstreamUrl};
use crate::mcp::{self, exchange};
use crate::token::random;

/// Answers of the registry are small; anything larger is not the registry.
const MOST_ANSWER: usize = 16 * 1024 * 1024;
/// A token that ends so soon is refreshed first, in seconds.
const SOON: i64 = 60;

/// What a sign-in leaves behind (0600).
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    access_token: String,
    refresh_token: Option<String>,
    /// Seconds since 1970.
    expires_at: i64,
}

/// A registry, and the file with our token for it.
#[derive(Debug)]
pub struct Remote {
    client: mcp::Client,
    file: PathBuf,
}

struct Answer {
    headers: HeaderMap,
    value: Value,
}

impl Remote {
    /// Talk with the token of this file. Certificates are checked against `ca_file`, or the machine's own authorities.
    pub fn new(file: PathBuf, ca_file: Option<PathBuf>) -> anyhow::Result<Self> {
        let settings = mcp::Settings {
            // The person names the address; nobody else can make us go there.
            rules: AddressRules {
                allow_private: true,
                own: Vec::new(),
            },
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            name_ttl: Duration::from_secs(10),
            ca_file,
        };
        let client = mcp::Client::new(&settings, Arc::new(SystemClock))
            .context("reading the certificate authorities")?;
        Ok(Self { client, file })
    }

    /// Sign in with a password, make a token, and keep it.
    pub async fn sign_in(&self, url: &str, username: &str, password: &Secret<String>) -> anyhow::Result<()> {
        let wish = json!({"username": username, "password": password.expose()});
        let session = self
            .send(
                url,
                Method::POST,
                "/api/auth/login",
                HeaderMap::new(),
                Some(&wish),
            )
            .await?;
        let cookie = session
            .headers
            .get(SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let cookie = HeaderValue::from_str(cookie.split(';').next().unwrap_or_default())?;
        let headers = || HeaderMap::from_iter([(COOKIE, cookie.clone())]);
        let wish = json!({"description": "gatehouse login", "expires_in_hours": 8});
        let vended = self
            .send(url, Method::POST, "/api/tokens/generate", headers(), Some(&wish))
            .await?;
        self.keep(url, vended.value.get("tokens").unwrap_or(&Value::Null))?;
        // The session was only needed for the token.
        self.send(url, Method::POST, "/logout", headers(), None)
            .await
            .map(drop)
    }

    /// Sign in through the browser of this machine: `show` is told where to go, and the answer comes back by itself.
    pub async fn sign_in_by_browser(&self, url: &str, show: impl FnOnce(&str)) -> anyhow::Result<String> {
        let waiting = Loopback::open().await?;
        let (verifier, state) = (random::secret()?, random::id()?);
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()));
        let redirect = waiting.address().to_owned();
        let query = serde_urlencoded::to_string([
            ("redirect_uri", redirect.as_str()),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ])?;
        show(&format!("{url}/oauth2/authorize?{query}"));
        let code = waiting.code(&state).await?;
        let grant = json!({
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier.expose(),
            "redirect_uri": redirect,
        });
        let granted = self.grant(url, &grant).await?;
        self.keep(url, &granted)?;
        Ok(whose(&granted))
    }

    /// Sign in from another machine: `show` is told where to go and what to type (RFC 8628).
    pub async fn sign_in_by_device(
        &self,
        url: &str,
        provider: Option<&str>,
        show: impl FnOnce(&str, &str),
    ) -> anyhow::Result<String> {
        let wish = json!({ "provider": provider });
        let start = self
            .send(
                url,
                Method::POST,
                "/api/auth/device",
                HeaderMap::new(),
                Some(&wish),
            )
            .await?;
        let text = |field: &str| start.value.get(field).and_then(Value::as_str);
        let seconds = |field: &str| start.value.get(field).and_then(Value::as_u64);
        let handle = text("device_code").context("the registry gave no device code")?;
        let address = text("verification_uri_complete").or(text("verification_uri"));
        show(address.unwrap_or_default(), text("user_code").unwrap_or_default());
        let mut pause = Duration::from_secs(seconds("interval").unwrap_or(5));
        let end = SystemClock
            .now()
            .plus(Duration::from_secs(seconds("expires_in").unwrap_or(600)));
        let grant =
            json!({"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": handle});
        while SystemClock.now() < end {
            tokio::time::sleep(pause).await;
            let asked = self.ask_once(
                url,
                Method::POST,
                "/api/auth/token",
                HeaderMap::new(),
                Some(&grant),
            );
            let (status, answer) = asked.await?;
            if status.is_success() {
                self.keep(url, &answer.value)?;
                return Ok(whose(&answer.value));
            }
            match answer.value.get("error").and_then(Value::as_str) {
                Some("authorization_pending" | "temporarily_unavailable") => {}
                Some("slow_down") => pause += Duration::from_secs(5),
                Some("access_denied") => bail!("the sign-in was refused"),
                _ => break,
            }
        }
        bail!("nobody signed in in time; start again")
    }

    async fn grant(&self, url: &str, grant: &Value) -> anyhow::Result<Value> {
        let sent = self.send(
            url,
            Method::POST,
            "/api/auth/token",
            HeaderMap::new(),
            Some(grant),
        );
        Ok(sent.await?.value)
    }

    /// Ask the registry that the file names, as the person that it names.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let kept = self.present_token().await?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", kept.access_token))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        Ok(self.send(&kept.url, method, path, headers, body).await?.value)
    }

    async fn present_token(&self) -> anyhow::Result<Kept> {
        let text = fs::read(&self.file);
        let text =
            text.with_context(|| format!("reading {}; run `gatehouse login` first", self.file.display()))?;
        let kept: Kept =
            serde_json::from_slice(&text).with_context(|| format!("reading {}", self.file.display()))?;
        let ends_soon = kept.expires_at < SystemClock.now().unix() + SOON;
        let Some(refresh) = kept.refresh_token.as_ref().filter(|_| ends_soon) else {
            return Ok(kept);
        };
        let grant = json!({"grant_type": "refresh_token", "refresh_token": refresh});
        let granted = self.grant(&kept.url, &grant).await;
        let granted = granted.context("the sign-in has ended; run `gatehouse login` again")?;
        self.keep(&kept.url, &granted)
    }

    fn keep(&self, url: &str, tokens: &Value) -> anyhow::Result<Kept> {
        let text = |field: &str| tokens.get(field).and_then(Value::as_str).map(str::to_owned);
        let seconds = tokens.get("expires_in").and_then(Value::as_i64).unwrap_or(0);
        let kept = Kept {
            url: url.to_owned(),
            access_token: text("access_token").context("the registry gave no token")?,
            refresh_token: text("refresh_token"),
            expires_at: SystemClock.now().unix() + seconds,
        };
        write_private(&self.file, &serde_json::to_vec(&kept)?)
            .with_context(|| format!("writing {}", self.file.display()))?;
        Ok(kept)
    }

    async fn send(
        &self,
        url: &str,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let (status, answer) = self.ask_once(url, method, path, headers, body).await?;
        if status.is_client_error() || status.is_server_error() {
            let words = answer.value.get("detail").and_then(Value::as_str);
            bail!(
                "{}",
                words.map_or_else(|| format!("{url} answered {status}"), str::to_owned)
            );
        }
        Ok(answer)
    }

    async fn ask_once(
        &self,
        url: &str,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Answer)> {
        let base: UpstreamUrl = url.parse()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body
            .map(|value| Bytes::from(value.to_string()))
            .unwrap_or_default();
        let target = format!("{}{path}", base.path().trim_end_matches('/'));
        let call = exchange::Call {
            origin: base.origin(),
            method,
            target,
            headers,
            body,
        };
        let (head, body) = self
            .client
            .send(call)
            .await
            .with_context(|| format!("asking {url}"))?
            .into_parts();
        let body = Limited::new(body, MOST_ANSWER)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!(error))
            .context("reading the answer")?
            .to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let headers = head.headers;
        Ok((head.status, Answer { headers, value }))
    }
}

/// The name in a token that was just given to us.
fn whose(granted: &Value) -> String {
    let token = granted
        .get("access_token")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let payload = token.split('.').nth(1).unwrap_or_default();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let name = claims.get("sub").and_then(Value::as_str);
    name.unwrap_or("somebody").to_owned()
}

/// Written beside and renamed, for our eyes alone.
fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let next = file.with_extension("next");
    fs::remove_file(&next).ok();
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&next, file)
}
