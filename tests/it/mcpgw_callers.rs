//! Our own MCP server and its callers: those who err, those who may see little, and those who do not read.

use serde_json::{Value, json};

use crate::harness::ailing::{Ailing, http};
use crate::harness::stream::Scripted;
use crate::harness::{Actor, Gateway, Setup, until};
use crate::health::{Changing, add, quick, tool};
use crate::mcpgw::{call, fault, said};

const POLICY: &str = "
UI-Scopes:
  onlooker: {list_service: [all]}
mcpgw-all: [{server: mcpgw, methods: [tools/list, tools/call], tools: ['*']}]
mcpgw-two: [{server: mcpgw, methods: [tools/list, tools/call], tools: [list_services, healthcheck]}]
some: [{server: w, methods: [tools/list, tools/call], tools: [now]}]
every: [{server: w, methods: [tools/list, tools/call], tools: ['*']}]
finance: [{server: finance, methods: [tools/list, tools/call], tools: ['*']}]
fininfo: [{server: fininfo, methods: [tools/list, tools/call], tools: ['*']}]
slow: [{server: slow, methods: [tools/call], tools: ['*']}]
";

fn root(gateway: &Gateway) -> Actor {
    gateway.with_scopes("root", &["mcp-registry-admin"])
}

/// The row of a path in a list.
fn of<'a>(rows: &'a Value, path: &str) -> &'a Value {
    let rows = rows.as_array().unwrap();
    rows.iter().find(|row| row["path"] == path).unwrap()
}

#[tokio::test]
async fn every_count_of_tools_is_the_callers_own() {
    let gateway = quick(Setup::new().with_policy(POLICY))
        .with(&["--feed", "members"])
        .start();
    let root = root(&gateway);
    let server = Changing::start(json!([
        tool("now", "Tells the time."),
        tool("zone", "Names a zone."),
        tool("secret", "Says nothing."),
    ]))
    .await;
    let added = add(&root, "/w", &server.url, json!({"pinned": true})).await;
    assert_eq!(added["num_tools"], 3, "{added}");
    let actor = |scopes: &[&str]| gateway.with_scopes("ada", scopes);
    let rows = [
        (actor(&["mcpgw-all", "some"]), 1),
        (actor(&["mcpgw-all", "every"]), 3),
        (actor(&["mcpgw-all", "onlooker"]), 0),
    ];
    for (actor, expected) in &rows {
        let listed = said(actor, "list_services", json!({})).await;
        assert_eq!(of(&listed["services"], "/w")["num_tools"], *expected);
        let details = said(actor, "get_server_details", json!({"service_path": "/w"})).await;
        assert_eq!(details["num_tools"], *expected);
        assert_eq!(
            said(actor, "healthcheck", json!({})).await["/w"]["num_tools"],
            *expected
        );
        let listed = actor.get("/api/servers").await.value();
        assert_eq!(of(&listed["servers"], "/w")["num_tools"], *expected);
        let managed = actor.get("/api/management/servers").await.value();
        assert_eq!(of(&managed, "/w")["num_tools"], *expected);
        let all = actor.get("/api/server_details/all").await.value();
        assert_eq!(all["/w"]["num_tools"], *expected);
        let health = actor.get("/api/servers/health").await.value();
        assert_eq!(health["/w"]["num_tools"], *expected);
        let one = actor.get("/api/servers/health/w").await.value();
        assert_eq!(one["health"]["num_tools"], *expected);
        let feed = actor.get("/ws/health_status").await.value();
        assert_eq!(feed["/w"]["num_tools"], *expected);
    }
    // Our own server counts the same way.
    let two = said(&actor(&["mcpgw-two"]), "list_services", json!({})).await;
    assert_eq!(of(&two["services"], "/mcpgw")["num_tools"], 2);
    // What waits for approval is nobody's yet, but for who may approve it.
    server.now(json!([
        tool("now", "Tells the time."),
        tool("zone", "Names any zone that there is."),
        tool("secret", "Says nothing."),
        tool("new", "Is new."),
    ]));
    let total = || async { root.get("/api/server_details/w").await.value()["num_tools"].clone() };
    until("the new list is taken over", || async { total().await == 4 }).await;
    let every = &rows[1].0;
    assert_eq!(every.get("/api/server_details/w").await.value()["num_tools"], 2);
    let unapproved = fault(
        every,
        "invoke_mcp_tool",
        json!({"server_name": "/w", "tool_name": "x"}),
    )
    .await;
    assert!(
        unapproved.contains("now, secret") && !unapproved.contains("new") && !unapproved.contains("zone"),
        "{unapproved}"
    );
}

#[tokio::test]
async fn a_name_leads_to_a_server_that_is_seen_or_nowhere() {
    let gateway = quick(Setup::new().with_policy(POLICY)).start();
    let root = root(&gateway);
    let server = Changing::start(json!([tool("now", "Tells the time.")])).await;
    add(&root, "/finance", &server.url, json!({"server_name": "fininfo"})).await;
    add(&root, "/fininfo", &server.url, json!({"server_name": "Prices"})).await;
    let wish = |name: &str| json!({"server_name": name, "tool_name": "now", "arguments": {}});
    // Who does not see /fininfo means the one that is called so.
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "finance"]);
    said(&ada, "invoke_mcp_tool", wish("fininfo")).await;
    let details = said(&ada, "get_server_details", json!({"service_path": "fininfo"})).await;
    assert_eq!(details["path"], "/finance");
    let hidden = fault(&ada, "invoke_mcp_tool", wish("/fininfo")).await;
    assert!(hidden.contains("There is no server"), "{hidden}");
    // Who sees both is asked which.
    let bob = gateway.with_scopes("bob", &["mcpgw-all", "finance", "fininfo"]);
    let unclear = fault(&bob, "invoke_mcp_tool", wish("fininfo")).await;
    assert!(
        unclear.contains("several servers") && unclear.contains("`/fininfo`"),
        "{unclear}"
    );
    let unclear = fault(&bob, "get_server_details", json!({"service_path": "fininfo"})).await;
    assert!(unclear.contains("several servers"), "{unclear}");
    for name in ["/fininfo", "fininfo/", "Prices", "/finance", "finance"] {
        said(&bob, "invoke_mcp_tool", wish(name)).await;
    }
    let remove = |path: &'static str| root.send("DELETE", path, "", Vec::new());
    assert_eq!(remove("/api/management/servers/fininfo").await.status, 422);
    assert_eq!(remove("/api/management/servers/fininfo/").await.status, 200);
    assert_eq!(root.get("/api/server_details/finance").await.status, 200);
}

#[tokio::test]
async fn a_call_that_names_too_little_is_told_what_and_repeats_no_secret() {
    let gateway = quick(Setup::new().with_policy(POLICY)).start();
    let server = Changing::start(json!([tool("now", "Tells the time.")])).await;
    add(&root(&gateway), "/w", &server.url, json!({})).await;
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "some"]);
    let rows = [
        (
            json!({"auth_token": "s3cret", "tool_name": "now"}),
            "`server_name`",
        ),
        (json!({"auth_token": "s3cret", "server_name": "/w"}), "tool_name"),
        (
            json!({"server_name": {"auth_token": "s3cret"}, "tool_name": "now"}),
            "`server_name`",
        ),
    ];
    for (arguments, word) in rows {
        let unfit = fault(&ada, "invoke_mcp_tool", arguments.clone()).await;
        assert!(
            unfit.contains(word) && !unfit.contains("s3cret"),
            "{arguments}: {unfit}"
        );
    }
    said(&ada, "invoke_mcp_tool", json!({"path": "/w", "tool_name": "now"})).await;
    // A server that wants its callers' own credentials.
    let closed = Ailing::always(http("401 Unauthorized", "application/json", "{}")).await;
    gateway.register("/slow", &closed.url).await;
    let bob = gateway.with_scopes("bob", &["mcpgw-all", "slow"]);
    let refused = fault(
        &bob,
        "invoke_mcp_tool",
        json!({"server_name": "/slow", "tool_name": "x"}),
    )
    .await;
    assert!(
        refused.contains("X-Authorization") && refused.contains("`/slow/mcp`"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_finder_answers_each_generation_in_its_own_form() {
    let gateway = quick(Setup::new().with_policy(POLICY)).start();
    let schema = json!({"type": "object", "properties": {"zone": {"type": "string"}}});
    let rows = (0..60).map(|number| {
        json!({"name": format!("clock{number}"), "description": "Tells the time.\n\nReturns:\n  a time", "inputSchema": schema})
    });
    let server = Changing::start(Value::Array(rows.collect())).await;
    let more = json!({"tags": ["clocks"], "supported_transports": ["sse"]});
    add(&root(&gateway), "/w", &server.url, more).await;
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "every"]);
    let finder = "intelligent_tool_finder";
    until("the tools are found", || async {
        said(&ada, finder, json!({"tags": ["clocks"]})).await["total_matching"] == 60
    })
    .await;
    let older = call(
        &ada,
        finder,
        json!({"natural_language_query": "tells the time", "top_n_tools": 2.0}),
    )
    .await;
    let text = older["content"][0]["text"].as_str().unwrap();
    let rows: Value = serde_json::from_str(text).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{text}");
    assert_eq!(
        rows[0]["tool_parsed_description"],
        json!({"main": "Tells the time.", "args": null, "returns": "a time", "raises": null,
            "parameters": {"zone": {"type": "string"}}})
    );
    assert_eq!(rows[0]["supported_transports"], json!(["sse"]));
    assert_eq!(older["structuredContent"]["results"], json!(rows));
    // Tags alone, however they are written: as many as can be shown, and how many there are.
    for wish in [
        json!({"tags": ["clocks"]}),
        json!({"natural_language_query": "#clocks"}),
        json!({"query": "#clocks"}),
    ] {
        let found = said(&ada, finder, wish.clone()).await;
        assert_eq!(
            (&found["total_results"], &found["total_matching"]),
            (&json!(50), &json!(60)),
            "{wish}"
        );
        assert!(found["next"].as_str().unwrap().contains("50 of 60"), "{found}");
    }
    // Numbers and switches as clients write them.
    let asked = json!({"query": "tells the time", "max_results": 10.0, "include_disabled": "true"});
    let found = ada.json("/api/search/semantic", &asked).await;
    assert_eq!((found.status, &found.value()["total_tools"]), (200, &json!(10)));
    let form = "query=tells+the+time&max_results=10&include_disabled=true&include_draft=";
    let found = ada.form("/api/search/semantic", form).await;
    assert_eq!((found.status, &found.value()["total_tools"]), (200, &json!(10)));
    let half = json!({"query": "tells the time", "max_results": 1.5});
    assert_eq!(ada.json("/api/search/semantic", &half).await.status, 422);
}

#[tokio::test]
async fn a_stream_of_2024_has_so_many_calls_under_way_and_no_more() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let upstream = Scripted::new().await;
    gateway.register("/slow", &upstream.url).await;
    let ada = gateway.with_scopes("ada", &["mcpgw-all", "slow"]);
    let mut open = ada.open("GET", "/mcpgw/sse", "").await;
    let event = open.event().await.unwrap();
    let address = event
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let post = |id: u64| {
        let arguments = json!({"server_name": "/slow", "tool_name": "x", "arguments": {}});
        let params = json!({"name": "invoke_mcp_tool", "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        let ada = ada.clone();
        async move { ada.mcp(address, &message).await }
    };
    for id in 1..=32 {
        assert_eq!(post(id).await.status, 202, "{id}");
    }
    let full = post(33).await;
    assert_eq!(full.status, 503);
    assert!(full.value()["error"]["message"].is_string(), "{}", full.text());
    assert_eq!(post(1).await.status, 400, "an id that is under way");
    // Others go on, and so does whoever gives one up.
    let elsewhere = said(&ada, "debug_auth_context", json!({})).await;
    assert_eq!(elsewhere["username"], "ada");
    let gone = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(ada.mcp(address, &gone).await.status, 202);
    until("its place is free", || async { post(33).await.status == 202 }).await;
}
