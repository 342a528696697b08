//! Signing in, sessions and vended tokens.

use serde_json::json;

use crate::harness::{Gateway, PASSWORD, Setup};

#[tokio::test]
async fn a_browser_signs_in_stays_and_signs_out() {
    let gateway = Gateway::new();
    let browser = gateway
        .anonymous()
        .with("accept", "text/html")
        .with("sec-fetch-site", "same-origin");
    let page = browser.get("/edit/weather?x=1").await;
    assert_eq!(
        (page.status, page.header("location")),
        (303, "/login?next=%2Fedit%2Fweather%3Fx%3D1")
    );
    let wrong = browser.form("/login", "username=admin&password=wrong").await;
    assert_eq!(
        (wrong.status, wrong.header("location")),
        (303, "/login?error=Invalid+username+or+password")
    );
    let kept = wrong.header("set-cookie").to_owned();
    assert!(
        kept.starts_with("gatehouse_login_name=admin; HttpOnly;") && !kept.contains("mcp_gateway_session"),
        "{kept}"
    );
    // Nobody is sent elsewhere, or asked for their name again, because of a slip.
    let slip = "username=a%3Cb&password=wrong&next=%2Fedit%2Fweather%3Fx%3D1";
    let slip = browser.form("/login", slip).await;
    let back = slip.header("location").to_owned();
    assert_eq!(
        back,
        "/login?error=Invalid+username+or+password&next=%2Fedit%2Fweather%3Fx%3D1"
    );
    let name = slip.header("set-cookie").split(';').next().unwrap().to_owned();
    let again = browser.clone().with("cookie", &name).get(&back).await.text();
    assert!(
        again.contains("value=\"a&lt;b\"") && again.contains("name=\"next\" value=\"/edit"),
        "{again}"
    );
    let shown = browser.get("/login?error=Invalid+username+or+password").await;
    assert!(shown.text().contains("Invalid username or password"));
    let echo = browser.get("/login?error=%3Cb%3Ehello").await;
    assert!(
        !echo.text().contains("hello"),
        "the address is anybody's to write"
    );

    let form = format!(
        "username=admin&password={}&next=%2Fregister",
        PASSWORD.replace(' ', "+")
    );
    let right = browser.form("/login", &form).await;
    assert_eq!((right.status, right.header("location")), (303, "/register"));
    let cookie = right.header("set-cookie");
    for part in [
        "mcp_gateway_session=",
        "HttpOnly",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=28800",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"));
    let evil = browser
        .form("/login", &form.replace("%2Fregister", "%2F%2Fevil.example"))
        .await;
    assert_eq!(evil.header("location"), "/");

    let me = gateway.signed_in().await.get("/api/auth/me").await.value();
    assert_eq!(
        (&me["username"], &me["auth_method"], &me["is_admin"]),
        (&json!("admin"), &json!("session"), &json!(true))
    );
    assert_eq!(me["accessible_servers"], json!(["*"]));
}

#[tokio::test]
async fn programs_sign_in_with_json_and_are_told_in_json() {
    let gateway = Gateway::new();
    let ok = gateway
        .anonymous()
        .json(
            "/api/auth/login",
            &json!({"username": "admin", "password": PASSWORD}),
        )
        .await;
    assert_eq!(
        (ok.status, ok.value()),
        (200, json!({"success": true, "message": "Login successful"}))
    );
    let bad = gateway
        .anonymous()
        .json("/api/auth/login", &json!({"username": "admin", "password": "x"}))
        .await;
    assert_eq!(
        (bad.status, &bad.value()["detail"]),
        (401, &json!("Invalid username or password"))
    );
    let unknown = gateway
        .anonymous()
        .json("/api/auth/login", &json!({"username": "nobody", "password": "x"}))
        .await;
    assert_eq!(unknown.value()["detail"], bad.value()["detail"]);
    let none = gateway.anonymous().json("/api/auth/login", &json!({})).await;
    assert_eq!(
        (none.status, none.value()["errors"].as_array().unwrap().len()),
        (422, 2)
    );
}

#[tokio::test]
async fn guessing_is_slowed_without_locking_others_out() {
    let gateway = Setup::new().with(&["--trusted-proxies", "127.0.0.1"]).start();
    let from = |address: &str| gateway.anonymous().with("x-forwarded-for", address);
    let guess = |actor: crate::harness::Actor| async move {
        actor.form("/api/auth/login", "username=admin&password=x").await
    };
    for _ in 0..5 {
        assert_eq!(guess(from("192.0.2.1")).await.status, 401);
    }
    let slowed = guess(from("192.0.2.1")).await;
    assert_eq!(slowed.status, 429);
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() > 0);
    let form = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    assert_eq!(from("192.0.2.1").form("/api/auth/login", &form).await.status, 429);
    assert_eq!(
        from("192.0.2.2").form("/api/auth/login", &form).await.status,
        200,
        "from elsewhere it goes on"
    );
}

#[tokio::test]
async fn a_change_by_cookie_does_not_pass_from_another_site() {
    let gateway = Gateway::new();
    let session = gateway.signed_in().await;
    let change = |actor: crate::harness::Actor| async move { actor.form("/toggle/nothing", "").await.status };
    let origin = gateway.base.clone();
    for (name, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 404),
        ("sec-fetch-site", "none", 404),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", origin.as_str(), 404),
    ] {
        assert_eq!(
            change(session.clone().with(name, value)).await,
            status,
            "{name}: {value}"
        );
    }
    assert_eq!(
        change(session.clone()).await,
        404,
        "curl with a cookie jar passes"
    );
    let forged = session.form("/toggle/nothing", "csrf_token=0").await;
    assert_eq!(forged.status, 403, "a form's token must be this session's");
    for path in [
        "/register",
        "/api/management/servers",
        "/api/tokens/generate",
        "/edit/x",
        "/logout",
        "/login",
    ] {
        let answer = session
            .clone()
            .with("origin", "https://evil.example")
            .form(path, "username=a&password=b")
            .await;
        assert_eq!(answer.status, 403, "{path}");
    }
    // A token is no cookie: no browser sends it by itself.
    assert_eq!(
        change(gateway.admin().with("origin", "https://evil.example")).await,
        404
    );
}

#[tokio::test]
async fn tokens_hold_no_more_than_their_owner_and_anybody_can_check_them() {
    let gateway = Gateway::new();
    let session = gateway.signed_in().await;
    let wish = json!({"requested_scopes": ["mcp-registry-admin"], "expires_in_hours": 2, "description": "for the build"});
    let answer = session.json("/api/tokens/generate", &wish).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.value();
    assert_eq!(
        (&body["tokens"]["expires_in"], &body["tokens"]["scope"]),
        (&json!(7200), &json!("mcp-registry-admin"))
    );
    let token = body["tokens"]["access_token"].as_str().unwrap().to_owned();
    let me = gateway
        .anonymous()
        .bearer(&token)
        .get("/api/auth/me")
        .await
        .value();
    assert_eq!(
        (&me["username"], &me["scopes"]),
        (&json!("admin"), &json!(["mcp-registry-admin"]))
    );
    let named = gateway
        .anonymous()
        .with("x-authorization", &format!("Bearer {token}"))
        .get("/api/auth/me")
        .await;
    assert_eq!(named.status, 200);

    // Whoever reads the published keys can check it.
    let jwks = gateway.anonymous().get("/.well-known/jwks.json").await.value();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwks["keys"][0].clone()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&["mcp-registry"]);
    rules.set_issuer(&["mcp-auth-server"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules)
        .unwrap()
        .claims;
    assert_eq!(
        (&claims["token_use"], &claims["description"]),
        (&json!("access"), &json!("for the build"))
    );

    // No wider, no longer than its parent, and nothing odd.
    let child = gateway.anonymous().bearer(&token);
    let wider = child
        .json(
            "/api/tokens/generate",
            &json!({"requested_scopes": ["mcp-servers-unrestricted/read"]}),
        )
        .await;
    assert_eq!(wider.status, 403, "{}", wider.text());
    let longer = child
        .json("/api/tokens/generate", &json!({"expires_in_hours": 24}))
        .await
        .value();
    assert!(longer["tokens"]["expires_in"].as_i64().unwrap() <= 7200);
    for wish in [
        json!({"expires_in_hours": 0}),
        json!({"expires_in_hours": 25}),
        json!({"expires_in_hours": "x"}),
        json!({"requested_scopes": [1]}),
        json!({"requested_scopes": 1}),
    ] {
        assert_eq!(
            session.json("/api/tokens/generate", &wish).await.status,
            422,
            "{wish}"
        );
    }
    assert_eq!(
        gateway
            .anonymous()
            .json("/api/tokens/generate", &json!({}))
            .await
            .status,
        401
    );
    assert!(!gateway.log().contains(&token));
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_and_by_administrators() {
    let gateway = Gateway::new();
    let (first, second) = (gateway.signed_in().await, gateway.signed_in().await);
    let list = first.get("/api/sessions").await.value();
    let ids: Vec<String> = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    // Nobody with fewer rights sees or ends them.
    let user = gateway.member("bob", &["mcp-registry-user"]);
    assert_eq!(user.get("/api/sessions").await.value()["sessions"], json!([]));
    assert_eq!(user.get("/api/sessions?user=*").await.status, 403);
    assert_eq!(
        user.send("DELETE", &format!("/api/sessions/{}", ids[0]), "", Vec::new())
            .await
            .status,
        404
    );
    let all = gateway.admin().get("/api/sessions?user=*").await.value();
    assert_eq!(all["sessions"].as_array().unwrap().len(), 2);

    for id in &ids {
        let ended = gateway
            .admin()
            .send("DELETE", &format!("/api/sessions/{id}"), "", Vec::new())
            .await;
        assert_eq!(ended.status, 200, "{}", ended.text());
    }
    for session in [first, second] {
        assert_eq!(session.get("/api/auth/me").await.status, 401);
    }
}

#[tokio::test]
async fn a_session_cannot_be_brought_along_or_used_again() {
    let gateway = Gateway::new();
    // Fixation: an id that the browser brings is not the one that it gets.
    let form = format!("username=admin&password={}", PASSWORD.replace(' ', "+"));
    let planted = gateway
        .anonymous()
        .with("cookie", "mcp_gateway_session=planted")
        .form("/login", &form)
        .await;
    let cookie = planted.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(planted.status == 303 && !cookie.contains("planted"));
    assert_eq!(
        gateway
            .anonymous()
            .with("cookie", "mcp_gateway_session=planted")
            .get("/api/auth/me")
            .await
            .status,
        401
    );
    // Replay: a cookie that was signed out opens nothing, also not at a mount.
    let session = gateway.anonymous().with("cookie", &cookie);
    assert_eq!(session.get("/api/auth/me").await.status, 200);
    session.form("/logout", "").await;
    assert_eq!(session.get("/api/auth/me").await.status, 401);
    assert_eq!(session.mcp("/x/mcp", &json!({})).await.status, 401);
    let doubled = gateway.anonymous().with("cookie", &format!("{cookie}; {cookie}"));
    assert_eq!(doubled.get("/api/auth/me").await.status, 401);
}
