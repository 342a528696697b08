//! Browsers and edges: which hosts are ours, which pages may call, and what they may read.

use axum::Router;
use axum::routing::{get, put};

use crate::harness::{Actor, Gateway, Setup, Upstream, free_port, tool_call};

const POLICY: &str = "all: [{server: '*', methods: ['*'], tools: ['*']}]";

async fn mounted(setup: Setup) -> (Gateway, Upstream) {
    let upstream =
        Upstream::answering(&[("access-control-allow-origin", "*"), ("mcp-session-id", "s")]).await;
    let gateway = setup.with_policy(POLICY).start();
    gateway.register("/w", &upstream.url).await;
    (gateway, upstream)
}

#[tokio::test]
async fn only_our_own_hosts_are_served() {
    let port = free_port();
    let setup = Setup::new().with_variable("REGISTRY_URL", "https://mcp.example.com");
    let setup = setup.with(&["--server-names", "other.example, *.wild.example"]);
    let (gateway, upstream) = mounted(setup).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let ours = [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "10.1.2.3:8080",
        "[::1]:9",
        "mcp.example.com",
        "other.example:1",
        "a.wild.example",
    ];
    for host in ours {
        let answer = ada
            .clone()
            .with("host", host)
            .mcp("/w/mcp", &tool_call("x"))
            .await;
        assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    }
    upstream.take();
    let evil = format!("evil.example:{port}");
    for host in [
        evil.as_str(),
        "mcp.example.com.evil",
        "xmcp.example.com",
        "wild.example",
        "127.0.0.1.evil.example",
        "a b",
    ] {
        for path in ["/w/mcp", "/api/servers", "/login"] {
            let answer = ada.clone().with("host", host).get(path).await;
            let status = if host.contains(' ') { 400 } else { 421 };
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (status, "application/json"),
                "{host} {path}"
            );
        }
    }
    let no_host = gateway.anonymous().raw(b"GET /w/mcp HTTP/1.0\r\n\r\n").await;
    assert!(no_host.starts_with("HTTP/1.1 421"), "{no_host}");
    assert!(upstream.take().is_empty());
}

#[tokio::test]
async fn an_ec2_machine_is_called_by_its_own_names() {
    let service = |token: &'static str| {
        let named = move |name: &'static str| {
            get(move |headers: http::HeaderMap| async move {
                let said = headers
                    .get("x-aws-ec2-metadata-token")
                    .is_some_and(|given| given == token);
                if said {
                    Ok(name)
                } else {
                    Err(http::StatusCode::UNAUTHORIZED)
                }
            })
        };
        Router::new()
            .route("/latest/api/token", put(move || async move { token }))
            .route(
                "/latest/meta-data/public-hostname",
                named("ec2-1-2-3-4.compute.example"),
            )
            .route("/latest/meta-data/local-hostname", named("evil name; return 200"))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, service("secret")).await.unwrap() });
    let setup = Setup::new().with(&["--ec2-metadata-url", &base]);
    let (gateway, _upstream) =
        tokio::task::spawn_blocking(move || tokio::runtime::Handle::current().block_on(mounted(setup)))
            .await
            .unwrap();
    let ada = gateway.with_scopes("ada", &["all"]);
    let as_host = |host: &str| ada.clone().with("host", host);
    let answer = as_host("ec2-1-2-3-4.compute.example")
        .mcp("/w/mcp", &tool_call("x"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(as_host("evil").get("/w/mcp").await.status, 421);
    task.abort();
}

fn cors(actor: &Actor, origin: &str) -> Actor {
    actor.clone().with("origin", origin)
}

#[tokio::test]
async fn pages_of_allowed_origins_call_and_read_and_others_do_not() {
    let setup = Setup::new().with(&["--allowed-origins", "https://app.example"]);
    let (gateway, upstream) = mounted(setup).await;
    let ada = gateway.with_scopes("ada", &["all"]);
    let own = gateway.base.clone();
    for origin in ["https://app.example", own.as_str()] {
        let asking = cors(&gateway.anonymous(), origin)
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "authorization,mcp-param-x");
        let answer = asking.send("OPTIONS", "/w/mcp", "", Vec::new()).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (204, origin)
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization,mcp-param-x"
        );
        assert!(answer.header("access-control-allow-methods").contains("DELETE"));
        let answer = cors(&ada, origin).mcp("/w/mcp", &tool_call("x")).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (200, origin)
        );
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("Mcp-Session-Id")
        );
        assert_eq!(
            answer
                .headers
                .get_all("access-control-allow-origin")
                .iter()
                .count(),
            1
        );
        // A page must be able to read why it was refused.
        for actor in [gateway.anonymous(), ada.clone().with("mcp-session-id", "x")] {
            for method in ["POST", "GET", "DELETE"] {
                let body = if method == "POST" {
                    tool_call("x").to_string()
                } else {
                    String::new()
                };
                let kind = if method == "POST" { "application/json" } else { "" };
                let answer = cors(&actor, origin)
                    .send(method, "/w/mcp", kind, body.into_bytes())
                    .await;
                assert!(answer.status == 401 || answer.status == 404, "{method}");
                assert_eq!(answer.header("access-control-allow-origin"), origin, "{method}");
            }
        }
    }
    upstream.take();
    for origin in [
        "https://evil.example",
        "null",
        "http://app.example",
        "https://app.example.evil",
        "https://app.example:444",
    ] {
        for method in ["OPTIONS", "POST", "GET", "DELETE"] {
            let kind = if method == "POST" { "application/json" } else { "" };
            let body = if method == "POST" {
                tool_call("x").to_string()
            } else {
                String::new()
            };
            let answer = cors(&ada, origin)
                .send(method, "/w/mcp", kind, body.into_bytes())
                .await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (403, "application/json"),
                "{origin} {method}"
            );
            assert_eq!(
                answer.header("access-control-allow-origin"),
                "",
                "{origin} {method}"
            );
        }
    }
    let twice = cors(&cors(&ada, "https://app.example"), "https://evil.example");
    let answer = twice.mcp("/w/mcp", &tool_call("x")).await;
    assert!(matches!(answer.status, 400 | 403), "{}", answer.status);
    assert!(upstream.take().is_empty());
    // Programs send no origin and are told nothing about any.
    let answer = ada.mcp("/w/mcp", &tool_call("x")).await;
    assert_eq!(
        (
            answer.status,
            answer.header("access-control-allow-origin"),
            answer.header("vary")
        ),
        (200, "", "")
    );
}
