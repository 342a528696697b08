//! The commands.

mod access;
mod admin;
mod alone;
mod arguments;
mod calls;
mod check;
mod daemon;
mod demo;
mod login;
mod machine;
mod search;
mod serve;
mod server;
mod token;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use crate::config::{self, Config, NginxNeed, keys};

/// The settings are wrong (`EX_CONFIG` of sysexits).
const CONFIGURATION: u8 = 78;
/// How long the end waits for what cannot be called back.
const LAST_LOOKUPS: Duration = Duration::from_secs(1);

/// Run what the command line says.
pub fn run() -> ExitCode {
    let matches = arguments::command().get_matches();
    let (name, matches) = matches.subcommand().unwrap_or(("", &matches));
    if name == "settings" {
        return finish(print(&keys::reference()));
    }
    if name == "serve" {
        alone::begin_again();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return finish(Err(error.into())),
    };
    let code = if name == "demo" {
        runtime.block_on(async { finish(demo::run(matches).await) })
    } else {
        with_settings(&runtime, name, matches)
    };
    // A look-up that the system has not answered yet must not hold up the end.
    runtime.shutdown_timeout(LAST_LOOKUPS);
    code
}

fn with_settings(runtime: &tokio::runtime::Runtime, name: &str, matches: &ArgMatches) -> ExitCode {
    let (config, faults) = settings(name, matches);
    let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    if name == "check" {
        faults.extend(runtime.block_on(check::faults(&config)));
    }
    if !faults.is_empty() {
        return complain(&faults);
    }
    // A command's output is for scripts; only the daemon tells what it does.
    crate::telemetry::start(if name == "serve" {
        &config.log_level
    } else {
        "warn"
    });
    runtime.block_on(async {
        match (name, matches.subcommand()) {
            ("serve", _) => finish(serve::run(config, matches.get_flag("demo")).await),
            ("check", _) => finish(print("everything is in order\n")),
            ("render", _) => finish(check::render(&config)),
            ("token", Some(("create", matches))) => finish(token::create(&config, matches).await),
            ("token", Some(("list", _))) => finish(token::list(&config).await),
            ("token", Some(("revoke", matches))) => finish(token::revoke(&config, matches).await),
            ("token", Some(("rotate-keys", _))) => finish(token::rotate_keys(&config).await),
            ("login", _) => finish(login::run(&config, matches).await),
            ("calls", _) => finish(calls::run(&config, matches).await),
            ("search", _) => finish(search::run(&config, matches).await),
            ("server", Some(("list", matches))) => finish(server::list(&config, matches).await),
            ("server", Some(("register", matches))) => finish(server::register(&config, matches).await),
            ("server", Some((word, matches))) => finish(server::act(&config, word, matches).await),
            ("access", Some(("explain", matches))) => finish(access::explain(&config, matches).await),
            ("access", Some(("export", _))) => finish(access::export(&config).await),
            ("access", Some(("import", matches))) => finish(access::import(&config, matches).await),
            ("access", Some(("reset", matches))) => finish(access::reset(&config, matches).await),
            ("machine", Some(("create", matches))) => finish(machine::create(&config, matches).await),
            ("machine", Some(("list", _))) => finish(machine::list(&config).await),
            ("machine", Some(("remove", matches))) => finish(machine::remove(&config, matches).await),
            ("admin", Some(("reset-password", _))) => finish(admin::reset_password(&config).await),
            _ => ExitCode::FAILURE,
        }
    })
}

/// The settings that the flags of the innermost command, the environment and the file say.
fn settings(name: &str, matches: &ArgMatches) -> (Config, Vec<config::Fault>) {
    let innermost = matches.subcommand().map_or(matches, |(_, inner)| inner);
    let flags: Vec<(String, String)> = keys::all()
        .filter_map(|key| {
            let text = innermost.try_get_one::<String>(key.name).ok()??;
            Some((key.name.to_owned(), text.clone()))
        })
        .collect();
    let file = innermost
        .try_get_one::<std::path::PathBuf>("config")
        .ok()
        .flatten();
    let need = if matches!(name, "serve" | "check" | "render") {
        NginxNeed::Needed
    } else {
        NginxNeed::NotNeeded
    };
    config::load(&flags, file.map(std::path::PathBuf::as_path), need)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

fn complain(faults: &[String]) -> ExitCode {
    let lines: String = faults
        .iter()
        .map(|fault| format!("gatehouse: {fault}\n"))
        .collect();
    std::io::stderr().lock().write_all(lines.as_bytes()).ok();
    ExitCode::from(CONFIGURATION)
}

fn finish(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            std::io::stderr()
                .lock()
                .write_all(format!("gatehouse: {error:#}\n").as_bytes())
                .ok();
            ExitCode::FAILURE
        }
    }
}
