//! One check: ask a server, take over what it lists, and say what was seen.
//!
//! A machine that slept has not been looking, so what timed out meanwhile says nothing ([`crate::domain::health::slept`]).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::catalog::Catalog;
use crate::clock::Clock;
use crate::domain::health::{Health, Observation, Status, slept};
use crate::domain::route::Route;
use crate::mcp::Client;
use crate::mcp::survey::{Failure, Whom, survey};
use crate::store;

/// All answers of one check together may take so many times the limit of one.
const WHOLE: u32 = 6;

/// Asks servers.
#[derive(Debug)]
pub(super) struct Checker {
    pub(super) client: Client,
    pub(super) catalog: Catalog,
    pub(super) clock: Arc<dyn Clock>,
    /// For each answer.
    pub(super) timeout: Duration,
}

/// What one check came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seen: Observation,
    /// How many tools it lists, if it listed them.
    pub(super) tools: Option<u32>,
    /// The server's own name and version.
    pub(super) names: (Option<String>, Option<String>),
}

impl Checker {
    /// Ask one server, of which this is known. None: the machine slept, and nothing can be said.
    pub(super) async fn ask(&self, route: &Route, known: &Health) -> Option<Outcome> {
        let server = &route.server;
        let (began, wall) = (Instant::now(), self.clock.now());
        let asked = match &route.lines {
            None => Err(Failure::Unreachable(
                "its credentials cannot be read; enter them again".to_owned(),
            )),
            Some(lines) => {
                let whom = Whom {
                    profile: &server.profile,
                    lines,
                    known: known.transport,
                    within: self.timeout,
                };
                let whole = self.timeout * WHOLE;
                let asked = tokio::time::timeout(whole, survey(&self.client, whom)).await;
                asked.unwrap_or(Err(Failure::Slow(whole.as_secs())))
            }
        };
        let at = self.clock.now();
        if asked.is_err() && slept(at.since(wall), began.elapsed()) {
            return None;
        }
        let (mut tools, mut names) = (None, (None, None));
        let (seen, latency, transport) = match asked {
            Ok(survey) => {
                let (pinned, first) = (server.profile.pinned, known.tools.is_none());
                let taken = self
                    .catalog
                    .take_over(&server.path, survey.entries, pinned, first)
                    .await;
                match taken {
                    Ok(count) => tools = Some(count),
                    Err(error) => complain(&error),
                }
                names = (survey.server_name, survey.server_version);
                (Status::Healthy, Some(survey.latency), survey.transport)
            }
            Err(failure) => (status_of(&failure, route), None, None),
        };
        let seen = Observation {
            at,
            seen,
            latency,
            transport,
        };
        Some(Outcome { seen, tools, names })
    }
}

/// A server that refuses our credential is up, and so is one that waits for its callers' own.
fn status_of(failure: &Failure, route: &Route) -> Status {
    let ours = route.lines.as_ref().is_some_and(|lines| !lines.is_empty());
    match failure {
        Failure::Unauthorized(_) if ours => Status::AuthExpired,
        Failure::Unauthorized(_) => Status::Healthy,
        other => Status::Unhealthy(other.to_string()),
    }
}

pub(super) fn complain(error: &store::Error) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the state of servers could not be kept or read"
    );
}
