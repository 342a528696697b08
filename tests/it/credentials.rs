//! What a server is told in secret: sent with every call, sealed at rest, never shown again.

use serde_json::{Value, json};

use crate::harness::{Actor, Gateway, PASSWORD, Setup, Upstream, tool_call, until};

const SECRETS: [&str; 2] = ["k-5ecret-one", "v-5ecret-two"];

async fn mounted(setup: Setup) -> (Gateway, Upstream) {
    let upstream = Upstream::new().await;
    let gateway = setup.start();
    let body = json!({
        "server_name": "w", "path": "/w", "proxy_pass_url": upstream.url, "auth_scheme": "api_key",
        "auth_header_name": "X-Key", "auth_credential": SECRETS[0], "headers": [{"X-Team": SECRETS[1]}],
    });
    let answer = gateway.admin().json("/api/management/servers", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    has_no_secret(&answer.text());
    (gateway, upstream)
}

fn has_no_secret(text: &str) {
    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{text}");
}

async fn received(gateway: &Gateway, actor: &Actor, upstream: &Upstream, header: &str) -> String {
    let answer = actor.mcp("/w/mcp", &tool_call("x")).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), gateway.log());
    let [got] = upstream.take().try_into().unwrap();
    let values: Vec<&str> = got
        .headers
        .get_all(header)
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    values.join("|")
}

#[tokio::test]
async fn the_server_is_told_and_nobody_else_ever_is() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let admin = gateway.admin();
    let own = admin
        .clone()
        .with("x-key", "the client's")
        .with("x-team", "the client's");
    assert_eq!(received(&gateway, &own, &upstream, "x-key").await, SECRETS[0]);
    assert_eq!(received(&gateway, &own, &upstream, "x-team").await, SECRETS[1]);
    for method in ["GET", "DELETE"] {
        let answer = admin.send(method, "/w/mcp", "", Vec::new()).await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(upstream.take()[0].header("x-key"), SECRETS[0], "{method}");
    }
    let disguised = admin
        .clone()
        .with("x_key", "forged")
        .mcp("/w/mcp", &tool_call("x"))
        .await;
    assert_eq!(disguised.status, 400, "{}", disguised.text());
    assert!(upstream.take().is_empty());

    // Not in a record, a list, a page, nginx's file, the store or the log.
    for path in [
        "/api/servers",
        "/api/server_details/w",
        "/edit/w",
        "/",
        "/api/operations/nginx",
    ] {
        let answer = admin
            .clone()
            .with("accept", "text/html, application/json")
            .get(path)
            .await;
        assert_eq!(answer.status, 200, "{path}");
        has_no_secret(&answer.text());
    }
    let record = admin.get("/api/server_details/w").await.value();
    assert_eq!(
        (&record["auth_scheme"], &record["custom_header_names"]),
        (&json!("api_key"), &json!(["X-Team"]))
    );
    has_no_secret(&gateway.log());
    let data = gateway.setup.data();
    let files = ["gatehouse.db", "gatehouse.db-wal", "nginx/nginx.conf"];
    for file in files
        .map(|file| data.join(file))
        .into_iter()
        .filter(|file| file.exists())
    {
        has_no_secret(&String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
    }

    // It outlives a restart; without its key the server is not called at all.
    let setup = gateway.kill();
    let gateway = setup.start();
    assert_eq!(
        received(&gateway, &gateway.admin(), &upstream, "x-key").await,
        SECRETS[0]
    );
    let (setup, _) = gateway.stop();
    std::fs::write(setup.data().join("keys/seal.key"), [7; 32]).unwrap();
    let gateway = setup.start();
    let answer = gateway.admin().mcp("/w/mcp", &tool_call("x")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("enter them again"), "{}", answer.text());
    assert!(upstream.take().is_empty());
}

async fn edit(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut form = serde_urlencoded::to_string([("name", "w")]).unwrap();
    form.push('&');
    form.push_str(&serde_urlencoded::to_string(fields).unwrap());
    let answer = gateway
        .admin()
        .with("accept", "application/json")
        .form("/edit/w", &form)
        .await;
    let body = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, body)
}

#[tokio::test]
async fn an_edit_keeps_what_it_does_not_name_and_a_moved_server_must_be_told_anew() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let admin = gateway.admin();
    let here = ("proxy_pass_url", upstream.url.as_str());
    assert_eq!(
        edit(&gateway, &[here, ("auth_credential", ""), ("headers", "X-Team:")])
            .await
            .0,
        303
    );
    assert_eq!(received(&gateway, &admin, &upstream, "x-key").await, SECRETS[0]);
    assert_eq!(received(&gateway, &admin, &upstream, "x-team").await, SECRETS[1]);

    // Whoever may only change the address must not lead the credential to a server of theirs.
    let thief = Upstream::new().await;
    let there = ("proxy_pass_url", thief.url.as_str());
    let (status, body) = edit(&gateway, &[there]).await;
    assert_eq!(status, 422, "{body}");
    assert!(
        body.to_string().contains("auth_credential") && body.to_string().contains("address has changed"),
        "{body}"
    );
    // Nor to another place of the same server, or under another name that its page may echo.
    let deeper = format!("{}/tenant2", upstream.url);
    for elsewhere in [
        vec![("proxy_pass_url", deeper.as_str())],
        vec![here, ("auth_header_name", "X-Echo")],
    ] {
        assert_eq!(edit(&gateway, &elsewhere).await.0, 422, "{elsewhere:?}");
    }
    let moved = [there, ("auth_credential", "new"), ("headers", "")];
    assert_eq!(edit(&gateway, &moved).await.0, 303);
    assert_eq!(received(&gateway, &admin, &thief, "x-key").await, "new");
    assert_eq!(received(&gateway, &admin, &thief, "x-team").await, "");

    let bearer = [
        there,
        ("auth_scheme", "bearer"),
        ("auth_header_name", ""),
        ("auth_credential", "t"),
    ];
    assert_eq!(edit(&gateway, &bearer).await.0, 303);
    assert_eq!(
        received(&gateway, &admin, &thief, "authorization").await,
        "Bearer t"
    );
    assert_eq!(
        edit(
            &gateway,
            &[there, ("auth_scheme", "none"), ("identity_headers", "false")]
        )
        .await
        .0,
        303
    );
    assert_eq!(received(&gateway, &admin, &thief, "authorization").await, "");
    for nameless in ["x-user", "x-scopes", "x-client-id", "x-auth-method"] {
        assert_eq!(
            received(&gateway, &admin, &thief, nameless).await,
            "",
            "{nameless}"
        );
    }
    // Without credentials it goes the fast way again.
    until("the block is used", || async {
        gateway.nginx().await.get("blocks").and_then(Value::as_u64) == Some(1)
    })
    .await;
    assert_eq!(received(&gateway, &admin, &thief, "x-user").await, "");
}

#[tokio::test]
async fn a_header_that_is_not_the_owners_to_set_is_refused_by_field_without_its_value() {
    let (gateway, upstream) = mounted(Setup::new()).await;
    let rows = [
        ("headers", json!({"Host": "v-hush"}), "headers"),
        ("headers", json!({"X-User": "v-hush"}), "headers"),
        ("headers", json!({"X-A": "v-hush\r\nX-B: 1"}), "headers"),
        ("auth_header_name", json!("bad name"), "auth_header_name"),
        ("auth_credential", json!("v-hush\n"), ""),
        ("auth_credential", json!("v-hush\u{e9}"), "auth_credential"),
        ("auth_scheme", json!("digest"), "auth_scheme"),
        ("auth_scheme", json!("bearer"), "auth_credential"),
    ];
    for (field, value, fault) in rows {
        let mut body =
            json!({"server_name": "x", "path": "/x", "proxy_pass_url": upstream.url, "trusted": "maybe"});
        body[field] = value.clone();
        let answer = gateway.admin().json("/api/management/servers", &body).await;
        assert_eq!(answer.status, 422, "{field} {value}: {}", answer.text());
        assert!(!answer.text().contains("hush"), "{}", answer.text());
        let wanted = fault.is_empty()
            || fault == "auth_credential" && field == "auth_scheme"
            || answer.text().contains(fault);
        assert!(wanted, "{field} {value}: {}", answer.text());
    }
    // A refused form keeps what was typed, and nothing secret.
    let page = gateway.signed_in().await.with("accept", "text/html");
    let form = "name=&proxy_pass_url=x&auth_scheme=bearer&auth_credential=v-hush&headers=X-Team%3A+v-hush";
    let answer = page.form("/edit/w", form).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(
        answer.text().contains("X-Team:") && !answer.text().contains("hush"),
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains(PASSWORD));
    // It says that it is lost, beside its field: an empty field would keep what was saved before.
    for field in ["auth_credential", "headers"] {
        // After the field's own hint.
        let marked = format!("aria-invalid=\"true\" aria-describedby=\"{field}");
        let marked = marked.replace("auth_credential", "credential") + &format!("-hint fault-{field}\"");
        assert!(answer.text().contains(&marked), "{field}: {}", answer.text());
    }
    assert_eq!(answer.text().matches("What is secret was not kept").count(), 1);
    assert_eq!(
        answer
            .text()
            .matches("enter it again, or what was saved before stays")
            .count(),
        2
    );
    let nothing = page
        .form("/edit/w", "name=&proxy_pass_url=x&headers=X-Team%3A")
        .await;
    assert!(
        nothing.status == 422 && !nothing.text().contains("not kept"),
        "{}",
        nothing.text()
    );
}
