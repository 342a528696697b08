//! Asking the running daemon over its admin socket.

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::config::folders::Folders;

/// Post JSON to the daemon of this data folder. `None`: no daemon runs.
pub(super) async fn ask(folders: &Folders, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
    send(
        folders,
        http::Request::post(path).header(http::header::CONTENT_TYPE, "application/json"),
        body.to_string(),
    )
    .await
}

/// The same without a body, for what only tells.
pub(super) async fn get(folders: &Folders, path: &str) -> anyhow::Result<Option<Value>> {
    send(folders, http::Request::get(path), String::new()).await
}

async fn send(
    folders: &Folders,
    request: http::request::Builder,
    body: String,
) -> anyhow::Result<Option<Value>> {
    // A socket without a daemon behind it is what an unclean end leaves.
    let Ok(stream) = UnixStream::connect(folders.admin_socket()).await else {
        return Ok(None);
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = request
        .header(http::header::HOST, "admin")
        .body(Full::new(Bytes::from(body)))?;
    let asking = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
    };
    let (answer, _) = tokio::join!(asking, connection);
    let (status, body) = answer.context("asking the running daemon")?;
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        bail!(
            "{}",
            value
                .get("detail")
                .and_then(Value::as_str)
                .unwrap_or("the running daemon refused")
        );
    }
    Ok(Some(value))
}
