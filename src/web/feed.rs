//! The feed of how servers are, over a WebSocket; the same over GET (contract, section 2).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::extract::change::same_site;
use super::extract::client_ip::ClientIp;
use super::problem::Problem;
use super::state::AppState;
use crate::domain::identity::Identity;
use crate::service::callers::{self, Callers};
use crate::service::feed::{Ended, Feed, Listener};

/// Nothing is expected of listeners but short words.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Bytes of a listener's words that are read at once; the library would take 128 kB for each.
const READ_AT_ONCE: usize = 4 * 1024;
/// How often it is asked whether a listener may still be one.
const STILL: Duration = Duration::from_secs(1);

/// A listener that the settings want to know.
struct Member {
    callers: Callers,
    headers: HeaderMap,
}

/// `/ws/health_status`: a stream for whoever asks for an upgrade, everything at once for others.
pub(super) async fn feed(
    State(state): State<AppState>,
    ClientIp(from): ClientIp,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let known = identify(&state, &headers, from).await;
    let feed = state.feed.clone();
    let Ok(upgrade) = upgrade else {
        return match known {
            Ok(caller) => Json(feed.states(caller.as_deref())).into_response(),
            Err(problem) => problem.into_response(),
        };
    };
    let upgrade = upgrade
        .max_message_size(LONGEST_MESSAGE)
        .read_buffer_size(READ_AT_ONCE);
    let presented = headers.contains_key("cookie") || headers.contains_key("authorization");
    let Ok(caller) = known else {
        feed.refused();
        let why = if presented {
            "Authentication failed"
        } else {
            "Authentication required"
        };
        return upgrade.on_upgrade(move |socket| close(socket, feed, close_code::POLICY, why));
    };
    let Some(listener) = feed.join(caller) else {
        return upgrade
            .on_upgrade(move |socket| close(socket, feed, close_code::POLICY, "Server at capacity"));
    };
    let member = feed.settings().members_only.then_some(Member {
        callers: state.callers,
        headers,
    });
    upgrade.on_upgrade(move |socket| listen(socket, feed, listener, member))
}

/// `GET /ws/stats`.
pub(super) async fn stats(
    State(state): State<AppState>,
    ClientIp(from): ClientIp,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    identify(&state, &headers, from).await?;
    Ok(Json(state.feed.stats()).into_response())
}

/// Who listens, when the settings want to know it.
async fn identify(
    state: &AppState,
    headers: &HeaderMap,
    from: std::net::IpAddr,
) -> Result<Option<Arc<Identity>>, Problem> {
    if !state.feed.settings().members_only {
        return Ok(None);
    }
    let caller = state.callers.identify(headers, Some(from)).await?;
    if caller.identity.bound_to.is_some() {
        return Err(callers::Error::Bad("a token for one server alone").into());
    }
    // A page elsewhere could listen with its visitor's cookie.
    if caller.by_cookie {
        same_site(headers, &state.site)?;
    }
    Ok(Some(caller.identity))
}

async fn close(mut socket: WebSocket, feed: Feed, code: u16, reason: &'static str) {
    let frame = CloseFrame {
        code,
        reason: Utf8Bytes::from_static(reason),
    };
    let closing = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            // The other side's word; whoever goes without it has gone.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    tokio::time::timeout(feed.settings().send_within, closing)
        .await
        .ok();
}

async fn listen(mut socket: WebSocket, feed: Feed, mut listener: Listener, member: Option<Member>) {
    let ping = feed.settings().ping;
    let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + ping, ping);
    let mut checks = tokio::time::interval(STILL);
    checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut answered = true;
    let mut message = listener.first().map(text);
    loop {
        if let Some(message) = message.take() {
            let sent = tokio::time::timeout(feed.settings().send_within, socket.send(message)).await;
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return feed.failed(),
            }
        }
        tokio::select! {
            next = listener.next() => match next {
                Ok(next) => message = Some(text(next)),
                Err(Ended::Behind) => return close(socket, feed, close_code::AGAIN, "Too slow").await,
                Err(Ended::Stopping) => return close(socket, feed, close_code::AWAY, "Stopping").await,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => answered = true,
            },
            _ = pings.tick() => {
                if !answered {
                    return feed.failed();
                }
                answered = false;
                message = Some(Message::Ping(Bytes::new()));
            }
            _ = checks.tick(), if member.is_some() => {
                let Some(member) = &member else { continue };
                match member.callers.identify(&member.headers, None).await {
                    Ok(caller) => message = listener.still(caller.identity).map(text),
                    // Whoever cannot be asked about stays who it was.
                    Err(callers::Error::Away(_) | callers::Error::Slowed(_)) => {}
                    Err(callers::Error::Nobody | callers::Error::Bad(_)) => {
                        return close(socket, feed, close_code::POLICY, "Authentication failed").await;
                    }
                }
            }
        }
    }
}

fn text(words: Bytes) -> Message {
    Message::Text(Utf8Bytes::try_from(words).unwrap_or_default())
}
