//! The book, as its callers see it.

use serde_json::{Value, json};

use crate::harness::{Gateway, Setup, Upstream, tool_call};

#[tokio::test]
async fn the_api_documentations_lines_run_as_written() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let admin = gateway.signed_in().await;
    let url = &upstream.url;
    let form = format!(
        "name=Weather Service&description=Provides weather forecasts&path=/weather&proxy_pass_url={url}\
         &tags=weather,forecast&num_tools=3&num_stars=4&is_python=true&license=MIT"
    );
    let answer = admin.form("/register", &form).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.value();
    assert_eq!(body["message"], "Service registered successfully");
    assert_eq!((&body["state"], &body["reason"]), (&json!("live"), &Value::Null));
    let service = &body["service"];
    assert_eq!(service["server_name"], "Weather Service");
    assert_eq!(service["tags"], json!(["weather", "forecast"]));
    assert_eq!(
        (&service["num_tools"], &service["is_python"]),
        (&json!(3), &json!(true))
    );

    // Registered means enabled, and live at once.
    assert_eq!(
        gateway.admin().mcp("/weather/mcp", &tool_call("x")).await.status,
        200
    );

    let off = admin.form("/toggle/weather", "").await.value();
    assert_eq!(
        (&off["new_enabled_state"], &off["status"]),
        (&json!(false), &json!("disabled"))
    );
    assert_eq!(
        gateway.admin().mcp("/weather/mcp", &tool_call("x")).await.status,
        404
    );
    let on = admin.form("/toggle/weather", "enabled=on").await.value();
    assert_eq!(on["message"], "Toggle request for /weather processed.");
    assert_eq!(on["new_enabled_state"], true);
    assert_eq!(
        gateway.admin().mcp("/weather/mcp", &tool_call("x")).await.status,
        200
    );

    let edit = format!(
        "name=Weather API&description=Updated weather service&proxy_pass_url={url}/v2&tags=weather,api&num_tools=5&num_stars=5&is_python=true&license=MIT"
    );
    let edited = admin.form("/edit/weather", &edit).await;
    assert_eq!((edited.status, edited.header("location")), (303, "/"));
    let details = admin.get("/api/server_details/weather").await.value();
    assert_eq!(
        (&details["server_name"], &details["num_tools"]),
        (&json!("Weather API"), &json!(5))
    );
    let all = admin.get("/api/server_details/all").await.value();
    assert_eq!(all["/weather"]["proxy_pass_url"], format!("{url}/v2"));
    upstream.take();
    gateway.admin().mcp("/weather/mcp", &tool_call("x")).await;
    assert_eq!(upstream.take().first().unwrap().target, "/v2/mcp");

    let page = admin
        .clone()
        .with("accept", "text/html")
        .get("/edit/weather")
        .await;
    assert!(page.status == 200 && page.text().contains("Weather API"));
    let out = admin.form("/logout", "").await;
    assert_eq!((out.status, out.header("location")), (303, "/login"));
    assert_eq!(admin.get("/api/auth/me").await.status, 401);
}

#[tokio::test]
async fn the_management_guides_lines_run_as_written() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    let admin = gateway.admin();
    let server = json!({
        "server_name": "My MCP Server",
        "path": "/my-server",
        "proxy_pass_url": upstream.url,
        "description": "My custom MCP server",
        "tags": ["productivity", "automation"],
        "metadata": {"team": "data-platform", "owner": "alice@example.com"},
    });
    let created = admin.json("/api/management/servers", &server).await;
    assert_eq!(created.status, 201, "{}", created.text());
    assert_eq!(
        (&created.value()["name"], &created.value()["state"]),
        (&json!("My MCP Server"), &json!("live"))
    );
    let again = admin.json("/api/management/servers", &server).await;
    assert_eq!(
        (again.status, &again.value()["detail"]),
        (409, &json!("Server already exists: /my-server"))
    );

    let list = admin.get("/api/management/servers").await.value();
    let row = &list[0];
    assert_eq!(
        (&row["name"], &row["path"], &row["enabled"]),
        (&json!("My MCP Server"), &json!("/my-server"), &json!(true))
    );
    assert_eq!(row["metadata"]["team"], "data-platform");

    // By path and by display name.
    for (name, word, state) in [
        ("my-server", "disable", "disabled"),
        ("My%20MCP%20Server", "enable", "live"),
    ] {
        let answer = admin
            .json(&format!("/api/management/servers/{name}/{word}"), &json!({}))
            .await;
        assert_eq!(
            (answer.status, &answer.value()["state"]),
            (200, &json!(state)),
            "{}",
            answer.text()
        );
    }
    let gone = admin
        .send("DELETE", "/api/management/servers/my-server", "", Vec::new())
        .await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_eq!(
        admin
            .send("DELETE", "/api/management/servers/my-server", "", Vec::new())
            .await
            .status,
        404
    );
    assert_eq!(admin.mcp("/my-server/mcp", &tool_call("x")).await.status, 404);
    assert_eq!(admin.get("/api/server_details/my-server").await.status, 404);
    assert_eq!(
        admin.json("/api/management/servers", &server).await.status,
        201,
        "the path is free again"
    );
}

#[tokio::test]
async fn every_fault_of_a_request_comes_back_at_once_and_nothing_is_stored() {
    let gateway = Gateway::new();
    let admin = gateway.admin();
    let answer = admin
        .json(
            "/api/management/servers",
            &json!({"path": "/", "proxy_pass_url": "ftp://x", "num_tools": -1, "tags": 7}),
        )
        .await;
    assert_eq!(answer.status, 422);
    let body = answer.value();
    let mut fields: Vec<&str> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["field"].as_str().unwrap())
        .collect();
    fields.sort_unstable();
    assert_eq!(fields, ["name", "num_tools", "path", "proxy_pass_url", "tags"]);
    for (body, words) in [
        (json!([1]), "JSON object"),
        (
            json!({"server_name": "a", "path": "/api/x", "proxy_pass_url": "http://a"}),
            "reserved",
        ),
        (
            json!({"server_name": "a", "path": "/_gate", "proxy_pass_url": "http://a"}),
            "reserved",
        ),
        (
            json!({"server_name": "a", "path": "/a/mcp", "proxy_pass_url": "http://a"}),
            "transports",
        ),
        (
            json!({"server_name": "a", "path": "/a;}", "proxy_pass_url": "http://a"}),
            "letters, digits",
        ),
        (
            json!({"server_name": "a", "path": "/a", "proxy_pass_url": "http://169.254.169.254/"}),
            "link-local",
        ),
        (
            json!({"server_name": "a", "path": "/a", "proxy_pass_url": "http://2852039166/"}),
            "link-local",
        ),
        (
            json!({"server_name": "a", "path": "/a", "proxy_pass_url": gateway.base}),
            "own listener",
        ),
    ] {
        let answer = admin.json("/api/management/servers", &body).await;
        assert!(
            answer.status == 422 && answer.text().contains(words),
            "{body}: {}",
            answer.text()
        );
    }
    let broken = admin
        .send(
            "POST",
            "/api/management/servers",
            "application/json",
            b"{".to_vec(),
        )
        .await;
    assert_eq!(broken.status, 422);
    let strange = admin
        .send("POST", "/register", "text/xml", b"<a/>".to_vec())
        .await;
    assert_eq!(strange.status, 422);
    let listed = admin.get("/api/management/servers").await.value();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["built_in"]),
        (1, &json!(true))
    );
    // A field that means nothing here is named, not lost in silence.
    let odd = json!({"server_name": "a", "path": "/a", "proxy_pass_url": "http://127.0.0.1:9", "visibility": "public"});
    assert_eq!(
        admin.json("/api/management/servers", &odd).await.value()["ignored"],
        json!(["visibility"])
    );
}

#[tokio::test]
async fn paths_that_would_take_each_other_over_are_conflicts() {
    let gateway = Gateway::new();
    gateway.register("/team/weather", "http://127.0.0.1:9/").await;
    for path in ["/team/weather", "/team", "/TEAM/weather", "/team/weather/x"] {
        let body = json!({"server_name": "x", "path": path, "proxy_pass_url": "http://127.0.0.1:9/"});
        let answer = gateway.admin().json("/api/management/servers", &body).await;
        assert_eq!(answer.status, 409, "{path}: {}", answer.text());
    }
    gateway.register("/team/weather2", "http://127.0.0.1:9/").await;
}

const POLICY: &str = "
group_mappings: {dev: [developer], watcher: [watch]}
UI-Scopes:
  developer: {list_service: [all], register_service: [all], modify_service: [Mine]}
  watch: {list_service: [b]}
";

#[tokio::test]
async fn rights_decide_about_every_registry_call_and_lists_show_only_what_one_may_see() {
    let gateway = Setup::new().with_policy(POLICY).start();
    let admin = gateway.with_scopes("root", &["mcp-registry-admin"]);
    for (name, path) in [("A", "/a"), ("B", "/b"), ("Mine", "/c")] {
        let body = json!({"server_name": name, "path": path, "proxy_pass_url": "http://127.0.0.1:9/"});
        assert_eq!(admin.json("/api/management/servers", &body).await.status, 201);
    }
    let (dev, watcher) = (
        gateway.member("ada", &["dev"]),
        gateway.member("bob", &["watcher"]),
    );
    let listed = |answer: Value| {
        answer["servers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let page = watcher.get("/api/servers?limit=1").await.value();
    assert_eq!(
        (listed(page.clone()), &page["total_count"], &page["has_next"]),
        (vec!["/b".to_owned()], &json!(1), &json!(false))
    );
    let page = dev.get("/api/servers?limit=2&offset=1").await.value();
    assert_eq!(
        (listed(page.clone()), &page["total_count"], &page["has_next"]),
        (vec!["/b".to_owned(), "/c".to_owned()], &json!(4), &json!(true)),
        "our own server is the last"
    );
    assert_eq!(listed(dev.get("/api/servers?query=mine").await.value()), ["/c"]);
    assert_eq!(dev.get("/api/servers?limit=0").await.status, 422);
    assert_eq!(watcher.get("/api/server_details/a").await.status, 403);
    assert_eq!(watcher.get("/api/server_details/b").await.status, 200);
    assert_eq!(watcher.json("/register", &json!({})).await.status, 403);
    let edit = "name=Z&proxy_pass_url=http://127.0.0.1:9/";
    assert_eq!(dev.form("/edit/a", edit).await.status, 403);
    assert_eq!(dev.form("/edit/c", edit).await.status, 303, "by display name");
    assert_eq!(dev.form("/toggle/a", "").await.status, 403);
    assert_eq!(
        dev.send("DELETE", "/api/management/servers/a", "", Vec::new())
            .await
            .status,
        403
    );
    assert_eq!(gateway.anonymous().get("/api/servers").await.status, 401);

    // Trust was given to a host: it does not go along to another one that somebody else names.
    let trusted = |answer: Value| answer["trusted"].clone();
    assert_eq!(trusted(admin.get("/api/server_details/c").await.value()), true);
    assert_eq!(
        dev.form("/edit/c", "name=Mine&proxy_pass_url=http://127.0.0.1:9/elsewhere")
            .await
            .status,
        403,
        "renamed above"
    );
    assert_eq!(
        admin
            .form("/edit/c", "name=Mine&proxy_pass_url=http://127.0.0.1:9/")
            .await
            .status,
        303
    );
    assert_eq!(
        dev.form("/edit/c", "name=Mine&proxy_pass_url=http://127.0.0.1:9/elsewhere")
            .await
            .status,
        303
    );
    assert_eq!(trusted(admin.get("/api/server_details/c").await.value()), true);
    assert_eq!(
        dev.form("/edit/c", "name=Mine&proxy_pass_url=http://127.0.0.2:9/")
            .await
            .status,
        303
    );
    assert_eq!(trusted(admin.get("/api/server_details/c").await.value()), false);

    // Only administrators say who is trusted; what others register is not.
    let body = json!({"server_name": "D", "path": "/d", "proxy_pass_url": "http://127.0.0.1:9/"});
    assert_eq!(
        dev.json("/api/management/servers", &body).await.value()["trusted"],
        false
    );
    let body =
        json!({"server_name": "E", "path": "/e", "proxy_pass_url": "http://127.0.0.1:9/", "trusted": true});
    assert_eq!(dev.json("/api/management/servers", &body).await.status, 403);
    assert_eq!(
        admin.json("/api/management/servers", &body).await.value()["trusted"],
        true
    );
}
