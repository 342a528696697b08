//! What the call log says: calls one by one, and figures over time.
//!
//! **Invariant:** whoever is no administrator sees their own calls and nobody else's.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::call_log::{Counted, Counts};
use super::permits::Permits;
use crate::clock::{Clock, Timestamp};
use crate::domain::access::Rights;
use crate::domain::call::{Filter, Kept, bounded};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::usage::Usage as Figures;
use crate::domain::usage::{By, Tally, Window};
use crate::domain::{FieldFault, Kind};
use crate::store::{self, Store};

const ROWS: u32 = 100;
const MOST_ROWS: u32 = 1_000;
/// Calls that one question counts at most: the newest.
const MOST_COUNTED: u32 = 1_000_000;
const MOST_POINTS: i64 = 1_000;
const DAY: Duration = Duration::from_secs(86_400);

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields that cannot be taken.
    #[error("a field cannot be taken")]
    Fields(Vec<FieldFault>),
    /// Somebody else's calls.
    #[error("Administrator permissions are required for this operation")]
    Denied,
    /// The store said no.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Fields(_) => Kind::Invalid,
            Self::Denied => Kind::Forbidden,
            Self::Store(error) => error.kind(),
        }
    }
}

/// A question, in the words of the API.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The mount path.
    pub server: Option<String>,
    /// The tool.
    pub tool: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// Whose; everybody's when an administrator does not say.
    pub user: Option<String>,
    /// `200`, `4xx`, or `error` for 400 and more.
    pub status: Option<String>,
    /// From this moment on.
    pub from: Option<String>,
    /// Before this one.
    pub to: Option<String>,
    /// At most so many.
    pub limit: Option<String>,
    /// Go on behind these.
    pub cursor: Option<String>,
    /// Only later ones than this.
    pub after: Option<String>,
    /// Seconds of a piece of time.
    pub step: Option<String>,
    /// What has a line of its own: `server`, `tool` or `caller`.
    pub by: Option<String>,
}

/// Some calls, newest first.
#[derive(Debug)]
pub struct Page {
    /// The calls.
    pub calls: Vec<Kept>,
    /// The cursor of the next page, if there is one.
    pub next: Option<i64>,
}

/// Figures of a part of time.
#[derive(Debug)]
pub struct Counting {
    /// From here on.
    pub from: Timestamp,
    /// Up to here.
    pub to: Timestamp,
    /// Seconds of each piece.
    pub step: i64,
    /// Whether all calls of that time were counted; else the newest were.
    pub complete: bool,
    /// The figures.
    pub usage: Figures,
    /// Permits of more than a minute ago without a line; none when there is no log, or it is not for the caller.
    pub unlogged: Option<u64>,
    /// What the log has done.
    pub log: Option<Counted>,
}

/// Tells what the call log says.
#[derive(Debug, Clone)]
pub struct Usage {
    store: Arc<dyn Store>,
    rights: watch::Receiver<Arc<Rights>>,
    log: Option<(Permits, Arc<Counts>)>,
    clock: Arc<dyn Clock>,
}

impl Usage {
    /// Over the store, the present policy, and what the log counts when there is one.
    pub fn new(
        store: Arc<dyn Store>,
        rights: watch::Receiver<Arc<Rights>>,
        log: Option<(Permits, Arc<Counts>)>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            rights,
            log,
            clock,
        }
    }

    /// Calls, newest first.
    pub async fn calls(&self, who: &Identity, question: &Question) -> Result<Page, Error> {
        let mut reader = Reader::default();
        let filter = self.filter(who, question, &mut reader)?;
        let limit = reader.number("limit", question.limit.as_deref(), 1, MOST_ROWS.into());
        let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(ROWS);
        let cursor = reader.number("cursor", question.cursor.as_deref(), 1, i64::MAX);
        let after = reader.number("after", question.after.as_deref(), 0, i64::MAX);
        reader.refuse("step", question.step.as_deref());
        reader.refuse("by", question.by.as_deref());
        reader.done()?;
        let between = (after.unwrap_or(0), cursor.unwrap_or(i64::MAX));
        // One more than asked for says whether there is a next page.
        let mut calls = self.store.calls(filter, between, limit + 1).await?;
        let has_more = calls.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        calls.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = calls.last().map(|kept| kept.id).filter(|_| has_more);
        Ok(Page { calls, next })
    }

    /// Figures over time.
    pub async fn count(&self, who: &Identity, question: &Question) -> Result<Counting, Error> {
        let mut reader = Reader::default();
        let mut filter = self.filter(who, question, &mut reader)?;
        for (field, value) in [
            ("limit", &question.limit),
            ("cursor", &question.cursor),
            ("after", &question.after),
        ] {
            reader.refuse(field, value.as_deref());
        }
        let to_ms = filter.to_ms.unwrap_or_else(|| self.clock.now().unix_ms() + 1);
        let day = i64::try_from(DAY.as_millis()).unwrap_or(i64::MAX);
        let from_ms = filter.from_ms.unwrap_or(to_ms.saturating_sub(day));
        let span = to_ms.saturating_sub(from_ms);
        if span <= 0 {
            reader.fault("to", "expected a moment after `from`");
        }
        let step = reader.number("step", question.step.as_deref(), 1, i64::MAX / 1000);
        let step = step.unwrap_or_else(|| default_step(span));
        if span.div_euclid(step.saturating_mul(1000)) >= MOST_POINTS {
            reader.fault(
                "step",
                format!("expected so many seconds that there are at most {MOST_POINTS} pieces"),
            );
        }
        let by = match question.by.as_deref() {
            None | Some("server") => By::Server,
            Some("tool") => By::Tool,
            Some("caller") => By::Caller,
            Some(_) => {
                reader.fault("by", "expected `server`, `tool` or `caller`");
                By::Server
            }
        };
        reader.done()?;
        (filter.from_ms, filter.to_ms) = (Some(from_ms), Some(to_ms));
        let window = Window {
            from_ms,
            to_ms,
            step_ms: step.saturating_mul(1000),
        };
        let (tally, complete) = self
            .store
            .tally_calls(filter, MOST_COUNTED, Tally::new(window, by))
            .await?;
        let administrator = self.rights.borrow().is_administrator(who);
        let log = self.log.as_ref().filter(|_| administrator);
        Ok(Counting {
            from: Timestamp::from_unix_ms(from_ms),
            to: Timestamp::from_unix_ms(to_ms),
            step,
            complete,
            usage: tally.finish(),
            unlogged: log.map(|(permits, _)| permits.unknown()),
            log: log.map(|(_, counts)| counts.read()),
        })
    }

    /// What the log has done, for operations.
    pub fn log(&self) -> Option<Value> {
        let (permits, counts) = self.log.as_ref()?;
        let mut said = json!(counts.read());
        if let Some(fields) = said.as_object_mut() {
            fields.insert("unlogged".to_owned(), json!(permits.unknown()));
        }
        Some(said)
    }

    fn filter(&self, who: &Identity, question: &Question, reader: &mut Reader) -> Result<Filter, Error> {
        let administrator = self.rights.borrow().is_administrator(who);
        let principals = match question.user.as_deref() {
            None | Some("*") if administrator => None,
            Some(user) if administrator => Some(["user", "client"].map(|kind| format!("{kind} {user}"))),
            None => Some([who.principal(), who.principal()]),
            Some(user) if user == who.account() => Some([who.principal(), who.principal()]),
            Some(_) => return Err(Error::Denied),
        };
        let server = question.server.as_deref().and_then(|text| {
            let path = ServerPath::of_known(text);
            path.map_err(|error| reader.fault("server", error)).ok()
        });
        let word = |text: &Option<String>| text.as_deref().map(|text| bounded(text).into_owned());
        Ok(Filter {
            server: server.map(|path| path.as_str().to_owned()),
            tool: word(&question.tool),
            method: word(&question.method),
            principals: principals.map(|both| both.map(|principal| bounded(&principal).into_owned())),
            status: reader.status(question.status.as_deref()),
            from_ms: reader.moment("from", question.from.as_deref()),
            to_ms: reader.moment("to", question.to.as_deref()),
        })
    }
}

/// A hundred pieces or fewer, of a length that people count in.
fn default_step(span_ms: i64) -> i64 {
    const STEPS: [i64; 7] = [10, 60, 300, 900, 3_600, 21_600, 86_400];
    let fits = |step: &i64| span_ms / (step * 1000) <= 100;
    STEPS.into_iter().find(fits).unwrap_or(span_ms / 100_000 + 1)
}

/// Reads fields, and gathers what is wrong.
#[derive(Default)]
struct Reader(Vec<FieldFault>);

impl Reader {
    fn fault(&mut self, field: &str, words: impl std::fmt::Display) {
        self.0.push(FieldFault::new(field, words));
    }

    fn refuse(&mut self, field: &str, text: Option<&str>) {
        if text.is_some() {
            self.fault(field, "means nothing here");
        }
    }

    fn number(&mut self, field: &str, text: Option<&str>, least: i64, most: i64) -> Option<i64> {
        let text = text?;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(
                field,
                format!("`{text}` is not a whole number from {least} to {most}"),
            );
        }
        number
    }

    fn moment(&mut self, field: &str, text: Option<&str>) -> Option<i64> {
        let text = text?;
        // A `+` of an offset that was not encoded has become a space.
        let moment = text.replace(' ', "+").parse::<Timestamp>().ok();
        if moment.is_none() {
            self.fault(
                field,
                format!("`{text}` is not a moment such as `2026-07-28T12:00:00Z`"),
            );
        }
        moment.map(Timestamp::unix_ms)
    }

    fn status(&mut self, text: Option<&str>) -> Option<(u16, u16)> {
        let text = text?;
        let class = |text: &str| {
            text.strip_suffix("xx")?
                .parse::<u16>()
                .ok()
                .filter(|class| (1..=5).contains(class))
        };
        let status = match text {
            "error" => Some((400, 999)),
            text => class(text)
                .map(|class| (class * 100, class * 100 + 99))
                .or_else(|| {
                    let status = text.parse().ok().filter(|status| (100..=999).contains(status))?;
                    Some((status, status))
                }),
        };
        if status.is_none() {
            self.fault(
                "status",
                format!("`{text}` is not a status such as `404`, `4xx` or `error`"),
            );
        }
        status
    }

    fn done(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Fields(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_ones_own_is_not_needed() {
        assert_eq!([1_000, 3_600_000, 86_400_000].map(default_step), [10, 60, 900]);
        assert_eq!(default_step(100 * 365 * 86_400_000), 31_536_001);
    }

    #[test]
    fn a_status_may_be_a_class() {
        let read = |text| Reader::default().status(Some(text));
        assert_eq!(
            [read("404"), read("4xx"), read("error")],
            [Some((404, 404)), Some((400, 499)), Some((400, 999))]
        );
        assert_eq!([read("x"), read("9xx"), read("20")], [None; 3]);
    }
}
