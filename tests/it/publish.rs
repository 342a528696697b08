//! nginx in step with the register.

use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, administered, is_running, signal_to, tool_call, until};

#[tokio::test]
async fn a_server_is_live_before_nginx_knows_of_it_and_faster_after() {
    let upstream = Upstream::answering(&[("x-note", "kept")]).await;
    let gateway = Setup::new().with(&["--reload-seconds", "60"]).start();
    gateway.register("/first", &upstream.url).await;
    gateway.until_blocks(1).await;
    let before = gateway.nginx().await["live"].clone();
    // Within the minute no reload comes: it is carried.
    let other = Upstream::answering(&[("x-note", "kept")]).await;
    assert_eq!(gateway.register("/second", &other.url).await["state"], "live");
    let answer = gateway.admin().mcp("/second/mcp", &tool_call("x")).await;
    assert_eq!((answer.status, answer.header("x-note")), (200, ""));
    assert_eq!(
        gateway
            .admin()
            .mcp("/first/mcp", &tool_call("x"))
            .await
            .header("x-note"),
        "kept"
    );
    // A second server of the same authority needs no other text.
    gateway
        .register("/third", &format!("{}/third", upstream.url))
        .await;
    assert_eq!(
        gateway
            .admin()
            .mcp("/third/mcp", &tool_call("x"))
            .await
            .header("x-note"),
        "kept"
    );
    assert_eq!(gateway.nginx().await["live"], before);
    assert!(gateway.setup.data().join("nginx/nginx.conf").is_file());
}

#[tokio::test]
async fn changes_are_coalesced_into_few_reloads() {
    let upstream = Upstream::new().await;
    let gateway = Setup::new().with(&["--reload-seconds", "2"]).start();
    let admin = gateway.admin();
    for number in 0..40 {
        // Forty authorities: each address of the loopback network is one.
        let url = upstream
            .url
            .replace("127.0.0.1", &format!("127.0.0.{}", number + 1));
        let body = json!({"server_name": "x", "path": format!("/s{number}"), "proxy_pass_url": url});
        assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    }
    gateway.until_blocks(40).await;
    let reloads = gateway.log().matches("configuration live").count();
    assert!(reloads <= 5, "{reloads} texts for 40 changes");
    let off = admin.form("/toggle/s3", "").await;
    assert_eq!(off.status, 200);
    gateway.until_blocks(39).await;
}

#[tokio::test]
async fn a_broken_template_saved_while_running_changes_nothing_and_says_where() {
    let gateway = Setup::new()
        .with_copy_of("nginx")
        .with_copy_of("templates")
        .start();
    let folder = gateway.setup.folder.path().to_owned();
    let conf = gateway.setup.data().join("nginx/nginx.conf");
    let before = std::fs::read_to_string(&conf).unwrap();
    let template = folder.join("nginx/doors.tera");
    let good = std::fs::read_to_string(&template).unwrap();

    for (broken, words) in [
        (
            good.replacen("location / {", "location / {{ no_such_name }} {", 1),
            "no_such_name",
        ),
        (good.replacen("location / {", "locatoin / {", 1), "locatoin"),
    ] {
        std::fs::write(&template, &broken).unwrap();
        until("the fault is told", || async {
            gateway.nginx().await["fault"]
                .as_str()
                .is_some_and(|f| f.contains(words))
        })
        .await;
        assert_eq!(
            std::fs::read_to_string(&conf).unwrap(),
            before,
            "nothing on disk has changed"
        );
        assert!(gateway.log().contains(words));
        assert_eq!(gateway.anonymous().get("/healthz").await.status, 200);
        std::fs::write(&template, &good).unwrap();
        until("all is well again", || async {
            gateway.nginx().await["fault"].is_null()
        })
        .await;
    }
    // A good change is live by itself.
    std::fs::write(&template, good.replacen("return 204;", "return 410;", 1)).unwrap();
    until("the change is live", || async {
        gateway.anonymous().get("/favicon.ico").await.status == 410
    })
    .await;

    // Pages likewise.
    let page = folder.join("templates/pages/login.html");
    let good = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, "{{ nobody }}").unwrap();
    until("the log says so", || async { gateway.log().contains("nobody") }).await;
    assert!(
        gateway
            .anonymous()
            .get("/login")
            .await
            .text()
            .contains("password")
    );
    std::fs::write(&page, good.replace("Sign in", "Come in")).unwrap();
    until("the page is new", || async {
        gateway.anonymous().get("/login").await.text().contains("Come in")
    })
    .await;
}

#[tokio::test]
async fn scopes_saved_while_running_count_at_once_and_broken_ones_do_not() {
    let upstream = Upstream::new().await;
    let rule = |tool: &str| {
        administered(&format!(
            "s: [{{server: a, methods: [tools/call], tools: [{tool}]}}]\n"
        ))
    };
    let gateway = Setup::new().with_policy(&rule("one")).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "a", "path": "/a", "proxy_pass_url": upstream.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    let ada = gateway.with_scopes("ada", &["s"]);
    assert_eq!(ada.mcp("/a", &tool_call("one")).await.status, 200);
    let file = gateway.setup.folder.path().join("auth/scopes.yml");
    std::fs::write(&file, rule("two")).unwrap();
    until("the new rule counts", || async {
        ada.mcp("/a", &tool_call("two")).await.status == 200
    })
    .await;
    assert_eq!(ada.mcp("/a", &tool_call("one")).await.status, 403);
    std::fs::remove_file(&file).unwrap();
    until("the shipped scopes count", || async {
        ada.mcp("/a", &tool_call("two")).await.status == 403
    })
    .await;
    std::fs::write(&file, rule("two")).unwrap();
    until("the file counts again", || async {
        ada.mcp("/a", &tool_call("two")).await.status == 200
    })
    .await;
    std::fs::write(&file, "s: [{server: a, methds: [x]}]").unwrap();
    until("the fault is told", || async { gateway.log().contains("methds") }).await;
    assert_eq!(ada.mcp("/a", &tool_call("two")).await.status, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_at_start_and_found_out_at_reload() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut setup = Setup::new();
    setup.listen.push(address.clone());
    let refused = setup.serve().output().unwrap();
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains(&format!("listen: {address} cannot be bound")),
        "{words}"
    );
    setup.listen.pop();

    // `nginx -t` sees nothing wrong with it; only the hash that does not come tells.
    let gateway = setup.with_copy_of("nginx").start();
    let conf = gateway.setup.data().join("nginx/nginx.conf");
    let before = std::fs::read_to_string(&conf).unwrap();
    let template = gateway.setup.folder.path().join("nginx/nginx.conf.tera");
    let good = std::fs::read_to_string(&template).unwrap();
    std::fs::write(
        &template,
        good.replacen("server_name _;", &format!("listen {address}; server_name _;"), 1),
    )
    .unwrap();
    until("the fault is told", || async {
        gateway.nginx().await["fault"]
            .as_str()
            .is_some_and(|f| f.contains(&address))
    })
    .await;
    assert_eq!(
        std::fs::read_to_string(&conf).unwrap(),
        before,
        "the one before is back"
    );
    assert_eq!(gateway.anonymous().get("/healthz").await.status, 200);
    drop(taken);
    until("it is tried again", || async {
        gateway.nginx().await["fault"].is_null()
    })
    .await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
}

/// From now on the gateway's copy of the template prints this address of an upstream wrongly.
pub fn print_wrongly(gateway: &Gateway, odd: &str) {
    let template = gateway.setup.folder.path().join("nginx/upstreams.tera");
    let good = std::fs::read_to_string(&template).unwrap();
    let broken = good.replace(
        "{{ address }}",
        &format!("{{% if address == \"{odd}\" %}}not an address{{% else %}}{{{{ address }}}}{{% endif %}}"),
    );
    std::fs::write(&template, broken).unwrap();
}

#[tokio::test]
async fn one_block_that_nginx_refuses_does_not_hold_up_the_others() {
    let upstream = Upstream::answering(&[("x-note", "kept")]).await;
    let gateway = Setup::new().with_copy_of("nginx").start();
    let odd = "127.0.0.77:9";
    print_wrongly(&gateway, odd);
    gateway.register("/good", &upstream.url).await;
    assert_eq!(
        gateway.register("/bad", &format!("http://{odd}/")).await["state"],
        "live"
    );
    until("the good one is live and the bad one is named", || async {
        let nginx = gateway.nginx().await;
        nginx["fault"].is_null() && nginx["refused"].get(format!("http://{odd}")).is_some()
    })
    .await;
    gateway.until_blocks(1).await;
    let answer = gateway.admin().mcp("/good/mcp", &tool_call("x")).await;
    assert_eq!((answer.status, answer.header("x-note")), (200, "kept"));
    assert_eq!(
        gateway.admin().mcp("/bad/mcp", &tool_call("x")).await.status,
        502,
        "carried, and nobody there"
    );
}

#[tokio::test]
async fn nginx_killed_comes_back_without_being_asked() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/a", &upstream.url).await;
    gateway.until_blocks(1).await;
    let pids = gateway.nginx_pids();
    signal_to(*pids.first().unwrap(), "-KILL");
    until("another nginx serves", || async {
        let now = gateway.nginx_pids();
        now.len() == 2
            && now.iter().all(|pid| !pids.contains(pid))
            && !pids.iter().any(|&pid| is_running(pid))
    })
    .await;
    until("calls go through", || async {
        tokio::net::TcpStream::connect(gateway.anonymous().authority())
            .await
            .is_ok()
    })
    .await;
    let answer = gateway.admin().mcp("/a/mcp", &tool_call("x")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(gateway.nginx().await["fault"], Value::Null);
}
