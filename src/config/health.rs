//! The settings of the checks.

use super::reader::Reader;
use crate::domain::health::Thresholds;
use crate::service::monitor::Settings;

impl Reader {
    /// By both generations' names: what is written in a later layer wins, of two in one layer the longer one.
    pub(super) fn health(&mut self) -> Settings {
        let times = |reader: &mut Self, long: &str, short: &str, default: u64, most: u64| {
            let layer = |name: &str| reader.raw.get(name).map(|written| written.layer);
            let (first, second) = if layer(short) > layer(long) {
                (long, short)
            } else {
                (short, long)
            };
            let first = reader.seconds(first, default, most);
            reader.seconds(second, first.as_secs(), most)
        };
        let interval = times(
            self,
            "health_check_interval_seconds",
            "health_check_interval",
            300,
            86_400,
        );
        let timeout = times(
            self,
            "health_check_timeout_seconds",
            "health_check_timeout",
            10,
            300,
        );
        let count = |reader: &mut Self, key: &str, default: u32| {
            let number = reader.number(key, 1, 100).and_then(|n| u32::try_from(n).ok());
            number.unwrap_or(default)
        };
        Settings {
            enabled: self
                .choice("health_checks", &[("on", true), ("off", false)])
                .unwrap_or(true),
            interval,
            timeout,
            thresholds: Thresholds {
                failures: count(self, "max_consecutive_failures", 3),
                successes: count(self, "max_consecutive_successes", 2),
            },
            at_once: self
                .number("health_checks_at_once", 1, 1_000)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(64),
            history: std::time::Duration::from_secs(
                86_400 * self.number("health_history_days", 1, 3_650).unwrap_or(7),
            ),
        }
    }
}
