//! Vended tokens: listed, limited, refreshed, revoked, their keys rotated.

use serde_json::{Value, json};

use crate::harness::{Actor, Gateway, Setup, Upstream, tool_call};

async fn vend(actor: &Actor, wish: Value) -> Value {
    let answer = actor.json("/api/tokens/generate", &wish).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.value()["tokens"].clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

#[tokio::test]
async fn a_revoked_token_opens_neither_door_from_that_moment_and_after_a_restart() {
    let upstream = Upstream::new().await;
    let gateway = Gateway::new();
    gateway.register("/a", &upstream.url).await;
    let session = gateway.signed_in().await;
    let tokens = vend(&session, json!({"description": "for the build"})).await;
    let other = vend(&session, json!({})).await;
    let bearer = gateway.anonymous().bearer(text(&tokens, "access_token"));
    assert_eq!(bearer.get("/api/auth/me").await.status, 200);
    assert_eq!(bearer.mcp("/a/mcp", &tool_call("x")).await.status, 200);

    let list = session.get("/api/tokens").await.value();
    assert_eq!(list["tokens"].as_array().unwrap().len(), 2);
    let row = list["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["description"] == "for the build")
        .unwrap();
    assert!(row["revoked_at"].is_null() && row.get("access_token").is_none());
    // Somebody else neither sees nor ends it.
    let stranger = gateway.member("bob", &["mcp-registry-user"]);
    let path = format!("/api/tokens/{}", text(row, "id"));
    assert_eq!(stranger.send("DELETE", &path, "", Vec::new()).await.status, 404);
    assert_eq!(stranger.get("/api/tokens?user=admin").await.status, 403);
    let all = gateway.admin().get("/api/tokens?user=*").await.value();
    assert!(
        all["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["username"] == "bob")
    );

    assert_eq!(session.send("DELETE", &path, "", Vec::new()).await.status, 200);
    for _ in 0..2 {
        assert_eq!(bearer.get("/api/auth/me").await.status, 401);
        assert_eq!(bearer.mcp("/a/mcp", &tool_call("x")).await.status, 401);
    }
    assert_eq!(upstream.take().len(), 1);
    let refreshed = refresh(&gateway, text(&tokens, "refresh_token")).await;
    assert_eq!(
        (refreshed.status, &refreshed.value()["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(
        gateway
            .anonymous()
            .bearer(text(&other, "access_token"))
            .get("/api/auth/me")
            .await
            .status,
        200
    );

    let (setup, _) = gateway.stop();
    let gateway = setup.start();
    for (token, status) in [(&tokens, 401), (&other, 200)] {
        let bearer = gateway.anonymous().bearer(text(token, "access_token"));
        assert_eq!(bearer.get("/api/auth/me").await.status, status);
    }
}

async fn refresh(gateway: &Gateway, token: &str) -> crate::harness::Answer {
    gateway
        .anonymous()
        .form(
            "/api/auth/token",
            &format!("grant_type=refresh_token&refresh_token={token}"),
        )
        .await
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_family() {
    let gateway = Gateway::new();
    let session = gateway.signed_in().await;
    let first = vend(
        &session,
        json!({"requested_scopes": ["mcp-registry-admin"], "expires_in_hours": 3}),
    )
    .await;
    let second = refresh(&gateway, text(&first, "refresh_token")).await;
    assert_eq!(second.status, 200, "{}", second.text());
    assert_eq!(second.header("cache-control"), "no-store");
    let second = second.value();
    assert_eq!(
        (&second["token_type"], &second["expires_in"], &second["scope"]),
        (&json!("Bearer"), &json!(10800), &json!("mcp-registry-admin"))
    );
    let third = refresh(&gateway, text(&second, "refresh_token")).await.value();
    let works = |token: Value| {
        let bearer = gateway.anonymous().bearer(text(&token, "access_token"));
        async move { bearer.get("/api/auth/me").await.status }
    };
    assert_eq!(works(third.clone()).await, 200);
    // A thief, or the owner after a thief.
    let reused = refresh(&gateway, text(&first, "refresh_token")).await;
    assert_eq!(
        (reused.status, &reused.value()["error"]),
        (400, &json!("invalid_grant"))
    );
    for token in [first, second, third.clone()] {
        assert_eq!(works(token).await, 401);
    }
    assert_eq!(refresh(&gateway, text(&third, "refresh_token")).await.status, 400);
    for (form, code) in [
        ("", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=password&username=a", "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=made-up", "invalid_grant"),
    ] {
        let answer = gateway.anonymous().form("/api/auth/token", form).await;
        assert_eq!(
            (answer.status, &answer.value()["error"]),
            (400, &json!(code)),
            "{form}"
        );
    }
    // What a token vends cannot be refreshed, or it would live for ever.
    assert!(vend(&gateway.admin(), json!({})).await["refresh_token"].is_null());
}

#[tokio::test]
async fn a_refresh_gives_only_what_the_policy_still_gives() {
    let policy =
        |scopes: &str| format!("group_mappings: {{mcp-registry-admin: [{scopes}]}}\none: []\ntwo: []\n");
    let setup = Setup::new().with(&["--admin-scope", "two"]);
    let gateway = setup.with_policy(&policy("one, two")).start();
    let session = gateway.signed_in().await;
    let tokens = vend(&session, json!({})).await;
    assert_eq!(tokens["scope"], "one two");
    let file = gateway.setup.folder.path().join("auth/scopes.yml");
    std::fs::write(&file, policy("two")).unwrap();
    crate::harness::until("the policy is new", || async {
        session.get("/api/auth/me").await.value()["scopes"] == json!(["two"])
    })
    .await;
    let refreshed = refresh(&gateway, text(&tokens, "refresh_token")).await.value();
    assert_eq!(refreshed["scope"], "two");
}

#[tokio::test]
async fn nobody_makes_more_tokens_in_an_hour_than_the_setting_says() {
    let gateway = Setup::new().with(&["--max-tokens-per-hour", "2"]).start();
    let session = gateway.signed_in().await;
    for _ in 0..2 {
        vend(&session, json!({})).await;
    }
    let refused = session.json("/api/tokens/generate", &json!({})).await;
    assert_eq!(
        (refused.status, &refused.value()["detail"]),
        (429, &json!("Rate limit exceeded. Maximum 2 tokens per hour."))
    );
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
    vend(&gateway.member("ada", &["mcp-registry-user"]), json!({})).await;
}

#[tokio::test]
async fn keys_are_rotated_without_cutting_live_tokens() {
    let gateway = Gateway::new();
    let before = gateway.admin();
    let keys = |jwks: Value| jwks["keys"].as_array().unwrap().len();
    assert_eq!(
        keys(gateway.anonymous().get("/.well-known/jwks.json").await.value()),
        1
    );
    let rotated = gateway.setup.command(&["token", "rotate-keys"]).output().unwrap();
    assert!(
        rotated.status.success(),
        "{}",
        String::from_utf8_lossy(&rotated.stderr)
    );
    assert_eq!(
        keys(gateway.anonymous().get("/.well-known/jwks.json").await.value()),
        2
    );
    assert_eq!(before.get("/api/auth/me").await.status, 200);
    assert_eq!(gateway.admin().get("/api/auth/me").await.status, 200);
    let (setup, _) = gateway.stop();
    let gateway = setup.start();
    let still = Actor::new(&gateway.base);
    assert_eq!(
        still.get("/.well-known/jwks.json").await.value()["keys"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_from_the_command_line_with_and_without_a_daemon() {
    let gateway = Gateway::new();
    let run = |words: &[&str]| {
        let output = gateway.setup.command(words).output().unwrap();
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let token = gateway.token(&[
        "--user",
        "ada",
        "--groups",
        "mcp-registry-user",
        "--description",
        "nightly",
    ]);
    let line = run(&["token", "list"])
        .lines()
        .find(|line| line.contains("nightly"))
        .unwrap()
        .to_owned();
    assert!(line.contains("\tada\t") && line.contains("\tvended\t") && !line.contains(&token));
    let id = line.split('\t').next().unwrap().to_owned();
    let bearer = gateway.anonymous().bearer(&token);
    assert_eq!(bearer.get("/api/auth/me").await.status, 200);
    run(&["token", "revoke", &id]);
    assert_eq!(bearer.get("/api/auth/me").await.status, 401);
    let unknown = gateway
        .setup
        .command(&["token", "revoke", "nobody"])
        .output()
        .unwrap();
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("no such token"));

    let second = gateway.token(&["--user", "eve", "--groups", "mcp-registry-user"]);
    let (setup, _) = gateway.stop();
    let list = setup.command(&["token", "list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let id = list
        .lines()
        .find(|line| line.contains("\teve\t"))
        .unwrap()
        .split('\t')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        setup
            .command(&["token", "revoke", &id])
            .status()
            .unwrap()
            .success()
    );
    let gateway = setup.start();
    assert_eq!(
        gateway
            .anonymous()
            .bearer(&second)
            .get("/api/auth/me")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn tokens_of_an_earlier_system_count_only_when_its_secret_is_set() {
    let secret = "an earlier system's secret of some length";
    let claims = json!({
        "iss": "mcp-auth-server", "aud": "mcp-registry", "sub": "ada", "scope": "mcp-registry-admin",
        "token_use": "access", "iat": 1_700_000_000, "exp": 4_000_000_000_i64,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let mut setup = Setup::new();
    setup.variables.push(("SECRET_KEY".to_owned(), secret.to_owned()));
    let gateway = setup.start();
    let me = gateway
        .anonymous()
        .bearer(&token)
        .get("/api/auth/me")
        .await
        .value();
    assert_eq!((&me["username"], &me["is_admin"]), (&json!("ada"), &json!(true)));
    let gateway = Gateway::new();
    assert_eq!(
        gateway
            .anonymous()
            .bearer(&token)
            .get("/api/auth/me")
            .await
            .status,
        401
    );
    let mut short = Setup::new();
    short
        .variables
        .push(("SECRET_KEY".to_owned(), "short".to_owned()));
    let refused = short.serve().output().unwrap();
    assert!(
        refused.status.code() == Some(78)
            && String::from_utf8_lossy(&refused.stderr).contains("32 characters")
    );
}
