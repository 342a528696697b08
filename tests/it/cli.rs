//! The command line.

use std::process::Output;

use crate::harness::{Gateway, Setup, program};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_reports_every_fault_at_once_with_its_key_and_origin() {
    let setup = Setup::new();
    let folder = setup.folder.path();
    let config = folder.join("gatehouse.toml");
    std::fs::write(&config, "listen = '8080'\ncolour = 'red'\n").unwrap();
    let mut command = setup.command(&[
        "check",
        "--config",
        config.to_str().unwrap(),
        "--nginx",
        "perhaps",
    ]);
    let output = command.env("TRUSTED_PROXIES", "nobody").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    for line in [
        "colour (the file",
        "listen (the file",
        "nginx (the flag --nginx)",
        "trusted_proxies (the variable TRUSTED_PROXIES)",
    ] {
        assert!(words(&output).contains(line), "{line}: {}", words(&output));
    }
}

#[test]
fn check_looks_at_templates_scopes_and_store_too() {
    let good = Setup::new()
        .with_copy_of("nginx")
        .with_copy_of("templates")
        .with_copy_of("auth");
    let check = |setup: &Setup| {
        let settings: Vec<&str> = setup.arguments.iter().map(String::as_str).collect();
        setup.command(&["check"]).args(settings).output().unwrap()
    };
    let output = check(&good);
    assert!(output.status.success(), "{}", words(&output));
    assert!(
        !good.data().join("gatehouse.db").exists(),
        "a check makes nothing"
    );

    let path = good.folder.path();
    std::fs::write(path.join("nginx/errors.tera"), "nonsense;").unwrap();
    std::fs::write(path.join("templates/pages/login.html"), "{{ nobody }}").unwrap();
    std::fs::write(path.join("auth/scopes.yml"), "a: {}").unwrap();
    std::fs::create_dir_all(good.data()).unwrap();
    std::fs::write(
        good.data().join("gatehouse.db"),
        "this is no database, but it is long enough to be read as one",
    )
    .unwrap();
    // A fault of the settings does not hide the others.
    let good = good.with(&["--max-body-bytes", "1"]);
    let output = check(&good);
    assert!(
        words(&output).contains("max_body_bytes (the flag"),
        "{}",
        words(&output)
    );
    assert_eq!(output.status.code(), Some(78));
    for key in [
        "nginx_dir (the flag",
        "templates_dir (the flag",
        "auth_dir (the flag",
        "data_dir (the flag",
    ] {
        assert!(words(&output).contains(key), "{key}: {}", words(&output));
    }
}

#[tokio::test]
async fn a_token_is_printed_alone_with_and_without_a_daemon() {
    let setup = Setup::new();
    let create = [
        "token",
        "create",
        "--user",
        "ada",
        "--groups",
        "mcp-registry-user,other",
        "--expires-in-hours",
        "1",
    ];
    let offline = setup.command(&create).output().unwrap();
    assert!(offline.status.success(), "{}", words(&offline));
    let offline = String::from_utf8(offline.stdout).unwrap();
    assert_eq!(
        (offline.lines().count(), offline.trim().matches('.').count()),
        (1, 2)
    );
    let gateway = setup.start();
    let online = gateway.token(&create[2..]);
    for token in [offline.trim(), &online] {
        let me = gateway
            .anonymous()
            .bearer(token)
            .get("/api/auth/me")
            .await
            .value();
        assert_eq!(me["username"], "ada");
        assert_eq!(
            me["scopes"],
            serde_json::json!(["mcp-registry-user", "mcp-servers-restricted/read"])
        );
    }
    let refused = gateway
        .setup
        .command(&["token", "create", "--user", "a\u{7}b"])
        .output()
        .unwrap();
    assert!(
        !refused.status.success() && words(&refused).contains("user"),
        "{}",
        words(&refused)
    );
    let refused = gateway
        .setup
        .command(&["token", "create", "--user", "a", "--expires-in-hours", "25"])
        .output()
        .unwrap();
    assert!(!refused.status.success());
}

#[test]
fn help_and_settings_name_everything() {
    let help = program().args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for flag in [
        "--listen",
        "--registry-url",
        "--trusted-proxies",
        "--demo",
        "--nginx",
        "--config",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(
        !help.contains("--admin-password "),
        "a password on the command line is seen by everybody"
    );
    let settings = program().arg("settings").output().unwrap();
    assert!(
        String::from_utf8(settings.stdout)
            .unwrap()
            .contains("`REGISTRY_URL`")
    );
}

#[tokio::test]
async fn a_data_folder_with_a_long_or_odd_path_works() {
    for name in ["x".repeat(90), "ü; \"quoted\"".to_owned()] {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join(&name);
        std::fs::create_dir(&inner).unwrap();
        let mut setup = Setup::new();
        setup.folder = tempfile::tempdir_in(&inner).unwrap();
        let gateway = Gateway::start(setup);
        assert_eq!(gateway.anonymous().get("/readyz").await.status, 200);
        assert_eq!(gateway.admin().get("/api/auth/me").await.status, 200);
    }
}

#[tokio::test]
async fn a_sign_in_keeps_a_private_token_that_the_other_commands_use_and_refresh() {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    let gateway = Gateway::new();
    let file = gateway.setup.folder.path().join("home/token.json");
    let run = |words: &[&str], input: &str| {
        let mut command = program();
        command.args(words).arg("--token-file").arg(&file);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (ok, _, words) = run(&["server", "list"], "");
    assert!(!ok && words.contains("gatehouse login"), "{words}");
    let (ok, _, words) = run(&["login", "--url", &gateway.base], "wrong\n");
    assert!(
        !ok && words.contains("Invalid username or password") && !file.exists(),
        "{words}"
    );
    let (ok, said, words) = run(
        &["login", "--url", &gateway.base],
        &format!("{}\n", crate::harness::PASSWORD),
    );
    assert!(ok && said.contains("signed in"), "{words}");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let sessions = gateway.admin().get("/api/sessions?user=*").await.value();
    assert_eq!(
        sessions["sessions"],
        serde_json::json!([]),
        "the session was only needed for the token"
    );

    let (ok, said, words) = run(
        &[
            "server",
            "register",
            "/weather",
            "http://127.0.0.1:9/",
            "--name",
            "Weather",
        ],
        "",
    );
    assert!(ok && said == "/weather is live\n", "{said}{words}");
    assert_eq!(
        run(&["server", "disable", "Weather"], "").1,
        "/weather is disabled\n"
    );
    let list = run(&["server", "list"], "").1;
    let (first, own) = list.split_once('\n').unwrap();
    assert_eq!(first, "/weather\tdisabled\tWeather\thttp://127.0.0.1:9/");
    assert!(own.starts_with("/mcpgw\tenabled\t"), "{list}");
    let (ok, _, words) = run(&["server", "register", "/weather", "http://127.0.0.1:9/"], "");
    assert!(
        !ok && words.contains("Server already exists: /weather"),
        "{words}"
    );

    // A token that has ended is refreshed; the refresh token changes with it.
    let read = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&file).unwrap()).unwrap();
    let before = read();
    let mut old = before.clone();
    old["expires_at"] = 0.into();
    std::fs::write(&file, old.to_string()).unwrap();
    assert_eq!(
        run(&["server", "remove", "/weather"], "").1,
        "/weather is removed\n"
    );
    assert_ne!(read()["refresh_token"], before["refresh_token"]);
    assert_eq!(run(&["server", "list"], "").1, own);
}

#[tokio::test]
async fn a_machine_account_is_made_and_removed_with_and_without_a_daemon() {
    let setup = Setup::new();
    let run = |setup: &Setup, words: &[&str]| {
        let output = setup.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let create = [
        "machine",
        "create",
        "bot",
        "--groups",
        "mcp-registry-user",
        "--description",
        "builds",
    ];
    let (ok, said, words) = run(&setup, &create);
    assert!(
        ok && said.starts_with("client_id\tbot\nclient_secret\t"),
        "{said}{words}"
    );
    let secret = said.trim().rsplit('\t').next().unwrap().to_owned();
    let (ok, _, words) = run(&setup, &create);
    assert!(!ok && words.contains("already an account named `bot`"), "{words}");
    let gateway = setup.start();
    let ask = |secret: String| {
        let form = format!("grant_type=client_credentials&client_id=bot&client_secret={secret}");
        let nobody = gateway.anonymous();
        async move { nobody.form("/api/auth/token", &form).await }
    };
    let granted = ask(secret.clone()).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let token = granted.value()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        run(&gateway.setup, &["machine", "list"]).1,
        "bot\tmcp-registry-user\toperator\tbuilds\n"
    );
    assert!(
        !run(&gateway.setup, &["machine", "create", "admin", "--groups", "x"]).0,
        "a person's name"
    );
    let (ok, said, words) = run(&gateway.setup, &["machine", "remove", "bot"]);
    assert!(ok && said == "bot is removed\n", "{words}");
    assert_eq!(ask(secret).await.status, 401);
    assert_eq!(
        gateway
            .anonymous()
            .bearer(&token)
            .get("/api/auth/me")
            .await
            .status,
        401
    );
    assert!(!run(&gateway.setup, &["machine", "remove", "bot"]).0);
}
