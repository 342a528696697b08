//! The call log: from the settings to the part that follows it.

use std::sync::Arc;

use super::build::Parts;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, NginxMode};
use crate::nginx::Nginx;
use crate::service::call_log::{self, CallLog, Counts};
use crate::service::permits::Permits;

/// What the gate, the log and its readers share; none when there is no log.
pub(super) fn shared(config: &Config) -> Option<(Permits, Arc<Counts>)> {
    let logs = config.call_log && config.nginx == NginxMode::Managed;
    // Two runs differ by the moment of their start; the bits that matter are the low ones.
    let run = SystemClock.now().unix_ms() & i64::from(u32::MAX);
    logs.then(|| {
        (
            Permits::new(u32::try_from(run).unwrap_or_default()),
            Arc::default(),
        )
    })
}

/// The part that follows it, if there is a log.
pub(super) fn follower(config: &Config, parts: &Parts, nginx: &Nginx) -> Option<CallLog> {
    let (permits, counts) = parts.calls.clone()?;
    let settings = call_log::Settings {
        file_bytes: config.call_log_bytes,
        keep: config.call_retention,
        most_rows: config.call_retention_rows,
    };
    let parts = call_log::Parts {
        nginx: nginx.clone(),
        store: Arc::clone(&parts.store),
        permits,
        unsaid: parts.state.unsaid.clone(),
        counts,
        clock: Arc::new(SystemClock),
    };
    Some(CallLog::new(settings, parts))
}
