//! `gatehouse login`: a sign-in once, then a token in a file (0600) that the other commands use.
//!
//! Through the browser where there is a person at a terminal; with `--device` where the browser is on another machine;
//! with a name, or without a terminal, by password.

use std::io::{BufRead, IsTerminal, Write};
use std::process::Stdio;

use anyhow::Context;
use clap::ArgMatches;

use crate::app::remote::Remote;
use crate::config::Config;
use crate::domain::secret::Secret;

pub(super) async fn run(config: &Config, matches: &ArgMatches) -> anyhow::Result<()> {
    let url = matches
        .get_one::<String>("url")
        .unwrap_or(&config.registry_url)
        .trim_end_matches('/')
        .to_owned();
    let remote = remote(config, matches)?;
    let named = matches.get_one::<String>("username");
    let by_browser = matches.get_flag("browser") || (named.is_none() && std::io::stdin().is_terminal());
    let name = if matches.get_flag("device") {
        let provider = matches.get_one::<String>("provider").map(String::as_str);
        remote.sign_in_by_device(&url, provider, show_code).await?
    } else if by_browser {
        remote.sign_in_by_browser(&url, show_address).await?
    } else {
        let username = named.unwrap_or(&config.admin_user).clone();
        let password = password(&format!("Password of {username} at {url}: "))?;
        remote.sign_in(&url, &username, &password).await?;
        username
    };
    super::print(&format!("signed in to {url} as {name}\n"))
}

/// On standard error: the output is for scripts.
fn tell(words: &str) {
    std::io::stderr().lock().write_all(words.as_bytes()).ok();
}

fn show_address(address: &str) {
    tell(&format!(
        "Open this address in the browser of this machine:\n\n  {address}\n\n"
    ));
    if !std::io::stdin().is_terminal() {
        return;
    }
    // Where there is a desktop it opens by itself; elsewhere the address is enough.
    let mut open = std::process::Command::new("xdg-open");
    let open = open
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    open.spawn().ok();
}

fn show_code(address: &str, code: &str) {
    tell(&format!(
        "Open this address on any machine, and check that it shows the code {code}:\n\n  {address}\n\n"
    ));
}

/// The registry that somebody has signed in to.
pub(super) fn remote(config: &Config, matches: &ArgMatches) -> anyhow::Result<Remote> {
    let file = matches
        .get_one::<std::path::PathBuf>("token-file")
        .cloned()
        .or_else(|| config.token_file.clone());
    let file = file.context("there is no home folder for the token; name a file with `--token-file`")?;
    Remote::new(file, config.upstream_ca_file.clone())
}

/// Asked without an echo; read from a pipe where there is no terminal. Never an argument: everybody can see those.
fn password(prompt: &str) -> anyhow::Result<Secret<String>> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt)
            .map(Secret::new)
            .context("reading the password");
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("reading the password")?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
