//! Real identity providers of other makers: Keycloak, and Canaille as an unrelated second judge.

use std::process::Command;

use base64::Engine;
use serde_json::{Value, json};

use crate::harness::identity::{Browser, Idp, part, text, walk};
use crate::harness::{Actor, Answer, Gateway, Setup, Upstream, free_port, tools, until};

/// Keycloak, and somebody who may administer its realm.
struct Keycloak(Idp);

impl Keycloak {
    fn start(port: u16) -> Self {
        let mut command = Command::new(part("keycloak"));
        command.arg(tools().join("keycloak")).arg(port.to_string());
        Self(Idp::start(command))
    }

    async fn machine(&self, client: &str) -> String {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={client}-secret");
        let answer = Actor::new(&self.0.origin())
            .form("/realms/mcp/protocol/openid-connect/token", &form)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.value(), "access_token")
    }

    /// One call of its admin API. The token is fetched anew: removing a key takes older ones with it.
    async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        let caller = Actor::new(&self.0.origin()).bearer(&self.machine("admin-api").await);
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let answer = caller
            .send(
                method,
                &format!("/admin/realms/mcp{path}"),
                "application/json",
                body,
            )
            .await;
        assert!(
            matches!(answer.status, 200..=204),
            "{method} {path}: {} {}",
            answer.status,
            answer.text()
        );
        answer
    }

    /// Sign with a new key; the old ones stay published.
    async fn rotate(&self) {
        let realm = text(&self.admin("GET", "", Value::Null).await.value(), "id");
        let component = json!({
            "name": "rsa-next", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": realm,
            "config": {"priority": ["300"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"], "keySize": ["2048"]},
        });
        self.admin("POST", "/components", component).await;
    }

    async fn disable(&self, user: &str) {
        let users = self
            .admin("GET", &format!("/users?username={user}&exact=true"), Value::Null)
            .await
            .value();
        let id = text(users.get(0).unwrap(), "id");
        self.admin("PUT", &format!("/users/{id}"), json!({"enabled": false}))
            .await;
    }
}

fn list() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
}

/// The shipped declarations and scopes, with nothing but variables set.
fn gateway(keycloak: u16) -> Setup {
    Setup::new()
        .with(&["--session-check-seconds", "1"])
        .with_variable("KEYCLOAK_ENABLED", "true")
        .with_variable("KEYCLOAK_URL", &format!("http://127.0.0.1:{keycloak}"))
        .with_variable("KEYCLOAK_REALM", "mcp")
        .with_variable("KEYCLOAK_CLIENT_ID", "web")
        .with_variable("KEYCLOAK_CLIENT_SECRET", "web-secret")
}

#[tokio::test]
async fn a_real_keycloak_brings_its_people_its_machines_and_its_groups() {
    let port = free_port();
    let keycloak = Keycloak::start(port);
    let upstream = Upstream::new().await;
    let gateway = gateway(port).start();
    for path in ["/currenttime", "/realserverfaketools", "/fininfo"] {
        gateway.register(path, &upstream.url).await;
    }
    bots_call_what_their_line_of_business_may(&gateway, &keycloak).await;
    a_person_signs_in_and_out_in_a_browser(&gateway);
    keys_are_rotated_without_a_restart(&gateway, &keycloak).await;
    a_disabled_person_is_out(&gateway, &keycloak).await;
    assert!(!gateway.log().contains("-secret"));
}

/// The access tests 1 to 6 of the product's document: each bot at a server that it may call, and at one that it may not.
async fn bots_call_what_their_line_of_business_may(gateway: &Gateway, keycloak: &Keycloak) {
    for (bot, server, status) in [
        ("admin-bot", "realserverfaketools", 200),
        ("admin-bot", "currenttime", 200),
        ("lob1-bot", "currenttime", 200),
        ("lob1-bot", "realserverfaketools", 403),
        ("lob2-bot", "realserverfaketools", 200),
        ("lob2-bot", "currenttime", 403),
        ("lob2-bot", "fininfo", 200),
    ] {
        let token = keycloak.machine(bot).await;
        for header in ["authorization", "x-authorization"] {
            let caller = gateway.anonymous().with(header, &format!("Bearer {token}"));
            let answer = caller.mcp(&format!("/{server}/mcp"), &list()).await;
            assert_eq!(answer.status, status, "{bot} at {server}: {}", answer.text());
        }
        let me = gateway
            .anonymous()
            .bearer(&token)
            .get("/api/auth/me")
            .await
            .value();
        assert_eq!(text(&me, "username"), format!("service-account-{bot}"));
        assert_eq!(me.get("is_admin"), Some(&json!(bot == "admin-bot")), "{me}");
    }
    // The same token by way of us.
    let form = "grant_type=client_credentials&client_id=lob1-bot&client_secret=lob1-bot-secret";
    let answer = gateway.anonymous().form("/api/auth/token", form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let caller = gateway.anonymous().bearer(&text(&answer.value(), "access_token"));
    assert_eq!(caller.mcp("/currenttime/mcp", &list()).await.status, 200);
}

fn a_person_signs_in_and_out_in_a_browser(gateway: &Gateway) {
    let seen = walk(&json!({
        "gateway": gateway.base, "provider": "Keycloak", "username": "alice", "password": "alice",
        "wrong": true, "logout": "keycloak",
    }));
    assert_eq!(seen["status"], 200, "{seen}");
    let session = seen["cookies"]
        .as_array()
        .unwrap()
        .iter()
        .find(|cookie| cookie["name"] == "mcp_gateway_session");
    let session = session.unwrap_or_else(|| panic!("{seen}"));
    assert_eq!(
        (&session["httpOnly"], &session["sameSite"]),
        (&json!(true), &json!("Lax"))
    );
    // Signed out there too: the provider asks for the password again.
    assert_eq!(seen["logout"]["asked_again"], true, "{seen}");
    assert!(
        text(&seen["logout"], "url").starts_with(&format!("{}/login", gateway.base)),
        "{seen}"
    );
}

async fn keys_are_rotated_without_a_restart(gateway: &Gateway, keycloak: &Keycloak) {
    let me = |token: String| {
        let caller = gateway.anonymous().bearer(&token);
        async move { caller.get("/api/auth/me").await.status }
    };
    let old = keycloak.machine("lob1-bot").await;
    keycloak.rotate().await;
    let new = keycloak.machine("lob1-bot").await;
    let key_of = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(key_of(&old), key_of(&new));
    until("the new key counts", || async { me(new.clone()).await == 200 }).await;
    assert_eq!(me(old).await, 200, "the old key is still published");
}

async fn a_disabled_person_is_out(gateway: &Gateway, keycloak: &Keycloak) {
    let mut bob = Browser::default();
    let home = bob.sign_in(&gateway.base, "keycloak", "bob").await;
    assert_eq!(home.answer.status, 200, "{}", home.url);
    let actor = bob.actor(&gateway.base);
    let me = actor.get("/api/auth/me").await.value();
    assert_eq!(me.get("groups"), Some(&json!(["mcp-registry-user"])), "{me}");
    keycloak.disable("bob").await;
    until("the session has ended", || async {
        actor.get("/api/auth/me").await.status == 401
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_was_never_heard_of_works_by_discovery_alone() {
    let setup = Setup::new();
    let port = free_port();
    let mut command = Command::new(part("canaille"));
    command.arg(tools().join("canaille")).arg(port.to_string());
    command.arg(format!("{}/auth/callback", setup.base()));
    command.arg(format!("{}/login", setup.base()));
    let canaille = Idp::start(command);
    let [issuer, client, secret] = canaille.ready.as_slice() else {
        panic!("{:?}", canaille.ready)
    };
    let yaml = format!(
        "canaille: {{display_name: Canaille, issuer: '{issuer}', client_id: {client}, client_secret: {secret},
         scopes: [openid, profile, email, groups], username_claim: sub}}"
    );
    let gateway = setup.with_providers(&yaml).start();
    let seen = walk(&json!({
        "gateway": gateway.base, "provider": "Canaille", "username": "ada", "password": "ada-password",
    }));
    assert_eq!(seen["status"], 200, "{seen}");
    let sessions = gateway.admin().get("/api/sessions?user=*").await.value();
    assert_eq!(
        text(&sessions["sessions"][0], "username"),
        "canaille:ada",
        "{sessions}"
    );
    // Its machines get opaque tokens, which say nothing here.
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("{client}:{secret}"));
    let document = Actor::new(issuer)
        .get("/.well-known/openid-configuration")
        .await
        .value();
    let endpoint = text(&document, "token_endpoint");
    let machine = Actor::new(issuer).with("authorization", &format!("Basic {basic}"));
    let path = endpoint.strip_prefix(issuer.as_str()).unwrap();
    let granted = machine.form(path, "grant_type=client_credentials").await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let opaque = gateway
        .anonymous()
        .bearer(&text(&granted.value(), "access_token"));
    assert_eq!(opaque.get("/api/auth/me").await.status, 401);
}
