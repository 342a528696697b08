//! Logging: what the operator reads.
//!
//! One line for each thing that happens, nothing for each request above `debug`. Never a token, cookie, code, body or
//! whole URL with its query.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Log to stderr: words on a terminal, JSON elsewhere. `level` is a tracing filter such as `info` or
/// `gatehouse=debug`; a second call does nothing.
pub fn start(level: &str) {
    // The protocol library tells of every connection at `info`, of every refused request at `warn`, and at `debug` it writes
    // whole requests: nobody may wish for that, because old clients send passwords as arguments.
    let filter = format!("{level},rmcp=error");
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Only the first subscriber of a process counts; tests start several apps.
    if std::io::stderr().is_terminal() {
        drop(builder.compact().try_init());
    } else {
        drop(builder.json().flatten_event(true).try_init());
    }
}
