//! Signing in from a machine without a browser (RFC 8628), as the provider offers it.

use serde_json::Value;

use super::http::form;
use super::metadata::{away, refused};
use super::provider::Provider;
use super::{Error, Providers, SignedIn};
use crate::domain::secret::Secret;

/// What the person must do, and how we ask (RFC 8628 section 3.2).
#[derive(Debug)]
pub struct DeviceStart {
    /// The provider's own handle.
    pub device_code: Secret<String>,
    /// What to type.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, if the provider gives one.
    pub verification_uri_complete: Option<String>,
    /// Seconds until it is too late.
    pub expires_in: u64,
    /// Seconds between two questions.
    pub interval: u64,
}

/// What asking came to (RFC 8628 section 3.5).
#[derive(Debug)]
pub enum Asked {
    /// They signed in.
    Done(Box<SignedIn>),
    /// Not yet; ask again after a while, and after a longer one if told so.
    Pending {
        /// Whether we asked too often.
        slow_down: bool,
    },
    /// They said no, or it took too long: the code to pass on.
    Over(&'static str),
}

impl Providers {
    /// Begin.
    pub async fn start_device(&self, provider: &Provider) -> Result<DeviceStart, Error> {
        let located = self
            .locate(provider, |has| has.device.is_some() && has.token.is_some())
            .await?;
        let address = located.endpoints.device;
        let address = address.ok_or_else(|| Error::Lacks(provider.name.clone(), "device sign-in"))?;
        let scopes = provider.scopes().join(" ");
        let mut fields = self.credentials(provider);
        fields.push(("scope", &scopes));
        let ask = async { self.0.http.json(form(&address, &fields)?).await };
        let said = ask.await.map_err(|fault| away(provider, &fault))?;
        let text = |field: &str| said.get(field).and_then(Value::as_str).map(str::to_owned);
        let seconds = |field: &str, usual: u64| said.get(field).and_then(Value::as_u64).unwrap_or(usual);
        let unusable = || away(provider, &"its answer cannot be read");
        // A terminal shows them as they are.
        let plain = |text: &String| text.len() <= 500 && text.bytes().all(|b| b.is_ascii_graphic());
        let web = |text: &String| {
            plain(text)
                && ["https://", "http://"]
                    .iter()
                    .any(|scheme| text.starts_with(scheme))
        };
        Ok(DeviceStart {
            device_code: Secret::new(text("device_code").ok_or_else(unusable)?),
            user_code: text("user_code").filter(plain).ok_or_else(unusable)?,
            verification_uri: text("verification_uri").filter(web).ok_or_else(unusable)?,
            verification_uri_complete: text("verification_uri_complete").filter(web),
            expires_in: seconds("expires_in", 600).clamp(1, 1800),
            interval: seconds("interval", 5).clamp(1, 60),
        })
    }

    /// Ask whether they have signed in by now.
    pub async fn ask_device(
        &self,
        provider: &Provider,
        device_code: &Secret<String>,
    ) -> Result<Asked, Error> {
        let located = self.locate(provider, |has| has.token.is_some()).await?;
        let address = located.endpoints.token;
        let address = address.ok_or_else(|| Error::Lacks(provider.name.clone(), "token endpoint"))?;
        let mut fields = self.credentials(provider);
        fields.push(("grant_type", "urn:ietf:params:oauth:grant-type:device_code"));
        fields.push(("device_code", device_code.expose()));
        let request = form(&address, &fields).map_err(|fault| away(provider, &fault))?;
        let answer = self
            .0
            .http
            .send(request)
            .await
            .map_err(|fault| away(provider, &fault))?;
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if answer.status().is_success() {
            return Ok(Asked::Done(Box::new(self.by_answer(provider, said).await?)));
        }
        match said.get("error").and_then(Value::as_str) {
            Some("authorization_pending") => Ok(Asked::Pending { slow_down: false }),
            Some("slow_down") => Ok(Asked::Pending { slow_down: true }),
            Some("access_denied") => Ok(Asked::Over("access_denied")),
            Some("expired_token" | "invalid_grant") => Ok(Asked::Over("expired_token")),
            Some(code) => Err(refused(provider, code)),
            None => Err(away(provider, &"its answer cannot be read")),
        }
    }

    /// Our own id and secret, in the body: every provider takes them there.
    #[expect(clippy::unused_self, reason = "it reads as one with its callers")]
    fn credentials<'a>(&self, provider: &'a Provider) -> Vec<(&'static str, &'a str)> {
        let declared = &provider.declared;
        let secret = declared.client_secret.as_ref();
        let mut fields = vec![("client_id", declared.client_id.as_str())];
        fields.extend(secret.map(|secret| ("client_secret", secret.expose().as_str())));
        fields
    }
}
