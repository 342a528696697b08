//! Signing in through identity providers, as a browser sees it, and what an attacker gets.

use serde_json::{Value, json};

use crate::harness::identity::{Browser, Idp, WEB_SECRET, text};
use crate::harness::{Actor, Gateway, Setup, until};

fn generic(idp: &Idp) -> String {
    format!(
        "generic: {{display_name: Generic, issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
        idp.issuer()
    )
}

async fn me(gateway: &Gateway, browser: &Browser) -> Value {
    browser.actor(&gateway.base).get("/api/auth/me").await.value()
}

#[tokio::test]
async fn every_shape_of_provider_signs_people_in_and_out_again() {
    for profile in ["keycloak", "cognito", "entra", "generic", "github"] {
        let setup = Setup::new();
        let idp = Idp::imitate(profile, &setup, &[]);
        let (issuer, origin) = (idp.issuer(), idp.origin());
        let client = format!("client_id: web, client_secret: {WEB_SECRET}");
        let yaml = match profile {
            "keycloak" => format!("keycloak: {{auth_url: '{issuer}/protocol/openid-connect/auth', {client}}}"),
            "cognito" => format!(
                "cognito: {{issuer: '{issuer}', auth_url: '{issuer}/oauth2/authorize', token_url: '{issuer}/oauth2/token',
                 logout_url: '{issuer}/logout', {client}}}"
            ),
            "entra" => format!(
                "entra: {{issuer: '{issuer}', auth_url: '{issuer}/oauth2/v2.0/authorize', jwks_url: '{issuer}/discovery/v2.0/keys',
                 token_url: '{issuer}/oauth2/v2.0/token', logout_url: '{issuer}/oauth2/v2.0/logout',
                 user_info_url: '{origin}/v1.0/me', {client}}}"
            ),
            "github" => format!(
                "github: {{auth_url: '{origin}/login/oauth/authorize', token_url: '{origin}/login/oauth/access_token',
                 api_url: '{origin}', organizations: [acme], {client}}}"
            ),
            _ => generic(&idp),
        };
        let gateway = setup.with_providers(&yaml).start();
        let base = gateway.base.clone();
        let listed = gateway.anonymous().get("/api/auth/providers").await.value();
        assert_eq!(text(&listed["providers"][0], "name"), profile);
        let login = gateway.anonymous().get("/login").await.text();
        assert!(login.contains(&format!("/auth/{profile}")), "{login}");

        let mut browser = Browser::default();
        let home = browser
            .sign_in(&base, &format!("{profile}?next=%2F%3Fx%3D1"), "alice")
            .await;
        assert_eq!(
            home.answer.status,
            200,
            "{profile}: {} {}",
            home.url,
            home.answer.text()
        );
        let me = me(&gateway, &browser).await;
        assert_eq!(
            (text(&me, "provider").as_str(), text(&me, "auth_method").as_str()),
            (profile, "oauth2")
        );
        assert!(text(&me, "username").starts_with("alice"), "{me}");
        let groups = me.get("groups").and_then(Value::as_array).unwrap();
        assert!(!groups.is_empty(), "{profile}: {me}");
        if profile == "github" {
            assert_eq!(groups, &[json!("acme"), json!("acme/platform")]);
        }
        // No secret of the provider's is in the log.
        assert!(!gateway.log().contains("code=") && !gateway.log().contains(WEB_SECRET));

        let session = browser.actor(&base);
        let page = browser.visit("POST", &format!("{base}/logout"), "").await;
        assert_eq!(session.get("/api/auth/me").await.status, 401, "{profile}");
        assert_eq!(
            page.answer.status,
            200,
            "{profile}: {} {}",
            page.url,
            page.answer.text()
        );
        // Cognito's own form comes straight back; the others' pages ask a browser to go on by itself.
        if matches!(profile, "cognito" | "github") {
            assert_eq!(page.url, format!("{base}/login"), "{profile}: {:?}", page.way);
        }
        if profile != "github" {
            assert!(
                page.way.iter().any(|url| url.starts_with(&origin)),
                "{profile}: {:?}",
                page.way
            );
        }
    }
}

#[tokio::test]
async fn an_id_token_of_another_try_or_for_somebody_else_signs_nobody_in() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let long_ago = 1_600_000_000;
    for claims in [
        json!({"nonce": "of-another-try"}),
        json!({"nonce": null}),
        json!({"aud": "another-client"}),
        json!({"aud": ["web", "another-client"], "azp": "another-client"}),
        json!({"iss": "https://evil.example"}),
        json!({"exp": long_ago}),
    ] {
        idp.control("bend", json!({"id_token": claims})).await;
        let mut browser = Browser::default();
        let page = browser.sign_in(&gateway.base, "generic", "alice").await;
        assert_eq!(page.answer.status, 403, "{claims}: {}", page.answer.text());
        assert_eq!(
            browser.cookie(&gateway.base, "mcp_gateway_session"),
            None,
            "{claims}"
        );
    }
    idp.control("bend", json!({})).await;
    let page = Browser::default()
        .sign_in(&gateway.base, "generic", "alice")
        .await;
    assert_eq!(page.answer.status, 200, "{}", page.answer.text());
}

#[tokio::test]
async fn nobody_fills_the_room_for_other_peoples_sign_ins() {
    let setup = Setup::new();
    let idp = Idp::imitate("keycloak", &setup, &[]);
    let yaml = format!(
        "keycloak: {{issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
        idp.issuer()
    );
    let gateway = setup.with_providers(&yaml).start();
    let mut statuses = Vec::new();
    for _ in 0..140 {
        statuses.push(gateway.anonymous().get("/auth/keycloak").await.status);
    }
    assert!(
        statuses.starts_with(&[303; 100]) && statuses.contains(&429),
        "{statuses:?}"
    );
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(
            gateway
                .anonymous()
                .json("/api/auth/device", &json!({}))
                .await
                .status,
        );
    }
    assert_eq!(
        (statuses.first(), statuses.last()),
        (Some(&200), Some(&429)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_foundling_organisation_of_a_great_name_is_no_group() {
    let setup = Setup::new();
    let idp = Idp::imitate("github", &setup, &[]);
    let origin = idp.origin();
    let yaml = format!(
        "github: {{auth_url: '{origin}/login/oauth/authorize', token_url: '{origin}/login/oauth/access_token',
         api_url: '{origin}', organizations: [acme], client_id: web, client_secret: {WEB_SECRET}}}"
    );
    let gateway = setup.with_providers(&yaml).start();
    let mut mallory = Browser::default();
    mallory.sign_in(&gateway.base, "github", "mallory").await;
    let me = me(&gateway, &mallory).await;
    assert_eq!(me.get("groups"), Some(&json!([])), "{me}");
    assert_eq!(me.get("is_admin"), Some(&json!(false)));
}

/// Begin a sign-in and give the password, but keep the callback for ourselves.
async fn callback_of(browser: &mut Browser, base: &str, user: &str) -> String {
    callback_at("generic", browser, base, user).await
}

async fn callback_at(provider: &str, browser: &mut Browser, base: &str, user: &str) -> String {
    let form = browser.visit("GET", &format!("{base}/auth/{provider}"), "").await;
    let (mut url, mut method) = (form.url, "POST");
    let mut body = format!("username={user}&password={user}");
    for _ in 0..10 {
        let answer = browser.once(method, &url, &body).await;
        let next = url::Url::parse(&url)
            .unwrap()
            .join(answer.header("location"))
            .unwrap();
        url = next.to_string();
        if url.starts_with(&format!("{base}/auth/callback")) {
            return url;
        }
        (method, body) = ("GET", String::new());
    }
    panic!("no callback: {url}");
}

#[tokio::test]
async fn a_callback_counts_once_for_the_browser_that_began_it_and_for_nobody_else() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let base = gateway.base.clone();
    let mut alice = Browser::default();
    let callback = callback_of(&mut alice, &base, "alice").await;
    let no_session = |browser: &Browser| browser.cookie(&base, "mcp_gateway_session").is_none();

    // Somebody lured into another's callback has no try of their own: no session fixation.
    let mut victim = Browser::default();
    let answer = victim.once("GET", &callback, "").await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(no_session(&victim) && answer.text().contains("start again"));
    // Nor does a try of one's own take another's state.
    victim.visit("GET", &format!("{base}/auth/generic"), "").await;
    assert_eq!(victim.once("GET", &callback, "").await.status, 422);
    assert!(no_session(&victim));

    // A wrong state ends the try, and the right one comes too late then.
    let mut bob = Browser::default();
    let good = callback_of(&mut bob, &base, "bob").await;
    let bad = good.replace("state=", "state=x");
    assert_eq!(bob.once("GET", &bad, "").await.status, 422);
    assert_eq!(bob.once("GET", &good, "").await.status, 422);
    assert!(no_session(&bob));

    // The right browser gets in, once.
    let kept = alice.clone();
    assert_eq!(alice.once("GET", &callback, "").await.status, 303);
    assert_eq!(text(&me(&gateway, &alice).await, "username"), "alice");
    let mut replay = kept;
    assert_eq!(replay.once("GET", &callback, "").await.status, 422);
    assert!(no_session(&replay));
    // The cookie of the try is gone, and the new session is not one of before.
    assert_eq!(alice.cookie(&base, "mcp_gateway_login"), None);
    let before = alice.cookie(&base, "mcp_gateway_session").unwrap().to_owned();
    let again = callback_of_signed_in(&mut alice, &base).await;
    assert_eq!(again, 200);
    let after = alice.cookie(&base, "mcp_gateway_session").unwrap();
    assert_ne!(before, after);
    let old = gateway
        .anonymous()
        .with("cookie", &format!("mcp_gateway_session={before}"));
    assert_eq!(old.get("/api/auth/me").await.status, 401);
}

/// The provider still knows the person and asks nothing.
async fn callback_of_signed_in(browser: &mut Browser, base: &str) -> u16 {
    browser
        .visit("GET", &format!("{base}/auth/generic"), "")
        .await
        .answer
        .status
}

#[tokio::test]
async fn a_callback_with_an_error_shows_no_word_of_it_and_another_issuers_is_refused() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let base = gateway.base.clone();
    let state = |callback: &str| {
        let url = url::Url::parse(callback).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap();
        state.1.into_owned()
    };
    let mut browser = Browser::default();
    let callback = callback_of(&mut browser, &base, "alice").await;
    let markup = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let error = format!(
        "{base}/auth/callback?state={}&iss={}&error={markup}&error_description={markup}",
        state(&callback),
        idp.issuer()
    );
    let answer = browser.once("GET", &error, "").await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("Generic did not sign you in") && !answer.text().contains("alert(1)"));
    let mut browser = Browser::default();
    let callback = callback_of(&mut browser, &base, "alice").await;
    let denied = format!(
        "{base}/auth/callback?state={}&iss={}&error=access_denied",
        state(&callback),
        idp.issuer()
    );
    assert!(
        browser
            .once("GET", &denied, "")
            .await
            .text()
            .contains("access_denied")
    );
    // Whoever answers for another issuer is not believed (RFC 9207): the code goes nowhere.
    let before = idp.seen("token").await;
    for iss in ["&iss=https%3A%2F%2Fevil.example", ""] {
        let mut browser = Browser::default();
        let callback = callback_of(&mut browser, &base, "alice").await;
        let (head, tail) = callback
            .split_once("iss=")
            .map_or((callback.as_str(), ""), |parts| parts);
        let rest = tail.split_once('&').map_or("", |(_, rest)| rest);
        let forged = format!("{}{rest}{iss}", head.trim_end_matches('&').to_owned() + "&");
        let answer = browser.once("GET", &forged, "").await;
        assert_eq!(answer.status, 403, "{forged}: {}", answer.text());
    }
    assert_eq!(idp.seen("token").await, before);
    let answer = browser.once("GET", &format!("{base}/auth/nobody"), "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_code_of_one_provider_is_worth_nothing_in_a_try_at_another() {
    for (named, says_who) in [("right", true), ("none", false), ("wrong", true)] {
        let setup = Setup::new();
        let honest = Idp::imitate("generic", &setup, &[]);
        let evil = Idp::imitate("generic", &setup, &[("ISS_PARAM", named)]);
        let yaml = format!(
            "{}\nevil: {{issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
            generic(&honest),
            evil.issuer()
        );
        let gateway = setup.with_providers(&yaml).start();
        let base = gateway.base.clone();
        let part = |callback: &str, name: &str| {
            let url = url::Url::parse(callback).unwrap();
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned())
        };
        // The code was given at the honest one; the try was begun at the other.
        for iss in [Some(honest.issuer()), Some(evil.issuer()), None] {
            let code = callback_of(&mut Browser::default(), &base, "alice").await;
            let code = part(&code, "code").unwrap();
            let mut victim = Browser::default();
            let begun = callback_at("evil", &mut victim, &base, "bob").await;
            let before = (honest.seen("token").await, evil.seen("token").await);
            let iss_part = iss.map_or_else(String::new, |iss| format!("&iss={iss}"));
            let state = part(&begun, "state").unwrap();
            let mixed = format!("{base}/auth/callback?code={code}&state={state}{iss_part}");
            let answer = victim.once("GET", &mixed, "").await;
            assert_eq!(answer.status, 403, "{named} {iss:?}: {}", answer.text());
            assert_eq!(victim.cookie(&base, "mcp_gateway_session"), None);
            // Where the answer shows who gave the code, it goes to nobody; else to the provider of the try alone.
            let goes = iss == Some(evil.issuer()) || (iss.is_none() && !says_who);
            let after = (honest.seen("token").await, evil.seen("token").await);
            assert_eq!(after, (before.0, before.1 + u64::from(goes)), "{named} {iss:?}");
        }
        // A whole sign-in at a provider that gives itself out for another.
        let mut browser = Browser::default();
        let page = browser.sign_in(&base, "evil", "bob").await;
        let expected = if named == "wrong" { 403 } else { 200 };
        assert_eq!(page.answer.status, expected, "{named}: {}", page.answer.text());
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_after_signing_in() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let base = gateway.base.clone();
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%0d%0aX: y",
    ] {
        let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let mut browser = Browser::default();
        let page = browser
            .sign_in(&base, &format!("generic?next={next}"), "alice")
            .await;
        assert!(
            page.url.starts_with(&base) && !page.url.contains("evil"),
            "{next}: {}",
            page.url
        );
    }
}

#[tokio::test]
async fn a_session_ends_with_the_persons_welcome_and_follows_their_groups() {
    let setup = Setup::new().with(&["--session-check-seconds", "1"]);
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let mut bob = Browser::default();
    bob.sign_in(&gateway.base, "generic", "bob").await;
    let actor = bob.actor(&gateway.base);
    let admin = || async { actor.get("/api/auth/me").await.value().get("is_admin") == Some(&json!(true)) };
    assert!(!admin().await);
    idp.control("groups", json!({"user": "bob", "groups": ["mcp-registry-admin"]}))
        .await;
    until("the new groups count", admin).await;
    // Whatever else a provider answers, and a rotation of its keys, ends nothing …
    for (status, error) in [
        (503, "temporarily_unavailable"),
        (429, "slow_down"),
        (401, "invalid_client"),
        (400, "invalid_request"),
    ] {
        let before = idp.seen("token").await;
        idp.control("down", json!({"token": [status, {"error": error}]}))
            .await;
        until("it was asked", || async { idp.seen("token").await > before }).await;
        assert_eq!(actor.get("/api/auth/me").await.status, 200, "{error}");
    }
    idp.control("rotate", json!({"keep_old": false})).await;
    idp.control("down", json!({"token": null})).await;
    // A lost group ends the tokens that were signed with it.
    let (power, _) = vended(&gateway, &actor).await;
    let me = power.get("/api/auth/me").await.value();
    assert_eq!(me.get("is_admin"), Some(&json!(true)), "{me}");
    idp.control("groups", json!({"user": "bob", "groups": ["mcp-registry-user"]}))
        .await;
    until("the session goes on with the new key", || async {
        !admin().await
    })
    .await;
    assert_eq!(actor.get("/api/auth/me").await.status, 200);
    until("what the group gave is gone", || async {
        power.get("/api/auth/me").await.status == 401
    })
    .await;
    // … its no does, at once and everywhere, and the tokens that were made with it.
    let vended = actor.json("/api/tokens/generate", &json!({})).await.value();
    let token = gateway
        .anonymous()
        .bearer(&text(&vended["tokens"], "access_token"));
    assert_eq!(token.get("/api/auth/me").await.status, 200);
    idp.control("disable", json!({"user": "bob", "disabled": true}))
        .await;
    until("the session has ended", || async {
        actor.get("/api/auth/me").await.status == 401
    })
    .await;
    until("its tokens too", || async {
        token.get("/api/auth/me").await.status == 401
    })
    .await;
    assert!(gateway.log().contains("a session has ended"));
}

#[tokio::test]
async fn a_rotation_of_keys_stops_nobody_from_signing_in() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    Browser::default().sign_in(&gateway.base, "generic", "bob").await;
    idp.control("rotate", json!({"keep_old": false})).await;
    let mut alice = Browser::default();
    let home = alice.sign_in(&gateway.base, "generic", "alice").await;
    assert_eq!(home.answer.status, 200, "{}", home.answer.text());
}

#[tokio::test]
async fn whoever_came_through_a_provider_that_is_gone_is_out() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let mut alice = Browser::default();
    alice.sign_in(&gateway.base, "generic", "alice").await;
    let session = alice.actor(&gateway.base);
    let vended = session.json("/api/tokens/generate", &json!({})).await.value();
    let token = gateway
        .anonymous()
        .bearer(&text(&vended["tokens"], "access_token"));
    assert_eq!(token.get("/api/auth/me").await.status, 200);
    let file = gateway.setup.folder.path().join("auth/oauth2_providers.yml");
    std::fs::write(file, "{}").unwrap();
    for caller in [session, token] {
        until("nobody is known through it", || async {
            caller.get("/api/auth/me").await.status == 401
        })
        .await;
    }
}

#[tokio::test]
async fn a_token_of_somebody_from_a_provider_ends_with_the_session_in_which_it_was_made() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let mut here = Browser::default();
    here.sign_in(&gateway.base, "generic", "bob").await;
    let session = here.actor(&gateway.base);
    // Without a session nobody would ask the provider, so none lives longer than one.
    let wish = json!({"expires_in_hours": 24});
    let body = session.json("/api/tokens/generate", &wish).await.value();
    let seconds = body["tokens"]["expires_in"].as_i64().unwrap();
    assert!((1..=8 * 3600).contains(&seconds), "{body}");
    let token = gateway.anonymous().bearer(&text(&body["tokens"], "access_token"));
    let status = || async { token.get("/api/auth/me").await.status };
    assert_eq!(status().await, 200);

    // Signing in again begins a session that lives as long; signing out of that one leaves nobody to ask.
    assert_eq!(callback_of_signed_in(&mut here, &gateway.base).await, 200);
    assert_eq!(session.get("/api/auth/me").await.status, 401);
    assert_eq!(status().await, 200);
    here.visit("POST", &format!("{}/logout", gateway.base), "").await;
    assert_eq!(status().await, 401);

    // The same by the list of sessions; another that lives longer keeps it.
    let (mut first, mut second) = (Browser::default(), Browser::default());
    first.sign_in(&gateway.base, "generic", "bob").await;
    let (token, _) = vended(&gateway, &first.actor(&gateway.base)).await;
    second.sign_in(&gateway.base, "generic", "bob").await;
    let actor = second.actor(&gateway.base);
    let sessions = actor.get("/api/sessions").await.value();
    let ids: Vec<String> = sessions["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| text(row, "id"))
        .collect();
    let [newer, older] = ids.as_slice() else {
        panic!("{sessions}")
    };
    let admin = gateway.admin();
    for (id, expected) in [(older, 200), (newer, 401)] {
        let ended = admin
            .send("DELETE", &format!("/api/sessions/{id}"), "", Vec::new())
            .await;
        assert_eq!(ended.status, 200, "{}", ended.text());
        assert_eq!(token.get("/api/auth/me").await.status, expected);
    }
    // An account of our own keeps its tokens when it signs out.
    let local = gateway.signed_in().await;
    let (token, _) = vended(&gateway, &local).await;
    local.send("POST", "/logout", "", Vec::new()).await;
    assert_eq!(local.get("/api/auth/me").await.status, 401);
    assert_eq!(token.get("/api/auth/me").await.status, 200);
}

async fn vended(gateway: &Gateway, actor: &Actor) -> (Actor, Value) {
    let body = actor.json("/api/tokens/generate", &json!({})).await.value();
    let tokens = body["tokens"].clone();
    (gateway.anonymous().bearer(&text(&tokens, "access_token")), tokens)
}

#[tokio::test]
async fn what_a_session_made_ends_with_the_groups_the_parent_and_the_password() {
    let policy = "
group_mappings: {mcp-registry-admin: [mcp-registry-admin, power]}
power: [{server: '*', methods: ['*'], tools: ['*']}]
";
    let gateway = Setup::new().with_policy(policy).start();
    let admin = gateway.signed_in().await;
    let (parent, _) = vended(&gateway, &admin).await;
    let scopes = || async { parent.get("/api/auth/me").await.value()["scopes"].clone() };
    assert_eq!(scopes().await, json!(["mcp-registry-admin", "power"]));
    // A scope that the group has lost is in no token any more.
    let document = json!({"scope_name": "power", "group_mappings": []});
    let changed = admin.json("/api/servers/groups/import", &document).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(scopes().await, json!(["mcp-registry-admin"]));
    // A token that was made with a token ends with it.
    let (child, _) = vended(&gateway, &parent).await;
    assert_eq!(child.get("/api/auth/me").await.status, 200);
    let tokens = admin.get("/api/tokens").await.value();
    let id = text(tokens["tokens"].as_array().unwrap().last().unwrap(), "id");
    let gone = admin
        .send("DELETE", &format!("/api/tokens/{id}"), "", Vec::new())
        .await;
    assert_eq!(gone.status, 200);
    for token in [&parent, &child] {
        assert_eq!(token.get("/api/auth/me").await.status, 401);
    }
    // Whoever had the old password has nothing left of it.
    let (token, kept) = vended(&gateway, &admin).await;
    let output = gateway
        .setup
        .command(&["admin", "reset-password"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(token.get("/api/auth/me").await.status, 401);
    let refresh = json!({"grant_type": "refresh_token", "refresh_token": text(&kept, "refresh_token")});
    assert_eq!(
        gateway.anonymous().json("/api/auth/token", &refresh).await.status,
        400
    );
    assert_eq!(admin.get("/api/auth/me").await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_that_is_used_many_times_at_once_leaves_nothing_behind() {
    let gateway = Gateway::new();
    let admin = gateway.signed_in().await;
    for _ in 0..5 {
        let (_, tokens) = vended(&gateway, &admin).await;
        let grant = json!({"grant_type": "refresh_token", "refresh_token": text(&tokens, "refresh_token")});
        let asking = (0..6).map(|_| {
            let (nobody, grant) = (gateway.anonymous(), grant.clone());
            async move { nobody.json("/api/auth/token", &grant).await }
        });
        for answer in futures_util::future::join_all(asking).await {
            if answer.status == 200 {
                let body = answer.value();
                let token = gateway.anonymous().bearer(&text(&body, "access_token"));
                assert_eq!(
                    token.get("/api/auth/me").await.status,
                    401,
                    "its family has ended"
                );
                let grant =
                    json!({"grant_type": "refresh_token", "refresh_token": text(&body, "refresh_token")});
                assert_eq!(
                    gateway.anonymous().json("/api/auth/token", &grant).await.status,
                    400
                );
            }
        }
    }
}

#[tokio::test]
async fn the_same_name_at_two_providers_and_here_is_three_people() {
    let setup = Setup::new();
    let users = json!({"admin": {"password": "admin", "email": "a@example.test", "name": "A", "groups": ["mcp-registry-user"]}});
    let users = users.to_string();
    let one = Idp::imitate("generic", &setup, &[("USERS", &users)]);
    let two = Idp::imitate("keycloak", &setup, &[("USERS", &users)]);
    let yaml = format!(
        "{}\nkeycloak: {{issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
        generic(&one),
        two.issuer()
    );
    let gateway = setup.with_providers(&yaml).start();
    let local = gateway.signed_in().await;
    let (mut first, mut second) = (Browser::default(), Browser::default());
    first.sign_in(&gateway.base, "generic", "admin").await;
    second.sign_in(&gateway.base, "keycloak", "admin").await;
    let people = [local, first.actor(&gateway.base), second.actor(&gateway.base)];
    for person in &people {
        let vended = person.json("/api/tokens/generate", &json!({})).await;
        assert_eq!(vended.status, 200, "{}", vended.text());
    }
    for (person, account) in people.iter().zip(["admin", "generic:admin", "keycloak:admin"]) {
        let tokens = person.get("/api/tokens").await.value();
        let rows = tokens.get("tokens").and_then(Value::as_array).unwrap();
        assert_eq!(rows.len(), 1, "{tokens}");
        assert_eq!(text(rows.first().unwrap(), "username"), account);
        let sessions = person.get("/api/sessions").await.value();
        assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");
    }
    // None of them is shown what another may do, under a name that is only half of theirs.
    let [local, first, second] = &people;
    for (person, user, status) in [
        (second, "admin", 403),
        (second, "generic:admin", 403),
        (second, "keycloak:admin", 200),
        (first, "generic:admin", 200),
        (local, "admin", 200),
    ] {
        let asked = person
            .get(&format!("/api/access/explain?server=/x&user={user}"))
            .await;
        assert_eq!(asked.status, status, "{user}: {}", asked.text());
    }
    // An administrator from a provider who asks about the local account of the same name hears of that account.
    one.control(
        "groups",
        json!({"user": "admin", "groups": ["mcp-registry-admin", "power"]}),
    )
    .await;
    let mut powerful = Browser::default();
    powerful.sign_in(&gateway.base, "generic", "admin").await;
    let asked = powerful
        .actor(&gateway.base)
        .get("/api/access/explain?server=/x&user=admin")
        .await
        .value();
    assert_eq!(
        (&asked["local_account"], &asked["groups"]),
        (&json!(true), &json!(["mcp-registry-admin"])),
        "{asked}"
    );
    // None of them can end another's.
    let id = text(&first.get("/api/tokens").await.value()["tokens"][0], "id");
    let answer = second
        .send("DELETE", &format!("/api/tokens/{id}"), "", Vec::new())
        .await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_saved_file_of_providers_counts_and_a_broken_one_changes_nothing() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[("DEFAULT_RESOURCE", "web")]);
    let gateway = setup.with_providers("").start();
    let file = gateway.setup.folder.path().join("auth/oauth2_providers.yml");
    let token = idp.token(json!({"user": "bob"})).await;
    let caller = gateway.anonymous().bearer(&token);
    assert_eq!(caller.get("/api/auth/me").await.status, 401);
    std::fs::write(&file, generic(&idp)).unwrap();
    until("the provider counts", || async {
        caller.get("/api/auth/me").await.status == 200
    })
    .await;
    std::fs::write(&file, "generic: {issuer: 7}").unwrap();
    until("the log says so", || async {
        gateway.log().contains("the old identity providers stay")
    })
    .await;
    assert_eq!(caller.get("/api/auth/me").await.status, 200);
    std::fs::write(&file, "{}").unwrap();
    until("the provider is gone", || async {
        caller.get("/api/auth/me").await.status == 401
    })
    .await;
}

/// Every route of the public router that changes something, read from its text so that no new one can be forgotten.
fn changing_routes() -> Vec<(&'static str, String)> {
    let source = |file: &str| {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/web")
            .join(file);
        std::fs::read_to_string(file).unwrap()
    };
    let links = source("links.rs");
    let path_of = |name: &str| {
        let line = links.split(&format!("pub const {name}: &str = \"")).nth(1);
        line.unwrap_or_else(|| panic!("{name}"))
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let router = source("mod.rs");
    let router = router.split("pub fn registry(").nth(1).unwrap();
    let router = router.split("\n}\n").next().unwrap();
    let mut found = Vec::new();
    for route in router.split(".route(").skip(1) {
        let name: String = route
            .trim_start()
            .trim_start_matches("links::")
            .chars()
            .take_while(|c| *c != ',')
            .collect();
        let path = path_of(&name)
            .replace("{*path}", "x")
            .replace("{*name}", "x/enable");
        let path = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        for (word, method) in [
            ("post(", "POST"),
            ("put(", "PUT"),
            ("patch(", "PATCH"),
            ("delete(", "DELETE"),
        ] {
            if route
                .split(|c: char| c == '.' || c.is_whitespace())
                .any(|piece| piece.starts_with(word))
            {
                found.push((method, path.clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn changes_by_a_cookie_from_another_site_are_refused_on_every_route() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let gateway = setup.with_providers(&generic(&idp)).start();
    let mut alice = Browser::default();
    alice.sign_in(&gateway.base, "generic", "alice").await;
    let routes = changing_routes();
    // The reading of the router is itself seen to work.
    for known in [
        "/api/refresh/x",
        "/api/catalog/x",
        "/api/auth/login",
        "/api/tokens/x",
    ] {
        assert!(
            routes.iter().any(|(_, path)| path == known),
            "{known}: {routes:?}"
        );
    }
    assert!(routes.len() >= 24, "{routes:?}");
    // The first two look at no cookie: whoever asks brings a secret of their own. The third changes nothing, and another
    // site cannot read its answer.
    let harmless = ["/api/auth/token", "/api/auth/device", "/api/search/semantic"];
    for (method, path) in &routes {
        if harmless.contains(&path.as_str()) {
            continue;
        }
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ] {
            let actor = alice.actor(&gateway.base).with(name, value);
            let answer = actor.send(method, path, "application/json", b"{}".to_vec()).await;
            assert_eq!(answer.status, 403, "{method} {path} {name}: {}", answer.text());
        }
    }
    assert_eq!(alice.actor(&gateway.base).get("/api/auth/me").await.status, 200);
}
