//! The gate, both ways: what a caller gets, and what the upstream received.

use serde_json::{Value, json};

use crate::harness::{Actor, Gateway, Setup, Upstream, request, tool_call};

const POLICY: &str = "
group_mappings: {all: [root], few: [few], lists: [lists]}
UI-Scopes:
  maker: {register_service: [all]}
root: [{server: '*', methods: ['*'], tools: ['*']}]
few: [{server: trusted, methods: [tools/call, prompts/get], tools: [allowed]}, {server: stranger, methods: [tools/call], tools: [allowed]}]
lists: [{server: trusted, methods: [tools/list]}, {server: stranger, methods: [tools/list]}]
";

struct Ways {
    gateway: Gateway,
    upstream: Upstream,
}

/// The same upstream twice: trusted with a block in nginx, and a stranger that is carried.
async fn both_ways() -> Ways {
    let upstream =
        Upstream::answering(&[("x-note", "kept"), ("set-cookie", "evil=1"), ("x-user", "evil")]).await;
    let gateway = Setup::new().with_policy(POLICY).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let maker = gateway.with_scopes("maker", &["maker"]);
    let body = |path: &str| json!({"server_name": path, "path": path, "proxy_pass_url": upstream.url});
    assert_eq!(
        admin
            .json("/api/management/servers", &body("/trusted"))
            .await
            .status,
        201
    );
    assert_eq!(
        maker
            .json("/api/management/servers", &body("/stranger"))
            .await
            .status,
        201
    );
    gateway.until_blocks(1).await;
    Ways { gateway, upstream }
}

/// nginx passes an upstream's own headers on, we only those of a list.
fn went_direct(answer: &crate::harness::Answer) -> bool {
    answer.header("x-note") == "kept"
}

#[tokio::test]
async fn both_ways_carry_the_very_bytes_and_say_who_is_asking() {
    let Ways { gateway, upstream } = both_ways().await;
    let ada = gateway.member("ada", &["all"]);
    for (mount, direct) in [("trusted", true), ("stranger", false)] {
        for size in [10_usize, 200_000, 3_000_000] {
            let message = request(
                "tools/call",
                json!({"name": "t", "arguments": {"x": "y".repeat(size)}}),
            );
            let forged = ada
                .clone()
                .with("x-user", "root")
                .with("x-scopes", "all")
                .with("cookie", "a=b")
                .with("mcp-name", "lie");
            let answer = forged
                .with("x-trace", "1")
                .mcp(&format!("/{mount}/mcp?q=1"), &message)
                .await;
            assert_eq!(
                (answer.status, went_direct(&answer)),
                (200, direct),
                "{mount} {size} {}",
                answer.text()
            );
            let received = upstream.take();
            let [got] = received.as_slice() else {
                panic!("{received:?}")
            };
            assert_eq!((got.method.as_str(), got.target.as_str()), ("POST", "/mcp?q=1"));
            assert_eq!(got.body, message.to_string().into_bytes());
            assert_eq!(format!("http://{}", got.header("host")), upstream.url);
            for (name, value) in [
                ("x-user", "ada"),
                ("x-username", "ada"),
                ("x-scopes", "root"),
                ("x-auth-method", "self_signed"),
                ("x-server-name", mount),
                ("x-tool-name", "t"),
                ("x-client-id-auth", "user-generated"),
                ("x-real-ip", "127.0.0.1"),
                ("x-forwarded-proto", "http"),
                ("x-trace", "1"),
                ("authorization", ""),
                ("cookie", ""),
                ("mcp-name", ""),
            ] {
                assert_eq!(got.header(name), value, "{mount}: {name}");
            }
            assert!(
                got.headers
                    .keys()
                    .all(|name| !name.as_str().starts_with("x-gate-")),
                "{:?}",
                got.headers
            );
            for name in ["set-cookie", "x-user", "x-gate-target", "x-accel-redirect"] {
                assert_eq!(answer.header(name), "", "{mount}: {name} came back");
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(answer.header("content-security-policy").contains("sandbox"));
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_never_reaches_the_upstream() {
    let Ways { gateway, upstream } = both_ways().await;
    let (few, lists, all) = (
        gateway.member("few", &["few"]),
        gateway.member("l", &["lists"]),
        gateway.member("a", &["all"]),
    );
    let nobody = gateway.anonymous();
    let list = request("tools/list", json!({}));
    let prompt = request("prompts/get", json!({"name": "other"}));
    for mount in ["trusted", "stranger"] {
        let path = format!("/{mount}/mcp");
        let rows: &[(&str, &Actor, &Value, u16)] = &[
            ("no token", &nobody, &list, 401),
            ("a tool outside the scope", &few, &tool_call("denied"), 403),
            ("an unknown tool", &few, &tool_call("no such tool"), 403),
            (
                "a call without a tool's name",
                &few,
                &request("tools/call", json!({})),
                200,
            ),
            ("a list with a right to call only", &few, &list, 403),
            ("a prompt outside", &few, &prompt, 403),
            (
                "a call with a right to list only",
                &lists,
                &tool_call("allowed"),
                403,
            ),
            ("an unknown method", &lists, &request("made/up", json!({})), 403),
        ];
        for (what, actor, message, status) in rows {
            let answer = actor.mcp(&path, message).await;
            if *what == "a call without a tool's name" {
                // Nothing is named, so nothing can be granted or run: it must not pass either.
                assert_eq!(answer.status, 400, "{mount}: {what}: {}", answer.text());
            } else {
                assert_eq!(answer.status, *status, "{mount}: {what}: {}", answer.text());
                assert_eq!(answer.code(), i64::from(*status));
            }
            assert!(upstream.take().is_empty(), "{mount}: {what} reached the upstream");
        }
        let denied = few.mcp(&path, &tool_call("denied")).await.text();
        assert_eq!(
            denied,
            few.mcp(&path, &tool_call("no such tool")).await.text(),
            "word for word"
        );
        for message in [
            tool_call("allowed"),
            request("initialize", json!({})),
            request("ping", json!({})),
        ] {
            assert_eq!(few.mcp(&path, &message).await.status, 200, "{message}");
        }
        assert_eq!(lists.mcp(&path, &list).await.status, 200);
        assert_eq!(all.mcp(&path, &request("made/up", json!({}))).await.status, 200);
        upstream.take();
    }
}

#[tokio::test]
async fn a_body_that_two_parsers_could_read_differently_goes_nowhere() {
    let Ways { gateway, upstream } = both_ways().await;
    let few = gateway.member("few", &["few"]);
    let good = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed"}}"#;
    let utf32: Vec<u8> = good.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let deep = good.replace(
        "}}",
        &format!(",\"arguments\":{}{}}}}}", "[".repeat(100), "]".repeat(100)),
    );
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<(&str, Vec<u8>, &str, u16)> = vec![
        (
            "two values",
            format!("{good}{good}").into_bytes(),
            "application/json",
            400,
        ),
        (
            "trailing bytes",
            format!("{good}x").into_bytes(),
            "application/json",
            400,
        ),
        (
            "a batch",
            format!("[{good}]").into_bytes(),
            "application/json",
            400,
        ),
        (
            "a mark",
            format!("\u{feff}{good}").into_bytes(),
            "application/json",
            400,
        ),
        ("UTF-16", utf16, "application/json", 400),
        ("UTF-32", utf32, "application/json", 400),
        ("too deep", deep.into_bytes(), "application/json", 400),
        (
            "too large",
            format!("{good}{}", " ".repeat(8 << 20)).into_bytes(),
            "application/json",
            413,
        ),
        (
            "the server's name twice",
            good.replace("}}", ",\"n\u{61}me\":\"denied\"}}").into_bytes(),
            "application/json",
            400,
        ),
        (
            "a key twice",
            good.replace("\"params\"", "\"method\":\"x\",\"params\"")
                .into_bytes(),
            "application/json",
            400,
        ),
        (
            "an escaped key twice",
            good.replace("}}", ",\"n\\u0061me\":\"denied\"}}").into_bytes(),
            "application/json",
            400,
        ),
        (
            "another case",
            good.replace("}}", ",\"Name\":\"denied\"}}").into_bytes(),
            "application/json",
            400,
        ),
        ("another type", good.as_bytes().to_vec(), "text/plain", 415),
        (
            "another charset",
            good.as_bytes().to_vec(),
            "application/json; charset=utf-16",
            415,
        ),
        ("no type", good.as_bytes().to_vec(), "", 415),
        ("nothing", Vec::new(), "application/json", 400),
    ];
    for mount in ["trusted", "stranger"] {
        let path = format!("/{mount}/mcp");
        for (what, body, kind, status) in &bodies {
            let answer = few.send("POST", &path, kind, body.clone()).await;
            assert_eq!(answer.status, *status, "{what}: {}", answer.text());
            assert_eq!(answer.header("content-type"), "application/json", "{what}");
        }
        let encoded = few
            .clone()
            .with("content-encoding", "gzip")
            .send("POST", &path, "application/json", good.into())
            .await;
        assert_eq!(encoded.status, 415);
        for disguise in [
            "x_user",
            "x-auth_method",
            "mcp_name",
            "x_gate_uri",
            "x_authorization",
        ] {
            let answer = few
                .clone()
                .with(disguise, "x")
                .send("POST", &path, "application/json", good.into())
                .await;
            assert_eq!(answer.status, 400, "{disguise}");
        }
        assert!(upstream.take().is_empty());
        assert_eq!(
            few.send("POST", &path, "application/json; charset=UTF-8", good.into())
                .await
                .status,
            200
        );
        upstream.take();
    }
    let huge = few
        .send(
            "POST",
            "/trusted/mcp",
            "application/json",
            vec![b' '; 9 * 1024 * 1024],
        )
        .await;
    assert_eq!(
        (huge.status, huge.header("content-type")),
        (413, "application/json")
    );
}

#[tokio::test]
async fn modern_headers_must_say_what_the_body_says_and_go_on_unchanged() {
    let Ways { gateway, upstream } = both_ways().await;
    let few = gateway.member("few", &["few"]);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let call = request("tools/call", json!({"name": "allowed", "_meta": meta}));
    let modern = |headers: &[(&str, &str)]| {
        let base = few.clone().with("mcp-protocol-version", "2026-07-28");
        headers
            .iter()
            .fold(base, |actor, (name, value)| actor.with(name, value))
    };
    let right = [("mcp-method", "tools/call"), ("mcp-name", "allowed")];
    for mount in ["trusted", "stranger"] {
        let path = format!("/{mount}/mcp");
        let encoded = [
            ("mcp-method", "tools/call"),
            ("mcp-name", "=?base64?YWxsb3dlZA==?="),
            ("mcp-param-a_b", "v"),
        ];
        for headers in [&right[..], &encoded[..]] {
            let answer = modern(headers).mcp(&path, &call).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let received = upstream.take();
            for (name, value) in headers {
                assert_eq!(received.first().unwrap().header(name), *value, "{mount}");
            }
        }
        let wrong: &[&[(&str, &str)]] = &[
            &[],
            &[("mcp-method", "tools/call")],
            &[("mcp-name", "allowed")],
            &[("mcp-method", "tools/list"), ("mcp-name", "allowed")],
            &[("mcp-method", "tools/call"), ("mcp-name", "other")],
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "allowed"),
                ("mcp-name", "allowed"),
            ],
            &[("mcp-method", "tools/call"), ("mcp-name", "=?base64?%%?=")],
            &[
                ("mcp-method", "tools/call"),
                ("mcp-name", "allowed"),
                ("mcp-protocol-version", "2026-07-28"),
            ],
        ];
        for headers in wrong {
            let answer = modern(headers).mcp(&path, &call).await;
            assert_eq!(
                (answer.status, answer.code()),
                (400, -32020),
                "{headers:?}: {}",
                answer.text()
            );
        }
        // A legacy body under a modern version: its headers must say what it does all the same.
        let bare = few.clone().with("mcp-protocol-version", "2026-07-28");
        let answer = bare.mcp(&path, &tool_call("allowed")).await;
        assert_eq!((answer.status, answer.code()), (400, -32020));
        let legacy_header = few
            .clone()
            .with("mcp-protocol-version", "2025-11-25")
            .mcp(&path, &call)
            .await;
        assert_eq!((legacy_header.status, legacy_header.code()), (400, -32020));
        assert!(upstream.take().is_empty());

        // A legacy request keeps none of them.
        let legacy = few
            .clone()
            .with("mcp-method", "lie")
            .with("mcp-name", "lie")
            .with("mcp-param-x", "lie");
        assert_eq!(legacy.mcp(&path, &tool_call("allowed")).await.status, 200);
        let received = upstream.take();
        for name in ["mcp-method", "mcp-name", "mcp-param-x"] {
            assert_eq!(received.first().unwrap().header(name), "", "{mount}: {name}");
        }
    }
}

#[tokio::test]
async fn the_order_of_credentials_is_kept() {
    let Ways { gateway, upstream } = both_ways().await;
    let token = |name: &str| gateway.token(&["--user", name, "--groups", "all"]);
    let (ada, bob) = (
        format!("Bearer {}", token("ada")),
        format!("Bearer {}", token("bob")),
    );
    let cookie = {
        let answer = gateway
            .anonymous()
            .form("/login", "username=admin&password=correct+horse+battery+staple")
            .await;
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let forged = format!("{ada}x");
    // (X-Authorization, Authorization, Cookie) → status, user, the upstream's Authorization.
    let rows: Vec<(&str, &str, &str, u16, &str, &str)> = vec![
        (&ada, "", "", 200, "ada", ""),
        (&ada, &bob, "", 200, "ada", ""),
        (
            &ada,
            "Bearer for-the-upstream",
            "",
            200,
            "ada",
            "Bearer for-the-upstream",
        ),
        (&ada, "Basic dXA6c3RyZWFt", "", 200, "ada", "Basic dXA6c3RyZWFt"),
        ("", &bob, "", 200, "bob", ""),
        (&forged, &bob, "", 401, "", ""),
        ("Bearer nonsense", &bob, "", 401, "", ""),
        (&ada, &forged, "", 200, "ada", ""),
        ("", &forged, &cookie, 401, "", ""),
        ("", "Bearer for-the-upstream", "", 401, "", ""),
        ("", "", "mcp_gateway_session=made-up", 401, "", ""),
    ];
    for mount in ["trusted", "stranger"] {
        for (named, plain, cookie, status, user, passed) in &rows {
            let mut actor = gateway.anonymous();
            for (name, value) in [
                ("x-authorization", named),
                ("authorization", plain),
                ("cookie", cookie),
            ] {
                if !value.is_empty() {
                    actor = actor.with(name, value);
                }
            }
            let answer = actor.mcp(&format!("/{mount}/mcp"), &tool_call("x")).await;
            assert_eq!(
                answer.status,
                *status,
                "{mount}: {named:.20} {plain:.20} {cookie:.20}: {}",
                answer.text()
            );
            let received = upstream.take();
            assert_eq!(received.len(), usize::from(*status == 200));
            if let [got] = received.as_slice() {
                assert_eq!(
                    (got.header("x-user"), got.header("authorization")),
                    (*user, *passed)
                );
                assert_eq!((got.header("x-authorization"), got.header("cookie")), ("", ""));
            }
        }
        let twice = gateway
            .anonymous()
            .with("x-authorization", &ada)
            .with("x-authorization", &bob);
        assert_eq!(
            twice.mcp(&format!("/{mount}/mcp"), &tool_call("x")).await.status,
            401
        );
    }
    // 401 comes before 404, for every path.
    let answer = gateway.anonymous().mcp("/no/such/server", &tool_call("x")).await;
    let challenge = format!(
        "Bearer realm=\"mcp\", scope=\"root\", resource_metadata=\"{}/.well-known/oauth-protected-resource/no/such/server\"",
        gateway.base
    );
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, challenge.as_str())
    );
    assert_eq!(gateway.anonymous().get("/no/such/server").await.status, 401);
    assert_eq!(
        gateway
            .anonymous()
            .bearer(&token("ada"))
            .get("/no/such/server")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn every_method_and_spelling_of_a_path_means_one_thing() {
    let Ways { gateway, upstream } = both_ways().await;
    let all = gateway.member("a", &["all"]);
    let (admin, other) = (
        gateway.with_scopes("root", &["mcp-registry-admin"]),
        Upstream::new().await,
    );
    for path in ["/a", "/ab"] {
        let body = json!({"server_name": path, "path": path, "proxy_pass_url": if path == "/a" { &other.url } else { &upstream.url }});
        assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    }
    all.mcp("/ab/mcp", &tool_call("x")).await;
    assert!(
        other.take().is_empty() && upstream.take().len() == 1,
        "`/a` never catches `/ab`"
    );

    for mount in ["trusted", "stranger"] {
        for (asked, target) in [
            ("", "/mcp"),
            ("/", "/mcp"),
            ("/mcp", "/mcp"),
            ("/sse", "/sse"),
            ("/x/y?q", "/x/y?q"),
            ("/x%20y", "/x%20y"),
        ] {
            let answer = all.mcp(&format!("/{mount}{asked}"), &tool_call("x")).await;
            assert_eq!(answer.status, 200, "{asked}: {}", answer.text());
            assert_eq!(upstream.take().first().unwrap().target, target, "{mount}{asked}");
        }
        for method in ["GET", "DELETE", "HEAD"] {
            let answer = all.send(method, &format!("/{mount}/mcp"), "", Vec::new()).await;
            assert_eq!(answer.status, 200, "{method} {mount}");
            let received = upstream.take();
            assert_eq!(
                received
                    .first()
                    .map(|got| (got.method.as_str(), got.header("x-user"))),
                Some((method, "a"))
            );
            assert_eq!(
                gateway
                    .anonymous()
                    .send(method, &format!("/{mount}/mcp"), "", Vec::new())
                    .await
                    .status,
                401
            );
            let lists_not = gateway
                .with_scopes("n", &["nothing"])
                .send(method, &format!("/{mount}/mcp"), "", Vec::new())
                .await;
            assert_eq!(lists_not.status, 403);
        }
        let rows = [
            ("OPTIONS", 403),
            ("PUT", 405),
            ("PATCH", 405),
            ("TRACE", 405),
            ("INVENTED", 405),
            ("PROPFIND", 405),
        ];
        for (method, status) in rows {
            let answer = all.send(method, &format!("/{mount}/mcp"), "", Vec::new()).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (status, "application/json"),
                "{method}"
            );
        }
        for method in ["GET", "DELETE", "HEAD", "PUT"] {
            let answer = all
                .send(
                    method,
                    &format!("/{mount}/mcp"),
                    "application/json",
                    tool_call("x").to_string().into(),
                )
                .await;
            assert_eq!(answer.status, 400, "{method} with a body");
        }
        for path in [
            format!("//{mount}/mcp"),
            format!("/x/../{mount}/mcp"),
            format!("/%{:x}{}/mcp", mount.as_bytes()[0], &mount[1..]),
            format!("/.%2e/{mount}/mcp"),
            format!("/{mount}/mcp%23x"),
            format!("/{mount}%0d%0aX-Gate-Uri:%20/a/mcp"),
            format!("/{mount}/%00"),
        ] {
            let answer = all.mcp(&path, &tool_call("x")).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (400, "application/json"),
                "{path}: {}",
                answer.text()
            );
        }
        for path in [
            format!("/{}/mcp", mount.to_uppercase()),
            format!("/{mount}./mcp"),
            format!("/{mount};x/mcp"),
            format!("/{mount}%2fmcp2x"),
        ] {
            let answer = all.mcp(&path, &tool_call("x")).await;
            assert!(
                answer.status == 404 || answer.status == 400,
                "{path}: {}",
                answer.status
            );
        }
        assert!(upstream.take().is_empty() && other.take().is_empty());
    }
    // nginx's own refusals are JSON too.
    let bad = gateway.anonymous().raw(b"NONSENSE\r\n\r\n").await;
    assert!(
        bad.contains("400") && bad.contains("application/json") && !bad.contains("<html"),
        "{bad}"
    );
    let internal = all.get("/_gate").await;
    assert!(internal.status == 404 && !internal.text().contains("<html"));
}

#[tokio::test]
async fn an_upstream_cannot_steer_nginx() {
    let upstream = Upstream::answering(&[
        ("x-accel-redirect", "/api/servers"),
        ("x-gate-target", "gatehouse_web"),
        ("x-gate-status", "419"),
        ("location", "https://evil.example/"),
        ("refresh", "0;url=https://evil.example/"),
        ("access-control-allow-origin", "*"),
    ])
    .await;
    let gateway = Setup::new().with_policy(POLICY).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "x", "path": "/trusted", "proxy_pass_url": upstream.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    for blocks in [0, 1] {
        if blocks == 1 {
            gateway.until_blocks(1).await;
        }
        let answer = gateway
            .member("a", &["all"])
            .mcp("/trusted/mcp", &tool_call("x"))
            .await;
        assert!(
            answer.status == 200 && answer.text().contains("done"),
            "{}",
            answer.text()
        );
        for name in [
            "x-accel-redirect",
            "x-gate-target",
            "x-gate-status",
            "location",
            "refresh",
            "access-control-allow-origin",
        ] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
}

#[tokio::test]
async fn validate_answers_people_with_their_own_nginx() {
    let Ways { gateway, .. } = both_ways().await;
    let ask = |actor: Actor, method: &str, url: &str| {
        let actor = actor
            .with("x-original-url", url)
            .with("x-original-method", method)
            .with("x-body", "{\"method\":\"ping\"}");
        async move { actor.get("/validate").await }
    };
    let url = "http://gw.example/trusted/mcp?x=1";
    let all = ask(gateway.member("ada", &["all"]), "POST", url).await;
    let body = all.value();
    assert_eq!(all.status, 200);
    assert_eq!(
        (&body["valid"], &body["username"], &body["server_name"]),
        (&json!(true), &json!("ada"), &json!("trusted"))
    );
    assert_eq!(
        (
            all.header("x-user"),
            all.header("x-server-name"),
            all.header("x-auth-method")
        ),
        ("ada", "trusted", "self_signed")
    );
    // It sees no body, whatever `X-Body` says.
    assert_eq!(
        ask(gateway.member("few", &["few"]), "POST", url).await.status,
        403
    );
    assert_eq!(
        ask(gateway.member("few", &["few"]), "DELETE", url).await.status,
        200
    );
    assert_eq!(ask(gateway.anonymous(), "POST", url).await.status, 401);
    assert_eq!(
        ask(
            gateway.member("ada", &["all"]),
            "POST",
            "http://gw.example/unknown"
        )
        .await
        .status,
        403
    );
    // Their nginx may understand a path that is written in a roundabout way; we do not try to.
    for path in [
        "/./trusted/mcp",
        "/api/../trusted/mcp",
        "/mine/../trusted",
        "//trusted",
        "/%74rusted",
    ] {
        for actor in [gateway.member("few", &["few"]), gateway.member("l", &["lists"])] {
            let answer = ask(actor, "POST", &format!("http://gw.example{path}")).await;
            assert_eq!(answer.status, 403, "{path}");
        }
    }
    let tricky = gateway
        .member("few", &["few"])
        .with("x-original-uri", "/trusted/mcp?x=a://b/");
    assert_eq!(
        tricky
            .with("x-original-method", "POST")
            .get("/validate")
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_cookie_opens_no_mount_to_another_site() {
    let Ways { gateway, upstream } = both_ways().await;
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    // The policy of these tests gives the administrator's group no server; a group of the cookie's own is needed.
    let file = gateway.setup.folder.path().join("auth/scopes.yml");
    std::fs::write(
        &file,
        POLICY.replace(
            "{all: [root]",
            "{mcp-registry-admin: [root, mcp-registry-admin], all: [root]",
        ),
    )
    .unwrap();
    let session = gateway.signed_in().await;
    crate::harness::until("the cookie has rights", || async {
        session.mcp("/stranger/mcp", &tool_call("x")).await.status == 200
    })
    .await;
    assert_eq!(admin.get("/api/auth/me").await.status, 200);
    upstream.take();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = session
            .clone()
            .with(name, value)
            .mcp("/stranger/mcp", &tool_call("x"))
            .await;
        assert_eq!(answer.status, 403, "{name}: {value}");
    }
    assert!(upstream.take().is_empty());
    let same = session
        .with("sec-fetch-site", "same-origin")
        .with("origin", &gateway.base);
    assert_eq!(same.mcp("/trusted/mcp", &tool_call("x")).await.status, 200);
}

#[tokio::test]
async fn answers_keep_their_encoding_and_redirects_stay_under_the_mount() {
    let upstream = Upstream::answering(&[("content-encoding", "br"), ("location", "/base/next?x=1")]).await;
    let gateway = Setup::new().with_policy(POLICY).start();
    let body = |path: &str| json!({"server_name": path, "path": path, "proxy_pass_url": format!("{}/base", upstream.url)});
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let maker = gateway.with_scopes("maker", &["maker"]);
    assert_eq!(
        admin
            .json("/api/management/servers", &body("/trusted"))
            .await
            .status,
        201
    );
    assert_eq!(
        maker
            .json("/api/management/servers", &body("/stranger"))
            .await
            .status,
        201
    );
    gateway.until_blocks(1).await;
    let all = gateway.member("a", &["all"]);
    for mount in ["/trusted", "/stranger"] {
        let answer = all
            .clone()
            .with("accept-encoding", "br")
            .mcp(mount, &tool_call("x"))
            .await;
        assert_eq!(answer.header("content-encoding"), "br", "{mount}");
        assert_eq!(answer.header("location"), format!("{mount}/next?x=1"));
        assert_eq!(upstream.take().first().unwrap().header("accept-encoding"), "br");
    }
}

#[tokio::test]
async fn a_redirect_that_climbs_out_of_its_mount_is_not_passed_on_either_way() {
    let upstream = crate::harness::Scripted::new().await;
    let gateway = Setup::new().with_policy(POLICY).start();
    for (path, scope) in [("/trusted", "mcp-registry-admin"), ("/stranger", "maker")] {
        let body =
            json!({"server_name": path, "path": path, "proxy_pass_url": format!("{}/base", upstream.url)});
        let maker = gateway.with_scopes("maker", &[scope]);
        assert_eq!(maker.json("/api/management/servers", &body).await.status, 201);
    }
    gateway.until_blocks(1).await;
    let all = gateway.member("a", &["all"]);
    let call = tool_call("x");
    for mount in ["/trusted", "/stranger"] {
        for out in [
            "/../api",
            "/x/../../api",
            "/%2e%2E/api",
            "/..\\api",
            "/\\evil",
            "/.\t./api",
            "//evil",
            "/./x",
        ] {
            let location = format!("/base{out}");
            let (answer, ()) = tokio::join!(all.mcp(mount, &call), async {
                upstream.next().await.reply(307, &[("location", &location)], "");
            });
            assert_eq!(
                (answer.status, answer.header("location")),
                (307, ""),
                "{mount} {out}"
            );
        }
    }
}

#[tokio::test]
async fn even_what_no_parser_takes_is_refused_in_json() {
    let Ways { gateway, upstream } = both_ways().await;
    let token = gateway.token(&["--user", "a", "--groups", "all"]);
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        )
    };
    let chunks = format!("{}Transfer-Encoding: chunked\r\n\r\nzz\r\n", head("/trusted/mcp"));
    let angle = format!("{}Content-Length: 2\r\n\r\n{{}}", head("/trusted/<x>?<y>"));
    for bytes in [chunks, angle] {
        let answer = gateway.anonymous().raw(bytes.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("application/json"),
            "{answer}"
        );
        assert!(!answer.contains("<html"), "{answer}");
    }
    let check = gateway
        .anonymous()
        .send("POST", "/_gate/check", "application/json", b"{}".to_vec())
        .await;
    assert_eq!(
        (check.status, check.header("content-type")),
        (401, "application/json")
    );
    assert!(upstream.take().is_empty());
}

#[tokio::test]
async fn guessing_tokens_is_slowed_and_nobody_else_is_locked_out() {
    let Ways { gateway, upstream } = both_ways().await;
    let all = gateway.member("a", &["all"]);
    let guess = gateway.anonymous().bearer("guess");
    let mut tries = 0;
    let slowed = loop {
        let answer = guess.mcp("/trusted/mcp", &tool_call("x")).await;
        tries += 1;
        if answer.status != 401 {
            break answer;
        }
        assert!(tries < 1000, "never slowed");
    };
    assert!(tries > 60, "{tries}");
    assert_eq!(
        (slowed.status, slowed.code(), slowed.header("retry-after")),
        (429, 429, "1")
    );
    let by_method = guess.send("DELETE", "/trusted/mcp", "", Vec::new()).await;
    assert_eq!((by_method.status, by_method.header("retry-after")), (429, "1"));
    assert_eq!(guess.get("/api/auth/me").await.status, 429);
    // The same address with a good token, and with none.
    assert_eq!(all.mcp("/trusted/mcp", &tool_call("x")).await.status, 200);
    assert_eq!(
        gateway
            .anonymous()
            .mcp("/trusted/mcp", &tool_call("x"))
            .await
            .status,
        401
    );
    assert_eq!(upstream.take().len(), 1);
}

#[tokio::test]
async fn requests_with_two_readings_of_their_length_go_nowhere() {
    let Ways { gateway, upstream } = both_ways().await;
    let token = gateway.token(&["--user", "few", "--groups", "few"]);
    let body = tool_call("denied").to_string();
    let hidden = format!(
        "POST /trusted/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for mount in ["trusted", "stranger"] {
        let head = |lengths: &str| {
            format!(
                "POST /{mount}/mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{lengths}\r\n"
            )
        };
        let rows = [
            (
                "both lengths",
                head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &hidden,
            ),
            (
                "two lengths",
                head("Content-Length: 2\r\nContent-Length: 3\r\n") + "{}x",
            ),
            ("a length with a sign", head("Content-Length: +2\r\n") + "{}"),
            ("a list of lengths", head("Content-Length: 2, 2\r\n") + "{}"),
            (
                "an unknown coding",
                head("Transfer-Encoding: xchunked\r\n") + "2\r\n{}\r\n0\r\n\r\n",
            ),
            (
                "two codings",
                head("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n" + &hidden,
            ),
            (
                "a coding with a space before the colon",
                head("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + &hidden,
            ),
            (
                "a bare CR in a chunk's head",
                head("Transfer-Encoding: chunked\r\n") + "2\r{}\r\n0\r\n\r\n",
            ),
            (
                "a chunk larger than any",
                head("Transfer-Encoding: chunked\r\n") + "ffffffffffffffff1\r\n{}",
            ),
            (
                "no host",
                head("Content-Length: 2\r\n").replace("Host: localhost\r\n", "") + "{}",
            ),
            (
                "a folded header",
                head("X-A: b\r\n c: d\r\nContent-Length: 2\r\n") + "{}",
            ),
        ];
        for (what, bytes) in rows {
            let answer = gateway.anonymous().raw(bytes.as_bytes()).await;
            assert!(
                answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501"),
                "{what}: {answer}"
            );
            assert!(!answer.contains("<html"), "{what}: {answer}");
            assert!(upstream.take().is_empty(), "{mount}: {what} reached the upstream");
        }
        // A header that would make another method of it stays behind.
        let few = gateway.anonymous().bearer(&token);
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let answer = few
                .clone()
                .with(name, "DELETE")
                .mcp(&format!("/{mount}/mcp"), &tool_call("allowed"))
                .await;
            assert_eq!(answer.status, 200);
            assert_eq!(
                upstream.take().first().unwrap().header(name),
                "",
                "{mount}: {name}"
            );
        }
    }
}
