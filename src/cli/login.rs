//! `gatehouse login`: a password once, then a token in a file (0600) that the other commands use.

use std::io::{BufRead, IsTerminal};

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
    let username = matches
        .get_one::<String>("username")
        .unwrap_or(&config.admin_user)
        .clone();
    let password = password(&format!("Password of {username} at {url}: "))?;
    remote(config, matches)?
        .sign_in(&url, &username, &password)
        .await?;
    super::print(&format!("signed in to {url} as {username}\n"))
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
