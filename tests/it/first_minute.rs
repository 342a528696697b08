//! From nothing to a tool call, and away again.

use std::process::Command;

use crate::harness::{Gateway, Setup, is_running, program, until};

#[tokio::test]
async fn the_printed_command_calls_a_tool_through_nginx_as_pasted() {
    let gateway = Setup::new().with(&["--demo"]).start();
    let command = gateway.greeting.split_once("Call a tool:").unwrap().1;
    let output = Command::new("bash").arg("-c").arg(command).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(
        answer.contains("\"isError\":false"),
        "{answer} {}",
        String::from_utf8_lossy(&output.stderr)
    );

    // nginx alone listens on the address; the daemon is there only by its sockets.
    let servers = gateway.admin().get("/api/server_details/all").await.value();
    let paths: Vec<&String> = servers.as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/currenttime", "/mcpgw", "/realserverfaketools"]);
}

#[tokio::test]
async fn a_second_start_finds_everything_as_it_was() {
    let gateway = Setup::new().with(&["--demo"]).start();
    gateway.register("/mine", "http://127.0.0.1:9/").await;
    let off = gateway.admin().form("/toggle/realserverfaketools", "").await;
    assert_eq!(off.status, 200, "{}", off.text());
    let before = gateway.admin().get("/api/server_details/all").await.value();
    let token = gateway.token(&["--user", "ada", "--groups", "mcp-registry-admin"]);
    let (setup, in_order) = gateway.stop();
    assert!(in_order);
    let gateway = setup.start();
    let after = gateway
        .anonymous()
        .bearer(&token)
        .get("/api/server_details/all")
        .await
        .value();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_stop_leaves_no_process_and_a_killed_daemon_is_cleared_up_after() {
    let gateway = Gateway::new();
    let pids = gateway.nginx_pids();
    assert_eq!(pids.len(), 2, "a master and a worker");
    let (setup, in_order) = gateway.stop();
    assert!(in_order && !pids.iter().any(|&pid| is_running(pid)));

    let gateway = setup.start();
    let left = gateway.nginx_pids();
    let setup = gateway.kill();
    assert!(
        left.iter().all(|&pid| is_running(pid)),
        "nobody told nginx to end"
    );
    let gateway = setup.start();
    assert!(!left.iter().any(|&pid| is_running(pid)));
    assert_eq!(gateway.anonymous().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_second_daemon_on_the_same_data_is_refused() {
    let gateway = Gateway::new();
    let second = gateway.setup.serve().output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another gatehouse runs on the data folder"));
    assert_eq!(gateway.anonymous().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_generated_password_is_kept_for_the_owner_alone_and_never_logged() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = Setup::new().without_password().start();
    let file = gateway.setup.data().join("initial-admin-password");
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let store = std::fs::metadata(gateway.setup.data().join("gatehouse.db")).unwrap();
    assert_eq!(store.permissions().mode() & 0o777, 0o600);
    // This is no terminal.
    assert!(!gateway.greeting.contains(&password) && gateway.greeting.contains("initial-admin-password"));
    let sign_in = |password: String| {
        let actor = gateway.anonymous();
        async move {
            actor
                .form("/api/auth/login", &format!("username=admin&password={password}"))
                .await
        }
    };
    let answer = sign_in(password.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let session = gateway.anonymous().with("cookie", &cookie);
    assert_eq!(session.get("/api/auth/me").await.status, 200);

    // A new one: the old one and every session of it end at once.
    let reset = gateway
        .setup
        .command(&["admin", "reset-password"])
        .output()
        .unwrap();
    let new = String::from_utf8(reset.stdout).unwrap().trim().to_owned();
    assert!(reset.status.success() && new != password && !file.exists());
    assert_eq!(session.get("/api/auth/me").await.status, 401);
    assert_eq!(sign_in(password.clone()).await.status, 401);
    assert_eq!(sign_in(new.clone()).await.status, 200);
    assert!(!gateway.log().contains(&password) && !gateway.log().contains(&new));

    // And without a daemon, in the store itself.
    let (setup, _) = gateway.stop();
    let reset = setup.command(&["admin", "reset-password"]).output().unwrap();
    let newer = String::from_utf8(reset.stdout).unwrap().trim().to_owned();
    let gateway = setup.start();
    let answer = gateway
        .anonymous()
        .form("/api/auth/login", &format!("username=admin&password={newer}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn without_nginx_the_daemon_serves_pages_and_api_and_believes_no_identity_header() {
    let gateway = Setup::new().with(&["--nginx", "off"]).start();
    assert!(gateway.nginx_pids().is_empty());
    assert_eq!(gateway.anonymous().get("/readyz").await.status, 200);
    let forged = gateway
        .anonymous()
        .with("x-user", "root")
        .with("x-scopes", "mcp-registry-admin");
    assert_eq!(forged.get("/api/auth/me").await.status, 401);
    let stored = gateway.register("/a", "http://127.0.0.1:9/").await;
    assert_eq!(
        (stored["state"].as_str(), stored["reason"].is_string()),
        (Some("pending"), true)
    );
    assert_eq!(
        gateway
            .admin()
            .mcp("/a/mcp", &crate::harness::tool_call("x"))
            .await
            .status,
        404
    );
    for door in ["/_gate/check", "/validate"] {
        let asked = gateway
            .anonymous()
            .with("x-gate-uri", "/a")
            .with("x-gate-request-uri", "/a")
            .get(door)
            .await;
        assert_ne!(asked.status, 204);
    }
}

#[tokio::test]
async fn an_example_server_also_runs_alone() {
    let port = crate::harness::free_port();
    let mut command = program();
    // It needs no nginx and none of the gateway's settings.
    command.env("PATH", "").env("GATEHOUSE_LISTEN", "nonsense");
    command.args([
        "demo",
        "realserverfaketools",
        "--listen",
        &format!("127.0.0.1:{port}"),
    ]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let actor = crate::harness::Actor::new(&format!("http://127.0.0.1:{port}"));
    until("it listens", || async {
        tokio::net::TcpStream::connect(actor.authority()).await.is_ok()
    })
    .await;
    let answer = actor
        .mcp(
            "/mcp",
            &crate::harness::request("tools/list", serde_json::json!({})),
        )
        .await;
    let mut names: Vec<String> = answer.value()["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    let expected = [
        "hyper_dimensional_mapper",
        "neural_pattern_synthesizer",
        "quantum_flux_analyzer",
        "synthetic_data_generator",
        "temporal_anomaly_detector",
        "user_profile_analyzer",
    ];
    assert_eq!(names, expected);
    assert_eq!(actor.get("/health").await.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}
