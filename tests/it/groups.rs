//! Groups and scopes: changed through the API while everything runs, explained, exported, and never so that nobody
//! could administer any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Actor, Gateway, Scripted, Setup, Upstream, administered, request, tool_call, until};

const GROUPS: &str = "/api/servers/groups";

async fn change(admin: &Actor, what: &str, body: Value) -> Value {
    let answer = admin.json(&format!("{GROUPS}/{what}"), &body).await;
    assert_eq!(answer.status, 200, "{what} {body}: {}", answer.text());
    answer.value()
}

fn words(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Run a command on a gateway's data folder with its own scopes file.
fn run(setup: &Setup, command: &[&str]) -> std::process::Output {
    let auth = setup.folder.path().join("auth");
    let mut program = setup.command(command);
    if auth.is_dir() {
        program.arg("--auth-dir").arg(auth);
    }
    program.output().unwrap()
}

#[tokio::test]
async fn a_group_is_made_filled_used_emptied_and_removed_as_the_guide_does_it() {
    let (gateway, upstream) = (Gateway::new(), Upstream::new().await);
    let admin = gateway.admin();
    let body = json!({"server_name": "Current time", "path": "/currenttime", "proxy_pass_url": upstream.url});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    let made = admin
        .form(
            "/api/servers/groups/create",
            "group_name=mcp-servers-time%2Fread&description=Time+services",
        )
        .await;
    assert_eq!(
        (made.status, &made.value()["created_in_scopes"]),
        (200, &json!(true))
    );
    let again = admin
        .json(
            "/api/servers/groups/create",
            &json!({"group_name": "mcp-servers-time/read"}),
        )
        .await;
    assert_eq!(again.status, 409, "{}", again.text());
    let ada = gateway.member("ada", &["mcp-servers-time/read"]);
    assert_eq!(ada.mcp("/currenttime/mcp", &tool_call("x")).await.status, 403);
    // By display name and by path name, as a form and as JSON; twice is once.
    let form = "server_name=Current+time&group_names=mcp-servers-time%2Fread";
    for _ in 0..2 {
        assert_eq!(admin.form("/api/servers/groups/add", form).await.status, 200);
    }
    let added = change(
        &admin,
        "add",
        json!({"server_name": "mcpgw", "groups": ["mcp-servers-time/read"]}),
    )
    .await;
    assert_eq!(added["server_path"], "/mcpgw");
    assert_eq!(
        added["sources"]["mcp-servers-time/read"],
        json!({"source": "store", "overrides_file": false})
    );
    assert_eq!(ada.mcp("/currenttime/mcp", &tool_call("x")).await.status, 200);
    let listed = ada.get("/api/servers").await.value();
    assert_eq!(listed["total_count"], 2, "with our own server");
    let shown = admin
        .get("/api/servers/groups/mcp-servers-time/read")
        .await
        .value();
    assert_eq!(
        (&shown["scope_name"], &shown["description"], &shown["source"]),
        (
            &json!("mcp-servers-time/read"),
            &json!("Time services"),
            &json!("store")
        )
    );
    let encoded = admin.get("/api/servers/groups/mcp-servers-time%2Fread").await;
    assert_eq!(encoded.value(), shown);
    assert_eq!(shown["group_mappings"], json!(["mcp-servers-time/read"]));
    assert_eq!(shown["server_access"].as_array().unwrap().len(), 2);
    assert_eq!(shown["server_access"][0]["tools"], json!(["*"]));
    assert_eq!(
        shown["ui_permissions"]["list_service"],
        json!(["currenttime", "mcpgw"])
    );
    let all = admin.get(GROUPS).await.value();
    let row = all["groups"].as_array().unwrap();
    let row = row
        .iter()
        .find(|row| row["name"] == "mcp-servers-time/read")
        .unwrap();
    assert_eq!(
        (&row["synced"], &row["source"], &row["scopes"]),
        (&json!(true), &json!("store"), &json!(["mcp-servers-time/read"]))
    );
    for key in ["keycloak_groups", "synchronized", "keycloak_only", "scopes_only"] {
        assert!(all[key].is_array(), "{key}");
    }
    assert!(all["scopes_groups"]["mcp-registry-user"]["ui_permissions"].is_object());

    let form = "server_name=%2Fcurrenttime&group_names=mcp-servers-time%2Fread";
    assert_eq!(admin.form("/api/servers/groups/remove", form).await.status, 200);
    assert_eq!(ada.mcp("/currenttime/mcp", &tool_call("x")).await.status, 403);
    // What is said of a server that has gone can be taken back.
    let form = "server_name=currenttime&group_names=mcp-servers-time%2Fread";
    assert_eq!(admin.form("/api/servers/groups/add", form).await.status, 200);
    let removed = admin
        .send("DELETE", "/api/management/servers/currenttime", "", Vec::new())
        .await;
    assert_eq!(removed.status, 200);
    for status in [200, 404] {
        let answer = admin.form("/api/servers/groups/remove", form).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    change(&admin, "delete", json!({"group_name": "mcp-servers-time/read"})).await;
    let gone = admin.get("/api/servers/groups/mcp-servers-time/read").await;
    assert_eq!(
        (gone.status, &gone.value()["detail"]),
        (404, &json!("Group not found: mcp-servers-time/read"))
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_field_or_the_reason() {
    let gateway = Gateway::new();
    let admin = gateway.admin();
    gateway.register("/w", "http://127.0.0.1:9/").await;
    let rows = [
        ("create", json!({}), 422, "group_name"),
        ("create", json!({"group_name": "a b"}), 422, "group_name"),
        ("create", json!({"group_name": "UI-Scopes"}), 422, "group_name"),
        (
            "create",
            json!({"group_name": "mcp-registry-user"}),
            409,
            "already exists",
        ),
        (
            "delete",
            json!({"group_name": "none"}),
            404,
            "Group not found: none",
        ),
        (
            "delete",
            json!({"group_name": "mcp-registry-user"}),
            403,
            "built in",
        ),
        ("add", json!({"group_names": "g"}), 422, "server_name"),
        ("add", json!({"server_name": "w"}), 422, "group_names"),
        (
            "add",
            json!({"server_name": "w", "group_names": [1]}),
            422,
            "group_names",
        ),
        (
            "add",
            json!({"server_name": "w", "group_names": "none"}),
            404,
            "Group not found: none",
        ),
        (
            "add",
            json!({"server_name": "x", "group_names": "mcp-registry-user"}),
            404,
            "Server not found: x",
        ),
        (
            "remove",
            json!({"server_name": "x", "group_names": "mcp-registry-user"}),
            404,
            "Server not found: x",
        ),
        ("import", json!({"description": "x"}), 422, "scope_name"),
        (
            "import",
            json!({"scope_name": "s", "server_access": [{"methods": ["x"]}]}),
            422,
            "server_access[0]",
        ),
    ];
    for (what, body, status, part) in rows {
        let answer = admin.json(&format!("{GROUPS}/{what}"), &body).await;
        assert_eq!(answer.status, status, "{what} {body}: {}", answer.text());
        assert!(answer.text().contains(part), "{what} {body}: {}", answer.text());
    }
    // Several groups are all or none.
    let both = json!({"server_name": "w", "groups": ["mcp-registry-user", "none"]});
    assert_eq!(admin.json("/api/servers/groups/add", &both).await.status, 404);
    let user = admin.get("/api/servers/groups/mcp-registry-user").await.value();
    assert_eq!(user["source"], "file");
    let unchanged = admin
        .json("/api/access/reset", &json!({"scope": "mcp-registry-user"}))
        .await;
    assert_eq!(unchanged.status, 404);
}

#[tokio::test]
async fn rights_are_read_and_changed_by_administrators_alone() {
    let gateway = Gateway::new();
    let developer = gateway.member("ada", &["mcp-registry-developer"]);
    let posts = ["create", "delete", "add", "remove", "import"].map(|what| format!("{GROUPS}/{what}"));
    let posts: Vec<String> = posts
        .into_iter()
        .chain(["/api/access/reset".to_owned()])
        .collect();
    let body =
        json!({"group_name": "g", "server_name": "w", "groups": ["g"], "scope_name": "g", "scope": "g"});
    for path in posts {
        assert_eq!(developer.json(&path, &body).await.status, 403, "{path}");
        assert_eq!(gateway.anonymous().json(&path, &body).await.status, 401, "{path}");
    }
    for path in [
        GROUPS,
        "/api/servers/groups/mcp-registry-user",
        "/api/access/scopes.yml",
    ] {
        assert_eq!(developer.get(path).await.status, 403, "{path}");
        assert_eq!(gateway.anonymous().get(path).await.status, 401, "{path}");
    }
    // Another site's page cannot do it with an administrator's cookie.
    let session = gateway.signed_in().await.with("sec-fetch-site", "cross-site");
    let answer = session
        .json("/api/servers/groups/create", &json!({"group_name": "g"}))
        .await;
    assert_eq!(answer.status, 403);
    assert_eq!(gateway.admin().get("/api/servers/groups/g").await.status, 404);
}

#[tokio::test]
async fn a_group_that_loses_a_server_loses_it_at_both_doors_and_at_open_streams_within_a_second() {
    let upstream = Scripted::new().await;
    let gateway = Gateway::new();
    gateway.register("/w", &upstream.url).await;
    let stranger = gateway.with_scopes("dev", &["mcp-registry-developer"]);
    let body = json!({"server_name": "s", "path": "/s", "proxy_pass_url": upstream.url});
    assert_eq!(stranger.json("/api/management/servers", &body).await.status, 201);
    gateway.until_blocks(1).await;
    let admin = gateway.admin();
    change(&admin, "create", json!({"group_name": "team"})).await;
    let ada = gateway.member("ada", &["team"]);
    for mount in ["w", "s"] {
        let membership = json!({"server_name": mount, "group_names": "team"});
        let path = format!("/{mount}/mcp");
        assert_eq!(ada.mcp(&path, &tool_call("x")).await.status, 403);
        change(&admin, "add", membership.clone()).await;
        let call = tool_call("x");
        let (answer, ()) = tokio::join!(ada.mcp(&path, &call), async { upstream.next().await.json("{}") });
        assert_eq!(answer.status, 200, "{mount}");
        let (mut open, said) = tokio::join!(ada.open("GET", &path, ""), async {
            upstream.next().await.stream()
        });
        assert_eq!(open.status, 200, "{mount}");
        said.say("data: 1\n\n");
        assert_eq!(open.event().await.unwrap(), "data: 1\n\n");
        let began = Instant::now();
        change(&admin, "remove", membership).await;
        assert_eq!(ada.mcp(&path, &call).await.status, 403, "{mount}");
        assert_eq!(open.event().await, None);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{mount}: {:?}",
            began.elapsed()
        );
        said.until_left().await;
    }
    assert!(upstream.is_quiet());
}

#[tokio::test]
async fn a_change_after_which_nobody_could_administer_is_refused_with_a_sentence() {
    let setup = Setup::new().with_policy("group_mappings: {team: [t]}\nt: [{server: a}]");
    let file = setup.folder.path().join("auth/scopes.yml");
    let gateway = setup.start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let boss = |groups: Value| json!({"scope_name": "mcp-registry-admin", "group_mappings": groups});
    for (what, body) in [
        ("import", boss(json!([]))),
        // Somebody has it, but nobody who can sign in.
        ("import", boss(json!(["others"]))),
        (
            "delete",
            json!({"group_name": "mcp-registry-admin", "force": true}),
        ),
    ] {
        let answer = admin.json(&format!("{GROUPS}/{what}"), &body).await;
        assert_eq!(answer.status, 409, "{what} {body}: {}", answer.text());
        let detail = answer.value()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("`mcp-registry-admin`"), "{detail}");
    }
    change(&admin, "import", boss(json!(["others", "mcp-registry-admin"]))).await;
    let reset = json!({"scope": "mcp-registry-admin"});
    assert_eq!(admin.json("/api/access/reset", &reset).await.status, 200);
    // The file neither.
    std::fs::write(&file, "group_mappings: {team: [t]}\nt: [{server: b}]").unwrap();
    until("the fault is told", || async {
        gateway.log().contains("the old scopes stay")
    })
    .await;
    let shown = admin.get("/api/servers/groups/t").await.value();
    assert_eq!(shown["server_access"][0]["server"], "a");
    let (setup, _) = gateway.stop();
    let started = setup.serve().output().unwrap();
    assert!(!started.status.success() && words(&started).contains("administrators' scope"));
    let checked = run(&setup, &["check"]);
    assert_eq!(checked.status.code(), Some(78));
    assert!(
        words(&checked).contains("administrators' scope"),
        "{}",
        words(&checked)
    );
}

#[tokio::test]
async fn what_the_store_says_wins_over_the_file_until_it_is_reset_and_outlives_a_restart() {
    let policy = |server: &str| {
        administered(&format!(
            "group_mappings: {{team: [team, other], mcp-registry-admin: [mcp-registry-admin]}}\n\
             team: [{{server: {server}, methods: ['*']}}]\nother: [{{server: {server}, methods: ['*']}}]\n"
        ))
    };
    let setup = Setup::new().with_policy(&policy("one"));
    let file = setup.folder.path().join("auth/scopes.yml");
    let gateway = setup.start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let servers = |scope: &'static str| {
        let admin = admin.clone();
        async move {
            let shown = admin.get(&format!("{GROUPS}/{scope}")).await.value();
            let rules = shown["server_access"].as_array().unwrap().clone();
            let servers: Vec<String> = rules
                .iter()
                .map(|rule| rule["server"].as_str().unwrap().to_owned())
                .collect();
            (
                servers.join(" "),
                shown["source"].as_str().unwrap().to_owned(),
                shown["overrides_file"].clone(),
            )
        }
    };
    change(
        &admin,
        "import",
        json!({"scope_name": "team", "group_mappings": ["team"], "server_access": [{"server": "two", "methods": ["*"]}]}),
    )
    .await;
    assert_eq!(
        servers("team").await,
        ("two".to_owned(), "store".to_owned(), json!(true))
    );
    assert_eq!(
        servers("other").await,
        ("one".to_owned(), "file".to_owned(), json!(false))
    );
    // A saved file changes what the store is silent about.
    std::fs::write(&file, policy("three")).unwrap();
    until("the file counts where it may", || async {
        servers("other").await.0 == "three"
    })
    .await;
    assert_eq!(servers("team").await.0, "two");
    change(&admin, "delete", json!({"group_name": "other"})).await;
    let (setup, _) = gateway.stop();
    let gateway = setup.start();
    let admin =
        Actor::new(&gateway.base).bearer(&gateway.token(&["--user", "r", "--scopes", "mcp-registry-admin"]));
    let all = admin.get(GROUPS).await.value();
    assert_eq!(all["hidden"], json!(["other"]));
    assert_eq!(all["scopes_groups"]["team"]["server_access"][0]["server"], "two");
    for scope in ["team", "other"] {
        let answer = admin.form("/api/access/reset", &format!("scope={scope}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let all = admin.get(GROUPS).await.value();
    assert_eq!(
        all["scopes_groups"]["team"]["server_access"][0]["server"],
        "three"
    );
    assert_eq!(all["scopes_groups"]["other"]["source"], "file");
}

#[tokio::test]
async fn changes_at_the_same_time_lose_nothing() {
    let gateway = Gateway::new();
    let admin = gateway.admin();
    change(&admin, "create", json!({"group_name": "team"})).await;
    for number in 0..8 {
        gateway
            .register(&format!("/w{number}"), "http://127.0.0.1:9/")
            .await;
    }
    let adding = (0..8).map(|number| {
        let admin = admin.clone();
        async move {
            change(
                &admin,
                "add",
                json!({"server_name": format!("w{number}"), "groups": ["team"]}),
            )
            .await
        }
    });
    futures_util::future::join_all(adding).await;
    let shown = admin.get("/api/servers/groups/team").await.value();
    assert_eq!(shown["server_access"].as_array().unwrap().len(), 8, "{shown}");
    let me = gateway.member("ada", &["team"]).get("/api/auth/me").await.value();
    assert_eq!(me["accessible_servers"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn an_exported_file_comes_back_without_loss_with_and_without_a_daemon() {
    let gateway = Gateway::new();
    let admin = gateway.admin();
    change(
        &admin,
        "create",
        json!({"group_name": "team", "description": "ours: \"all\" of it"}),
    )
    .await;
    change(
        &admin,
        "import",
        json!({"scope_name": "agents", "group_mappings": ["team"], "ui_permissions": {"list_agents": ["all"]},
               "server_access": [{"agents": {"actions": [{"action": "get_agent", "resources": ["/a"]}]}},
                                 {"server": "*", "methods": ["tools/list"], "tools": []}]}),
    )
    .await;
    let exported = admin.get("/api/access/scopes.yml").await;
    assert!(exported.header("content-type").starts_with("text/yaml"));
    let file = gateway.setup.folder.path().join("exported.yml");
    std::fs::write(&file, &exported.body).unwrap();
    let file = file.to_str().unwrap();
    let printed = run(&gateway.setup, &["access", "export"]);
    assert_eq!(words(&printed), exported.text());
    let again = run(&gateway.setup, &["access", "import", file]);
    assert_eq!(words(&again), "nothing is different\n");

    // Into another gateway whose file is of another world.
    let elsewhere = Setup::new().with_policy("x: []");
    let imported = run(&elsewhere, &["access", "import", file]);
    assert!(
        imported.status.success() && words(&imported).contains("agents"),
        "{}",
        words(&imported)
    );
    let theirs = words(&run(&elsewhere, &["access", "export"]));
    let elsewhere = elsewhere.start();
    assert_eq!(words(&run(&elsewhere.setup, &["access", "export"])), theirs);
    let without_their_own = theirs.replace("\"x\": []\n", "").replace("x: []\n", "");
    assert_eq!(without_their_own, exported.text());
    let reset = run(&elsewhere.setup, &["access", "reset", "agents"]);
    assert!(reset.status.success(), "{}", words(&reset));
    let refused = run(&elsewhere.setup, &["access", "reset", "agents"]);
    assert!(!refused.status.success() && words(&refused).contains("the store says nothing"));
}

/// The technical guide's access control tests 1 to 6: the bots of two lines of business and their servers.
#[tokio::test]
async fn bots_of_each_line_of_business_reach_their_servers_and_no_others() {
    let (gateway, upstream) = (Gateway::new(), Upstream::new().await);
    let mounts = ["currenttime", "realserverfaketools", "fininfo"];
    for mount in mounts {
        gateway.register(&format!("/{mount}"), &upstream.url).await;
    }
    let rows: [(&str, &[&str]); 4] = [
        ("registry-users-lob1", &["currenttime"]),
        ("registry-users-lob2", &["realserverfaketools", "fininfo"]),
        ("registry-admins", &mounts),
        ("public-mcp-users", &["currenttime"]),
    ];
    for (group, theirs) in rows {
        let bot = gateway.member("bot", &[group]);
        for mount in mounts {
            let expected = if theirs.contains(&mount) { 200 } else { 403 };
            for message in [
                request("initialize", json!({})),
                request("tools/list", json!({})),
                tool_call("any"),
            ] {
                let answer = bot.mcp(&format!("/{mount}/mcp"), &message).await;
                assert_eq!(
                    answer.status,
                    expected,
                    "{group} {mount} {message}: {}",
                    answer.text()
                );
            }
        }
        let asked = format!("/api/access/explain?groups={group}&server=mcpgw&tool=intelligent_tool_finder");
        let told = gateway.admin().get(&asked).await.value();
        assert_eq!(told["allowed"], json!(true), "{group} {told}");
        let is_admin = bot.get("/api/auth/me").await.value()["is_admin"].clone();
        assert_eq!(is_admin, json!(group == "registry-admins"));
    }
    let me = gateway
        .member("bot", &["registry-users-lob1"])
        .get("/api/auth/me")
        .await
        .value();
    assert_eq!(
        me["accessible_agents"],
        json!(["/code-reviewer", "/test-automation"])
    );
    assert_eq!(me["accessible_services"], json!(["currenttime", "mcpgw"]));
}

#[tokio::test]
async fn an_explanation_names_the_rule_or_the_missing_half_to_whoever_may_ask() {
    let policy = "
group_mappings: {staff: [few]}
UI-Scopes: {few: {list_service: [W]}}
few: [{server: w, methods: [tools/list, tools/call], tools: [one]}]
wide: [{server: '*', methods: ['*'], tools: ['*']}]
";
    let gateway = Setup::new().with_policy(policy).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    let body = json!({"server_name": "W", "path": "/w", "proxy_pass_url": "http://127.0.0.1:9/"});
    assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    let ask = |actor: &Actor, query: &str| {
        let (actor, path) = (actor.clone(), format!("/api/access/explain?{query}"));
        async move { actor.get(&path).await }
    };
    let yes = ask(&admin, "groups=staff&server=W&method=tools/call&tool=one")
        .await
        .value();
    assert_eq!(
        (
            &yes["allowed"],
            &yes["decided_by"]["scope"],
            &yes["decided_by"]["rule"],
            &yes["decided_by"]["groups"]
        ),
        (&json!(true), &json!("few"), &json!(1), &json!(["staff"]))
    );
    let rows = [
        ("groups=staff&server=w&tool=two", "tool"),
        ("groups=staff&server=w&method=prompts/list", "method"),
        ("groups=staff&server=other", "server"),
        ("scopes=few&server=other&permission=list_service", "service"),
    ];
    for (query, half) in rows {
        let no = ask(&admin, query).await.value();
        assert_eq!(
            (&no["allowed"], &no["missing"][0]["half"]),
            (&json!(false), &json!(half)),
            "{no}"
        );
        assert!(
            no["missing"][0]["sentence"].as_str().unwrap().contains("`few`"),
            "{no}"
        );
    }
    let no = ask(&admin, "groups=staff,nobody&server=other&method=ping")
        .await
        .value();
    assert_eq!(
        (&no["would_open"], &no["registered"]),
        (&json!(["wide"]), &json!(false))
    );
    assert_eq!(no["groups_without_scopes"], json!(["nobody"]));
    let local = ask(&admin, "user=admin&permission=toggle_service").await.value();
    assert_eq!(
        (&local["allowed"], &local["groups"]),
        (&json!(true), &json!(["mcp-registry-admin"]))
    );
    let unknown = ask(&admin, "user=bob&server=w").await.value();
    assert_eq!(
        (&unknown["allowed"], &unknown["local_account"]),
        (&json!(false), &json!(false))
    );
    for (query, status) in [("", 422), ("server=a%20b", 422), ("permission=fly", 422)] {
        assert_eq!(ask(&admin, query).await.status, status, "{query}");
    }

    // Others ask about themselves, and learn nothing but what their own scopes say.
    let ada = gateway.member("ada", &["staff"]);
    let own = ask(&ada, "user=ada&server=w&tool=two").await.value();
    assert_eq!(
        (&own["allowed"], &own["would_open"], &own["registered"]),
        (&json!(false), &json!([]), &json!(null))
    );
    for query in [
        "user=bob&server=w",
        "groups=bosses&server=w",
        "scopes=wide&server=w",
    ] {
        assert_eq!(ask(&ada, query).await.status, 403, "{query}");
    }
    assert_eq!(
        gateway
            .anonymous()
            .get("/api/access/explain?server=w")
            .await
            .status,
        401
    );

    // The command line, with a daemon and without.
    let command = [
        "access", "explain", "--groups", "staff", "--server", "w", "--tool",
    ];
    let told = |setup: &Setup, tool: &str| words(&run(setup, &[command.as_slice(), &[tool]].concat()));
    let online = (told(&gateway.setup, "one"), told(&gateway.setup, "two"));
    assert!(
        online.0.starts_with("allowed\n") && online.0.contains("`few`"),
        "{}",
        online.0
    );
    assert!(
        online.1.starts_with("denied\n") && online.1.contains("lacks the tool"),
        "{}",
        online.1
    );
    let (setup, _) = gateway.stop();
    assert_eq!((told(&setup, "one"), told(&setup, "two")), online);
    let printed = run(
        &setup,
        &[
            "access",
            "explain",
            "--user",
            "admin",
            "--permission",
            "delete_service",
            "--json",
        ],
    );
    let value: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(value["allowed"], json!(true), "{value}");
}

#[tokio::test]
async fn every_registry_call_needs_its_own_permission() {
    let permissions = [
        "list_service",
        "register_service",
        "modify_service",
        "toggle_service",
        "delete_service",
    ];
    // Who may not see a server may do nothing with it.
    let scope = |permission: &str| match permission {
        "list_service" => "  list_service: {list_service: [all]}\n".to_owned(),
        other => format!("  {other}: {{{other}: [all], list_service: [all]}}\n"),
    };
    let scopes: String = permissions.map(scope).concat();
    let nothing = permissions
        .map(|permission| format!("{permission}: []"))
        .join(", ");
    let policy = format!("UI-Scopes:\n{scopes}  nothing: {{{nothing}}}\n");
    let gateway = Setup::new().with_policy(&policy).start();
    gateway.register("/w", "http://127.0.0.1:9/").await;
    let server = json!({"server_name": "x", "path": "/w", "proxy_pass_url": "http://127.0.0.1:9/", "description": "d"});
    let (json_body, edit) = (
        server.to_string(),
        json!({"server_name": "W", "proxy_pass_url": "http://127.0.0.1:9/"}),
    );
    let calls = [
        ("GET", "/api/server_details/w", String::new(), "list_service"),
        ("POST", "/register", json_body.clone(), "register_service"),
        ("POST", "/api/management/servers", json_body, "register_service"),
        ("GET", "/register", String::new(), "register_service"),
        ("POST", "/edit/w", edit.to_string(), "modify_service"),
        ("GET", "/edit/w", String::new(), "modify_service"),
        (
            "POST",
            "/toggle/w",
            json!({"enabled": true}).to_string(),
            "toggle_service",
        ),
        (
            "POST",
            "/api/management/servers/w/enable",
            "{}".to_owned(),
            "toggle_service",
        ),
        // The last, because then it is gone.
        (
            "DELETE",
            "/api/management/servers/w",
            String::new(),
            "delete_service",
        ),
    ];
    for held in ["nothing"].into_iter().chain(permissions) {
        let actor = gateway.with_scopes("ada", &[held]);
        let listed = actor.get("/api/servers").await.value();
        // Our own server is there too.
        let expected = if held == "nothing" { 0 } else { 2 };
        assert_eq!(listed["servers"].as_array().unwrap().len(), expected, "{held}");
        for (method, path, body, needed) in &calls {
            let kind = if body.is_empty() { "" } else { "application/json" };
            let answer = actor.send(method, path, kind, body.clone().into_bytes()).await;
            // Behind the right to register comes that the path is taken.
            let may = *needed == held || (*needed == "list_service" && held != "nothing");
            assert_eq!(
                answer.status != 403,
                may,
                "{held}: {method} {path} {}",
                answer.text()
            );
        }
    }
}
