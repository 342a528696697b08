//! `currenttime`: the time in a zone.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{schemars, tool, tool_router};
use serde::Deserialize;

#[derive(Debug, Clone)]
pub(super) struct CurrentTime;

/// What the tool is asked.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Zone {
    /// An IANA time zone such as `Europe/Paris`.
    #[serde(default = "new_york")]
    #[schemars(default = "new_york")]
    tz_name: String,
}

fn new_york() -> String {
    "America/New_York".to_owned()
}

#[tool_router(server_handler)]
impl CurrentTime {
    #[tool(description = "Get the current time in a time zone, as `YYYY-MM-DD HH:MM:SS TZ+hhmm`")]
    fn current_time_by_timezone(&self, Parameters(zone): Parameters<Zone>) -> Result<String, String> {
        use crate::clock::Clock;
        let now = jiff::Timestamp::from_second(crate::clock::SystemClock.now().unix())
            .map_err(|error| error.to_string())?;
        let unknown = |_| {
            format!(
                "`{}` is not a time zone; expected an IANA name such as `Europe/Paris`",
                zone.tz_name
            )
        };
        let local = now.in_tz(&zone.tz_name).map_err(unknown)?;
        Ok(local.strftime("%Y-%m-%d %H:%M:%S %Z%z").to_string())
    }
}
