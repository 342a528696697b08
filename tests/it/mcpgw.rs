//! Our own MCP server, through the gate: found, listed and called by real clients, with the caller's rights and no others.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::harness::peers::{KINDS, Peer, python, script};
use crate::harness::stream::Session;
use crate::harness::{Actor, Gateway, Setup, Upstream, request, tool_call, tools};

const POLICY: &str = "
UI-Scopes:
  lister: {list_service: [weather, mcpgw]}
  maker: {register_service: [all], list_service: [all], toggle_service: [mine], delete_service: [mine], health_check_service: [mine]}
root: [{server: '*', methods: ['*'], tools: ['*']}]
mcpgw-all: [{server: mcpgw, methods: [tools/list, tools/call], tools: ['*']}]
finder: [{server: mcpgw, methods: [tools/list, tools/call], tools: [intelligent_tool_finder]}]
weather-some: [{server: weather, methods: [tools/list, tools/call], tools: [forecast]}]
other: [{server: weather, methods: [tools/list, tools/call], tools: ['*']}]
";

/// Call a tool of ours; its result.
async fn call_at(actor: &Actor, door: &str, tool: &str, arguments: Value) -> Value {
    let message = request("tools/call", json!({"name": tool, "arguments": arguments}));
    let answer = actor.mcp(door, &message).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()["result"].clone()
}

pub async fn call(actor: &Actor, tool: &str, arguments: Value) -> Value {
    call_at(actor, "/mcpgw/mcp", tool, arguments).await
}

/// What it said in structure; it must not have failed.
pub async fn said(actor: &Actor, tool: &str, arguments: Value) -> Value {
    let result = call(actor, tool, arguments).await;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    result["structuredContent"].clone()
}

/// Why it failed.
pub async fn fault(actor: &Actor, tool: &str, arguments: Value) -> String {
    let result = call(actor, tool, arguments).await;
    assert_eq!(result["isError"], true, "{tool}: {result}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_agent_finds_reads_and_calls_in_both_eras_and_over_all_transports() {
    let kinds = KINDS.into_iter().filter(|kind| kind.mount.starts_with("python"));
    let peers = Peer::start(kinds).await;
    let gateway = Setup::new().with_policy(POLICY).with(&["--demo"]).start();
    let root = gateway.with_scopes("root", &["mcp-registry-admin", "root"]);
    gateway.mount(&root, &peers).await;
    for path in ["/currenttime", "/realserverfaketools", "/python", "/python-sse"] {
        let asked = said(&root, "refresh_service", json!({"service_path": path})).await;
        assert_eq!(asked["status"], "healthy", "{asked}");
    }
    let token = gateway.token(&["--user", "ada", "--scopes", "root"]);
    let mut client = tokio::process::Command::new(python());
    client
        .arg(script("mcpgw.py"))
        .arg(&gateway.base)
        .env("TOKEN", token);
    client.current_dir(tools()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(90), client.output());
    let output = output.await.expect("an end in time").unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}\n{complained}");
    let lines: Vec<&str> = said.lines().collect();
    let expected = [
        "mcpgw/mcp legacy: legacy",
        "mcpgw/mcp auto: modern",
        "mcp legacy: legacy",
        "mcp auto: modern",
        "mcpgw/sse legacy: legacy",
    ];
    assert_eq!(lines, expected);
    assert!(!gateway.log().contains("s3cret"));
}

/// A server whose tools are known, and an upstream that remembers what it was asked.
async fn weather(gateway: &Gateway) -> Upstream {
    let upstream = Upstream::new().await;
    gateway.register("/weather", &upstream.url).await;
    upstream
}

#[tokio::test]
async fn who_has_no_rule_for_it_is_refused_and_others_see_only_what_they_may() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let _upstream = weather(&gateway).await;
    gateway.register("/hidden", "http://127.0.0.1:9/").await;
    let anybody = gateway
        .anonymous()
        .mcp("/mcpgw/mcp", &tool_call("list_services"))
        .await;
    assert_eq!(anybody.status, 401);
    assert!(anybody.header("www-authenticate").contains("Bearer"));
    let other = gateway.with_scopes("eve", &["other"]);
    for door in ["/mcpgw/mcp", "/mcp", "/mcpgw", "/mcpgw/sse"] {
        assert_eq!(
            other.mcp(door, &tool_call("list_services")).await.status,
            403,
            "{door}"
        );
    }
    assert_eq!(other.get("/mcpgw/sse").await.status, 403);

    // One tool of ours is all that this scope gives.
    let finder = gateway.with_scopes("ada", &["finder", "weather-some"]);
    let listed = finder
        .mcp("/mcp", &request("tools/list", json!({})))
        .await
        .value();
    let listed = listed["result"]["tools"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["name"], "intelligent_tool_finder");
    assert!(listed[0]["outputSchema"].is_object());
    for tool in ["invoke_mcp_tool", "no_such_tool"] {
        assert_eq!(
            finder.mcp("/mcpgw/mcp", &tool_call(tool)).await.status,
            403,
            "{tool}"
        );
    }

    let ada = gateway.with_scopes("ada", &["mcpgw-all", "weather-some"]);
    let services = said(&ada, "list_services", json!({})).await;
    let paths: Vec<&str> = services["services"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/weather", "/mcpgw"]);
    // What is hidden and what is not there look the same.
    let invoke = |server: &str| json!({"server_name": server, "tool_name": "x"});
    let hidden = fault(&ada, "invoke_mcp_tool", invoke("/hidden")).await;
    let nowhere = fault(&ada, "invoke_mcp_tool", invoke("/nowhere")).await;
    assert_eq!(hidden, nowhere.replace("nowhere", "hidden"));
    let denied = fault(&ada, "invoke_mcp_tool", invoke("weather")).await;
    assert!(
        denied.contains("scopes do not allow") && denied.contains("intelligent_tool_finder"),
        "{denied}"
    );
    let itself = fault(&ada, "invoke_mcp_tool", invoke("/mcpgw/")).await;
    assert!(itself.contains("Call the tool itself"), "{itself}");
}

#[tokio::test]
async fn a_call_that_is_made_for_somebody_has_a_row_of_its_own() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Upstream::new().await;
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    gateway.register("/weather", &upstream.url).await;
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "weather-some"]);
    let wish =
        |tool: &str| json!({"server_name": "/weather", "tool_name": tool, "arguments": {"city": "Bonn"}});
    call(&ada, "invoke_mcp_tool", wish("forecast")).await;
    fault(&ada, "invoke_mcp_tool", wish("secret")).await;
    // No waiting: they are there before the answers are.
    let rows = admin.get("/api/calls?server=/weather").await.value();
    let rows = rows["calls"].as_array().unwrap();
    let seen = rows.iter().map(|row| {
        assert_eq!(
            (&row["principal"], &row["user"]),
            (&json!("user"), &json!("ada")),
            "{row}"
        );
        assert_eq!(row["method"], "tools/call");
        assert_eq!(
            row["request_id"].as_str().unwrap().len(),
            32,
            "nginx's id of the request"
        );
        (
            row["tool"].as_str().unwrap(),
            row["way"].as_str().unwrap(),
            row["status"].as_u64().unwrap(),
        )
    });
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [("secret", "refused", 403), ("forecast", "carried", 200)]
    );
}

#[tokio::test]
async fn the_registrys_tools_go_by_the_callers_permissions() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Upstream::new().await;
    let (maker, ada) = (
        gateway.with_scopes("maker", &["maker", "mcpgw-all"]),
        gateway.with_scopes("ada", &["mcpgw-all"]),
    );
    let new = |path: &str| json!({"server_name": "Mine", "path": path, "proxy_pass_url": upstream.url, "tags": ["a"]});
    let refused = fault(&ada, "register_service", new("/mine")).await;
    assert!(
        refused.contains("permission") && refused.contains("ask an administrator"),
        "{refused}"
    );
    let made = said(&maker, "register_service", new("/mine")).await;
    assert_eq!(
        (&made["service"]["path"], &made["state"]),
        (&json!("/mine"), &json!("live"))
    );
    let again = fault(&maker, "register_service", new("/mine")).await;
    assert!(
        again.contains("already exists") && again.contains("another path"),
        "{again}"
    );
    let reserved = fault(&maker, "register_service", new("/mcpgw")).await;
    assert!(reserved.contains("reserved"), "{reserved}");
    let unfit = fault(
        &maker,
        "register_service",
        json!({"path": "/x", "password": "s3cret"}),
    )
    .await;
    assert!(
        unfit.contains("server_name") && unfit.contains("call again"),
        "{unfit}"
    );

    let details = said(&maker, "get_server_details", json!({"service_path": "Mine"})).await;
    assert_eq!(
        (&details["path"], &details["tags"]),
        (&json!("/mine"), &json!(["a"]))
    );
    let off = said(&maker, "toggle_service", json!({"service_path": "/mine"})).await;
    assert_eq!(off["new_enabled_state"], false);
    let on = said(
        &maker,
        "toggle_service",
        json!({"service_path": "mine", "new_state": true}),
    )
    .await;
    assert_eq!(
        (&on["new_enabled_state"], &on["state"]),
        (&json!(true), &json!("live"))
    );
    let health = said(&maker, "healthcheck", json!({})).await;
    assert!(health["/mine"].is_object(), "{health}");
    let refused = fault(&maker, "create_group", json!({"group_name": "g"})).await;
    assert!(refused.contains("Administrator"), "{refused}");

    // Groups are for administrators.
    let root = gateway.with_scopes("root", &["mcp-registry-admin", "root"]);
    said(
        &root,
        "create_group",
        json!({"group_name": "g", "description": "d"}),
    )
    .await;
    let wish = json!({"server_name": "/mine", "group_names": ["g"]});
    assert_eq!(
        said(&root, "add_server_to_scopes_groups", wish.clone()).await["groups"],
        json!(["g"])
    );
    let listed = said(&root, "list_groups", json!({})).await;
    assert!(
        listed["groups"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["name"] == "g"),
        "{listed}"
    );
    said(&root, "remove_server_from_scopes_groups", wish).await;
    said(&root, "delete_group", json!({"group_name": "g"})).await;

    let gone = said(&maker, "remove_service", json!({"service_path": "/mine"})).await;
    assert_eq!(gone["path"], "/mine");
    let unknown = fault(&maker, "get_server_details", json!({"service_path": "/mine"})).await;
    assert!(unknown.contains("list_services"), "{unknown}");
    assert!(!gateway.log().contains("s3cret"));
}

#[tokio::test]
async fn it_is_in_the_register_as_built_in_and_nobody_can_change_it() {
    let gateway = Gateway::new();
    let admin = gateway.admin();
    let details = admin.get("/api/server_details/mcpgw").await.value();
    assert_eq!(
        (&details["built_in"], &details["state"]),
        (&json!(true), &json!("live"))
    );
    assert_eq!(details["health_status"], "healthy");
    let tools = admin.get("/api/tools/mcpgw").await.value();
    assert_eq!(tools["tools"].as_array().unwrap().len(), details["num_tools"]);
    let calls = [
        ("POST", "/toggle/mcpgw", ""),
        ("POST", "/edit/mcpgw", "name=x&proxy_pass_url=http://127.0.0.1:9/"),
        ("DELETE", "/api/management/servers/mcpgw", ""),
        ("POST", "/api/refresh/mcpgw", ""),
    ];
    for (method, path, form) in calls {
        let kind = "application/x-www-form-urlencoded";
        let answer = admin.send(method, path, kind, form.as_bytes().to_vec()).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(answer.text().contains("built in"), "{}", answer.text());
    }
    let body = json!({"server_name": "x", "path": "/mcpgw", "proxy_pass_url": "http://127.0.0.1:9/"});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 422);
    let page = gateway
        .signed_in()
        .await
        .with("accept", "text/html")
        .get("/")
        .await
        .text();
    assert!(page.contains("built in") && !page.contains("/toggle/mcpgw"));
}

#[tokio::test]
async fn a_call_goes_out_in_the_callers_name_with_the_servers_own_credential() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Upstream::new().await;
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({
        "server_name": "weather", "path": "/weather", "proxy_pass_url": upstream.url,
        "auth_scheme": "api_key", "auth_credential": "k3y",
    });
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    upstream.take();
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "weather-some"]);
    let wish = json!({"service_path": "/weather", "tool_name": "forecast", "arguments": {"city": "Bonn"}, "auth_token": "s3cret"});
    let result = call(&ada, "invoke_mcp_tool", wish).await;
    let asked = upstream.take();
    let first = asked.first().unwrap_or_else(|| panic!("{result}"));
    assert_eq!(first.header("x-user"), "ada");
    assert_eq!(first.header("x-api-key"), "k3y");
    assert_eq!(first.header("x-tool-name"), "forecast");
    assert_eq!(first.header("authorization"), "");
    let headers = said(&ada, "get_http_headers", json!({})).await;
    let headers = headers["headers"].as_object().unwrap();
    assert_eq!(headers["authorization"], "********");
    assert!(headers.contains_key("accept") && !headers.keys().any(|name| name.starts_with("x-gate")));
    let who = said(&ada, "debug_auth_context", json!({})).await;
    assert_eq!(
        (&who["username"], &who["is_admin"]),
        (&json!("ada"), &json!(false))
    );
    // Of our own server nobody can say who they are but the gate.
    let forged = ada.with("x-user", "root").with("x-scopes", "mcp-registry-admin");
    assert_eq!(
        said(&forged, "debug_auth_context", json!({})).await["username"],
        "ada"
    );
}

#[tokio::test]
async fn the_streams_of_2024_are_their_principals_and_end_with_the_right() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let token = gateway.token(&["--user", "ada", "--scopes", "mcpgw-all"]);
    let (ada, eve) = (
        gateway.anonymous().bearer(&token),
        gateway.with_scopes("eve", &["mcpgw-all"]),
    );
    let mut session = Session::open(&ada, "mcpgw").await;
    let who = session.ask(&[], &tool_call("debug_auth_context")).await;
    assert_eq!(who["result"]["structuredContent"]["username"], "ada");
    let list = request("tools/list", json!({}));
    assert!(session.ask(&[], &list).await["result"]["tools"].is_array());
    let address = session.address().to_owned();
    assert_eq!(eve.mcp(&address, &list).await.status, 404);
    let twisted = format!("{address}x");
    assert_eq!(ada.mcp(&twisted, &list).await.status, 404);
    drop(session);
    crate::harness::until("the address dies with its stream", || async {
        ada.mcp(&address, &list).await.status == 404
    })
    .await;
    // One that only has the finder sees nothing else on a stream either.
    let finder = gateway.with_scopes("bob", &["finder"]);
    let mut session = Session::open(&finder, "mcpgw").await;
    let listed = session.ask(&[], &list).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 1);
    // And a stream ends when its token does.
    let mut open = ada.open("GET", "/mcpgw/sse", "").await;
    assert!(open.event().await.unwrap().contains("event: endpoint"));
    let listed = gateway
        .with_scopes("ada", &["root"])
        .get("/api/tokens")
        .await
        .value();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    for row in listed["tokens"].as_array().unwrap() {
        let id = row["id"].as_str().unwrap();
        admin
            .send("DELETE", &format!("/api/tokens/{id}"), "", Vec::new())
            .await;
    }
    assert_eq!(open.event().await, None);
}

#[tokio::test]
async fn what_it_does_not_speak_is_refused_in_json() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let ada = gateway.with_scopes("ada", &["mcpgw-all"]);
    for (method, path, status) in [
        ("GET", "/mcpgw/mcp", 405),
        ("DELETE", "/mcpgw/mcp", 405),
        ("GET", "/mcpgw/elsewhere", 404),
        ("GET", "/mcp/elsewhere", 404),
    ] {
        let answer = ada.send(method, path, "", Vec::new()).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(
            answer.value()["error"]["message"].is_string(),
            "{}",
            answer.text()
        );
    }
    let unknown = ada.mcp("/mcpgw/mcp", &tool_call("no_such_tool")).await.value();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    // Cookies of other sites, batches and the like are the gate's, as everywhere.
    assert_eq!(ada.mcp("/mcp", &json!([])).await.status, 400);
    // Modern lists say how long they may be kept, and that they are one caller's.
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
    });
    for method in ["tools/list", "server/discover"] {
        let modern = ada
            .clone()
            .with("mcp-protocol-version", "2026-07-28")
            .with("mcp-method", method);
        let params = Map::from_iter([("_meta".to_owned(), meta.clone())]);
        let answer = modern
            .mcp("/mcpgw/mcp", &request(method, Value::Object(params)))
            .await
            .value();
        let result = &answer["result"];
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(60_000), &json!("private")),
            "{answer}"
        );
    }
}
