//! The settings of the feed.

use std::time::Duration;

use super::reader::Reader;
use crate::service::feed::Settings;

/// nginx lets go of a silent connection after a minute; pings keep it open.
const MOST_PING: u64 = 50;

impl Reader {
    pub(super) fn feed(&mut self) -> Settings {
        let count = |reader: &mut Self, key: &str, default: usize, most: u64| {
            let number = reader.number(key, 1, most).and_then(|n| usize::try_from(n).ok());
            number.unwrap_or(default)
        };
        Settings {
            members_only: self
                .choice("feed", &[("public", false), ("members", true)])
                .unwrap_or(false),
            most: count(self, "max_websocket_connections", 100, 100_000),
            gather: Duration::from_millis(
                self.number("websocket_broadcast_interval_ms", 0, 1_000)
                    .unwrap_or(10),
            ),
            batch: count(self, "websocket_max_batch_size", 20, 10_000),
            send_within: self.seconds("websocket_send_timeout_seconds", 2, 60),
            ping: self.seconds("feed_ping_seconds", 20, MOST_PING),
        }
    }
}
