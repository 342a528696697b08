//! What the start prints: where it is, who may sign in, and one command that works as pasted.

use std::io::{IsTerminal, Write};

use super::build::ADMIN_GROUP;
use crate::config::Config;
use crate::config::folders::Folders;
use crate::domain::secret::Secret;

/// Print it to stdout; the log is on stderr. The password goes to a terminal only.
pub(super) fn print(config: &Config, folders: &Folders, password: Option<&Secret<String>>, with_demos: bool) {
    let mut out = std::io::stdout().lock();
    let mut lines = vec![
        String::new(),
        format!("  Gatehouse is ready at {}", config.registry_url),
        format!("  Sign in as            {}", config.admin_user),
    ];
    if let Some(password) = password {
        let place = folders.initial_password();
        let shown = if out.is_terminal() {
            format!("{} (also in {})", password.expose(), place.display())
        } else {
            format!("in {}", place.display())
        };
        lines.push(format!("  Password              {shown}"));
    }
    if with_demos {
        lines.push("  Call a tool:".to_owned());
        lines.push(String::new());
        lines.push(command(config, folders));
    }
    lines.push(String::new());
    // Nobody may be listening (a closed pipe); the daemon runs all the same.
    out.write_all((lines.join("\n") + "\n").as_bytes())
        .and_then(|()| out.flush())
        .ok();
}

fn command(config: &Config, folders: &Folders) -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "gatehouse".to_owned(), |path| path.display().to_string());
    let data = folders.data.display();
    let user = quoted(&config.admin_user);
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"current_time_by_timezone","arguments":{"tz_name":"Europe/Paris"}}}"#;
    let token = format!(
        "{} token create --data-dir {} --user {user} --groups {ADMIN_GROUP}",
        quoted(&program),
        quoted(&data.to_string())
    );
    [
        format!("curl -sS {}/currenttime/mcp \\", config.registry_url),
        format!("  -H \"Authorization: Bearer $({token})\" \\"),
        "  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
            .to_owned(),
        format!("  -d '{message}'"),
    ]
    .join("\n")
}

/// A word of a shell command.
fn quoted(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"/-_.+@,:=".contains(&b));
    if plain && !text.is_empty() {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
