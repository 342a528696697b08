//! The command line; the settings' flags are made from their register.

use clap::{Arg, ArgAction, Command, value_parser};

use crate::config::keys::{Key, all};

pub(super) fn command() -> Command {
    Command::new("gatehouse")
        .version(env!("CARGO_PKG_VERSION"))
        .about("The gateway and registry for MCP servers: one door, one book")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            with_settings(Command::new("serve").about("Run the gateway and registry")).arg(
                Arg::new("demo")
                    .long("demo")
                    .env("GATEHOUSE_DEMO")
                    .action(ArgAction::SetTrue)
                    .help("Also run two example MCP servers, and register them once"),
            ),
        )
        .subcommand(with_settings(
            Command::new("check").about("Report every fault of the settings, templates and store"),
        ))
        .subcommand(with_settings(
            Command::new("render").about("Print the nginx.conf of an empty register"),
        ))
        .subcommand(
            Command::new("demo")
                .about("Run one example MCP server")
                .arg(
                    Arg::new("name")
                        .required(true)
                        .value_parser(["currenttime", "realserverfaketools"]),
                )
                .arg(
                    Arg::new("listen")
                        .long("listen")
                        .value_name("ADDR")
                        .default_value("127.0.0.1:8000"),
                ),
        )
        .subcommand(
            Command::new("token")
                .about("Tokens")
                .subcommand_required(true)
                .subcommand(create_token())
                .subcommand(with_settings(
                    Command::new("list").about("List every vended token, one a line"),
                ))
                .subcommand(
                    with_settings(Command::new("revoke").about("End a token and its refreshes, at once"))
                        .arg(Arg::new("id").required(true).value_name("ID")),
                )
                .subcommand(with_settings(
                    Command::new("rotate-keys").about("Sign with a new key; live tokens stay good"),
                )),
        )
        .subcommand(access())
        .subcommand(
            Command::new("admin")
                .about("The local administrator")
                .subcommand_required(true)
                .subcommand(with_settings(
                    Command::new("reset-password").about("Make a new password and print it alone"),
                )),
        )
        .subcommand(
            with_token_file(
                Command::new("login").about("Sign in, and keep a token for the commands that ask a registry"),
            )
            .arg(
                Arg::new("url")
                    .long("url")
                    .value_name("URL")
                    .help("The registry [default: REGISTRY_URL]"),
            )
            .arg(
                Arg::new("username")
                    .long("username")
                    .value_name("NAME")
                    .help("Sign in with a password, as this person"),
            )
            .arg(
                Arg::new("browser")
                    .long("browser")
                    .action(ArgAction::SetTrue)
                    .help("Sign in through the browser [default at a terminal]"),
            )
            .arg(
                Arg::new("device")
                    .long("device")
                    .action(ArgAction::SetTrue)
                    .conflicts_with_all(["browser", "username"])
                    .help("Sign in through a browser on another machine"),
            )
            .arg(
                Arg::new("provider")
                    .long("provider")
                    .value_name("NAME")
                    .requires("device")
                    .help("At this identity provider [default: the first that can]"),
            ),
        )
        .subcommand(server())
        .subcommand(machine())
        .subcommand(calls())
        .subcommand(search())
        .subcommand(Command::new("settings").about("Print the reference of all settings"))
}

fn access() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("access")
        .about("Who may do what")
        .subcommand_required(true)
        .subcommand(
            with_settings(Command::new("explain").about("Say why a call is allowed, or what is missing"))
                .arg(text(
                    "user",
                    "NAME",
                    "A local account, if no groups or scopes are named",
                ))
                .arg(list("groups", "Groups"))
                .arg(list("scopes", "Scopes, beside those of the groups"))
                .arg(text("server", "SERVER", "A server's path or name; or an agent"))
                .arg(text(
                    "method",
                    "METHOD",
                    "A JSON-RPC method [default: a stream, or tools/call with --tool]",
                ))
                .arg(text("tool", "TOOL", "A tool, prompt or resource"))
                .arg(text(
                    "permission",
                    "NAME",
                    "A permission in the registry, such as toggle_service, instead of a method",
                ))
                .arg(
                    Arg::new("json")
                        .long("json")
                        .action(ArgAction::SetTrue)
                        .help("Print everything as JSON"),
                ),
        )
        .subcommand(with_settings(
            Command::new("export").about("Print what holds, file and store together, as a scopes file"),
        ))
        .subcommand(
            with_settings(Command::new("import").about(
                "Keep the scopes of a file or document in the store, where they win over the scopes file",
            ))
            .arg(
                Arg::new("file")
                    .required(true)
                    .value_name("FILE")
                    .value_parser(value_parser!(std::path::PathBuf)),
            ),
        )
        .subcommand(
            with_settings(
                Command::new("reset").about("Forget what the store says of a scope: the file counts again"),
            )
            .arg(Arg::new("name").required(true).value_name("NAME")),
        )
}

fn machine() -> Command {
    let name = || {
        Arg::new("name")
            .required(true)
            .value_name("NAME")
            .help("Its client id")
    };
    Command::new("machine")
        .about("Machine accounts: an id and a secret that are traded for tokens")
        .subcommand_required(true)
        .subcommand(
            with_settings(Command::new("create").about("Make one, and print its id and secret"))
                .arg(name())
                .arg(list("groups", "Its groups").required(true))
                .arg(
                    Arg::new("description")
                        .long("description")
                        .value_name("TEXT")
                        .help("What it is for"),
                ),
        )
        .subcommand(with_settings(Command::new("list").about("List them, one a line")))
        .subcommand(
            with_settings(Command::new("remove").about("End one and all of its tokens, at once")).arg(name()),
        )
}

fn server() -> Command {
    let path = || {
        Arg::new("path")
            .required(true)
            .value_name("PATH")
            .help("Its path on the gateway, or its name")
    };
    let text =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).value_name("TEXT").help(help);
    let one = |name: &'static str, about: &'static str| {
        with_token_file(Command::new(name).about(about)).arg(path())
    };
    Command::new("server")
        .about("The servers of a registry that you have signed in to")
        .subcommand_required(true)
        .subcommand(with_token_file(
            Command::new("list").about("List them, one a line"),
        ))
        .subcommand(
            one("register", "Register one")
                .arg(
                    Arg::new("url")
                        .required(true)
                        .value_name("URL")
                        .help("Where it really is"),
                )
                .arg(text("name", "Its display name"))
                .arg(text("description", "What it is for"))
                .arg(list("tags", "Words to find it by"))
                .arg(
                    Arg::new("pinned")
                        .long("pinned")
                        .action(ArgAction::SetTrue)
                        .help("A tool that changes waits for approval"),
                ),
        )
        .subcommand(one("enable", "Switch one on"))
        .subcommand(one("disable", "Switch one off"))
        .subcommand(one("remove", "Remove one"))
}

fn calls() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    with_token_file(
        Command::new("calls").about("Who called what: the call log of a registry that you have signed in to"),
    )
    .arg(flag("follow", "Go on with what comes, until Ctrl-C"))
    .arg(text("server", "PATH", "Of one server"))
    .arg(text("tool", "TOOL", "Of one tool, prompt or resource"))
    .arg(text(
        "user",
        "NAME",
        "Of one person or client [default: everybody you may see]",
    ))
    .arg(text("status", "STATUS", "A status, or 4xx, or error"))
    .arg(text(
        "since",
        "TIME",
        "From this moment on, such as 2026-07-28T12:00:00Z",
    ))
    .arg(
        Arg::new("limit")
            .long("limit")
            .value_name("N")
            .default_value("100")
            .value_parser(value_parser!(u32).range(1..=1000))
            .help("The newest so many"),
    )
    .arg(flag("json", "Print each call as JSON"))
}

fn search() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    with_token_file(
        Command::new("search").about("Find tools and servers of a registry that you have signed in to"),
    )
    .arg(
        Arg::new("query")
            .value_name("WORDS")
            .action(ArgAction::Append)
            .required_unless_present("tags")
            .help("What it should do; `#tag` and `key:value` are looked for letter by letter"),
    )
    .arg(list("tags", "Only what has all of these tags"))
    .arg(
        Arg::new("limit")
            .long("limit")
            .value_name("N")
            .default_value("10")
            .value_parser(value_parser!(u32).range(1..=50))
            .help("The best so many of each kind"),
    )
    .arg(flag("tools", "Only tools"))
    .arg(flag("servers", "Only servers"))
    .arg(flag("json", "Print the answer as JSON"))
}

fn with_token_file(command: Command) -> Command {
    with_settings(command).arg(
        Arg::new("token-file")
            .long("token-file")
            .env("GATEHOUSE_TOKEN_FILE")
            .value_name("FILE")
            .value_parser(value_parser!(std::path::PathBuf))
            .help("Where the token is kept [default: gatehouse/token.json in the configuration folder]"),
    )
}

fn create_token() -> Command {
    with_settings(Command::new("create").about("Sign a token and print it alone"))
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("NAME")
                .required(true)
                .help("Whose it is"),
        )
        .arg(list(
            "groups",
            "Groups; without --scopes the token holds their scopes",
        ))
        .arg(list("scopes", "Scopes, instead of those of the groups"))
        .arg(
            Arg::new("description")
                .long("description")
                .value_name("TEXT")
                .help("What it is for"),
        )
        .arg(
            Arg::new("hours")
                .long("expires-in-hours")
                .value_name("N")
                .default_value("8")
                .value_parser(value_parser!(i64).range(1..=24))
                .help("How long it lives, 1 to 24"),
        )
}

fn list(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("A,B")
        .value_delimiter(',')
        .action(ArgAction::Append)
        .help(help)
}

fn with_settings(command: Command) -> Command {
    let config = Arg::new("config")
        .long("config")
        .env("GATEHOUSE_CONFIG")
        .value_name("FILE")
        .value_parser(value_parser!(std::path::PathBuf))
        .help("A TOML file of settings; flags and variables win over it");
    // A password on the command line is seen by everybody on the machine.
    let flags = all()
        .filter(|key| {
            !matches!(
                key.name,
                "admin_password"
                    | "secret_key"
                    | "registry_api_token"
                    | "registry_api_keys"
                    | "embeddings_api_key"
                    | "llm_api_key"
                    | "aws_access_key_id"
                    | "aws_secret_access_key"
                    | "aws_session_token"
            )
        })
        .map(flag);
    command.args_override_self(true).arg(config).args(flags)
}

fn flag(key: &Key) -> Arg {
    Arg::new(key.name)
        .long(key.name.replace('_', "-"))
        .value_name("VALUE")
        .hide_possible_values(true)
        .help(format!(
            "{} [{}; default: {}]",
            key.sentence, key.variable, key.default
        ))
}
