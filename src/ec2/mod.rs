//! What an EC2 machine is called, as its instance metadata service says (IMDSv2); bounded, and nobody is asked elsewhere.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// All questions together; the service answers in milliseconds or is not there.
const WITHIN: Duration = Duration::from_secs(2);
const MOST_BYTES: usize = 4_096;
/// Names this machine may be called by.
const NAMES: &[&str] = &["public-hostname", "local-hostname"];

/// Where the firmware of an EC2 machine says so.
const VENDOR: &str = "/sys/devices/virtual/dmi/id/sys_vendor";

/// Where to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// At the service's address, on an EC2 machine only.
    Auto,
    /// Here, wherever we run.
    At(String),
    /// Nobody.
    Off,
}

/// Why the machine's names are not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service did not answer, or with something else.
    #[error("the instance metadata service does not answer: {0}")]
    Away(String),
}

/// The machine's names; none off EC2.
pub async fn names(settings: &Settings) -> Result<Vec<String>, Error> {
    let base = match settings {
        Settings::Off => return Ok(Vec::new()),
        Settings::Auto if !is_ec2() => return Ok(Vec::new()),
        Settings::Auto => "http://169.254.169.254",
        Settings::At(base) => base.trim_end_matches('/'),
    };
    tokio::time::timeout(WITHIN, ask(base))
        .await
        .map_err(|_| Error::Away(format!("not within {} s", WITHIN.as_secs())))?
}

fn is_ec2() -> bool {
    std::fs::read_to_string(VENDOR).is_ok_and(|vendor| vendor.trim() == "Amazon EC2")
}

async fn ask(base: &str) -> Result<Vec<String>, Error> {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let lifetime = ("x-aws-ec2-metadata-token-ttl-seconds", "60");
    let token = send(
        &client,
        Method::PUT,
        &format!("{base}/latest/api/token"),
        lifetime,
    )
    .await?;
    let token = token.ok_or_else(|| Error::Away("it gives no token".to_owned()))?;
    let mut names = Vec::new();
    for name in NAMES {
        let header = ("x-aws-ec2-metadata-token", token.as_str());
        let address = format!("{base}/latest/meta-data/{name}");
        // A machine without a public name has none: 404, or an empty text.
        let said = send(&client, Method::GET, &address, header).await?;
        names.extend(said.into_iter().filter(|name| !name.is_empty()));
    }
    Ok(names)
}

/// The text of a 200; none for another status.
async fn send(
    client: &Client<HttpConnector, Full<Bytes>>,
    method: Method,
    address: &str,
    (name, value): (&str, &str),
) -> Result<Option<String>, Error> {
    let away = |error: &dyn std::fmt::Display| Error::Away(error.to_string());
    let request = Request::builder().method(method).uri(address).header(name, value);
    let request = request.body(Full::default()).map_err(|error| away(&error))?;
    let answer = client.request(request).await.map_err(|error| away(&error))?;
    if !answer.status().is_success() {
        return Ok(None);
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let body = body.map_err(|error| away(&error))?.to_bytes();
    Ok(Some(String::from_utf8_lossy(&body).trim().to_owned()))
}
