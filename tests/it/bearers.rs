//! Access tokens of identity providers at both doors: whose they are, and why others are refused.

use serde_json::{Value, json};

use crate::harness::identity::{Idp, M2M_SECRET, WEB_SECRET, text};
use crate::harness::{Actor, Gateway, Setup, Upstream, request, until};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// A provider of each shape, and the file that declares them.
pub struct Cast {
    pub keycloak: Idp,
    pub cognito: Idp,
    pub entra: Idp,
    pub entra_v1: Idp,
    pub generic: Idp,
}

impl Cast {
    pub fn start(setup: &Setup) -> Self {
        let many: Vec<String> = (0..201).map(|n| format!("group-{n}")).collect();
        let many =
            json!({"carol": {"password": "carol", "email": "c@example.test", "name": "C", "groups": many}});
        let users = many.to_string();
        let idp = |profile, variables: &[(&str, &str)]| Idp::imitate(profile, setup, variables);
        Self {
            keycloak: idp("keycloak", &[]),
            cognito: idp("cognito", &[]),
            entra: idp("entra", &[("DEFAULT_RESOURCE", "web"), ("USERS", &users)]),
            entra_v1: idp("entra", &[("DEFAULT_RESOURCE", "api://web"), ("ENTRA_V1", "1")]),
            generic: idp("generic", &[("DEFAULT_RESOURCE", "web")]),
        }
    }

    pub fn yaml(&self) -> String {
        let keycloak = self.keycloak.issuer();
        let (cognito, entra) = (self.cognito.issuer(), self.entra.issuer());
        let (first, graph) = (self.entra_v1.issuer(), self.entra.origin());
        let client = format!("client_id: web, client_secret: {WEB_SECRET}");
        format!(
            "
keycloak: {{auth_url: '{keycloak}/protocol/openid-connect/auth', {client}, audiences: [urn:gateway],
  client_groups: {{ci: [mcp-registry-admin]}}}}
cognito: {{issuer: '{cognito}', auth_url: '{cognito}/oauth2/authorize', token_url: '{cognito}/oauth2/token',
  logout_url: '{cognito}/logout', {client}, client_groups: {{m2m: [mcp-registry-user]}}, resource_servers: [gateway]}}
entra_id: {{issuer: '{entra}', auth_url: '{entra}/oauth2/v2.0/authorize', token_url: '{entra}/oauth2/v2.0/token',
  jwks_url: '{entra}/discovery/v2.0/keys', graph_url: '{graph}/v1.0', tenant_id: none, {client}}}
entra-v1: {{type: entra_id, issuer: '{first}', auth_url: '{first}/oauth2/v2.0/authorize',
  jwks_url: '{first}/discovery/v2.0/keys', tenant_id: {TENANT}, {client}}}
generic: {{issuer: '{}', {client}}}
",
            self.generic.issuer()
        )
    }
}

/// Every group of the imitations may do what is asked here; Entra's are known by their ids.
async fn policy(cast: &Cast) -> String {
    let people = Actor::new(&cast.entra.origin())
        .get("/_test/people")
        .await
        .value();
    let id = |who: &str, index: usize| {
        let ids = people.get(who).and_then(|row| row.get("group_ids")).unwrap();
        ids.get(index).and_then(Value::as_str).unwrap().to_owned()
    };
    format!(
        "
group_mappings:
  mcp-registry-admin: [mcp-registry-admin]
  mcp-registry-user: [users]
  gateway-caller: [users]
  '{}': [users]
  '{}': [users]
users: [{{server: '*', methods: ['*'], tools: ['*']}}]
",
        id("bob", 0),
        id("carol", 200)
    )
}

fn tool_call() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {}}})
}

async fn start(cast: &Cast, setup: Setup, upstream: &Upstream) -> Gateway {
    let policy = policy(cast).await;
    let gateway = setup.with_policy(&policy).with_providers(&cast.yaml()).start();
    gateway.register("/w", &upstream.url).await;
    gateway
}

#[tokio::test]
async fn people_and_machines_of_every_provider_pass_both_doors_under_their_own_names() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let (bob, machine, carol) = (
        json!({"user": "bob"}),
        json!({"user": null}),
        json!({"user": "carol"}),
    );
    // What an application is given at Entra: a role, which has a group's name here.
    for entra in [&cast.entra, &cast.entra_v1] {
        entra
            .control("groups", json!({"user": "m2m", "groups": ["gateway-caller"]}))
            .await;
    }
    // Without the optional claim that says so, it is known as one by what it lacks.
    let unsaid = json!({"user": null, "like": {"user": null}, "claims": {"idtyp": null}});
    let rows: [(&Idp, &Value, &str, &str, &str, &str); 11] = [
        (&cast.keycloak, &bob, "bob", "web", "keycloak", "keycloak"),
        (&cast.cognito, &bob, "bob", "web", "cognito", "cognito"),
        (&cast.entra, &bob, "bob@example.test", "web", "entra", "entra_id"),
        (
            &cast.entra_v1,
            &bob,
            "bob@example.test",
            "web",
            "entra",
            "entra-v1",
        ),
        (&cast.generic, &bob, "bob", "web", "oidc", "generic"),
        // More groups than fit into a token: Microsoft Graph is asked.
        (
            &cast.entra,
            &carol,
            "carol@example.test",
            "web",
            "entra",
            "entra_id",
        ),
        (
            &cast.keycloak,
            &machine,
            "service-account-m2m",
            "m2m",
            "keycloak",
            "keycloak",
        ),
        (&cast.cognito, &machine, "", "m2m", "cognito", "cognito"),
        (&cast.entra, &machine, "", "m2m", "entra", "entra_id"),
        (&cast.entra_v1, &machine, "", "m2m", "entra", "entra-v1"),
        (&cast.entra, &unsaid, "", "m2m", "entra", "entra_id"),
    ];
    for (idp, wish, username, client, method, provider) in rows {
        let token = if wish == &unsaid {
            idp.mint(wish.clone()).await
        } else {
            idp.token(wish.clone()).await
        };
        let me = gateway.anonymous().bearer(&token).get("/api/auth/me").await;
        assert_eq!(me.status, 200, "{provider} {wish}: {}", me.text());
        let me = me.value();
        assert_eq!(
            [
                text(&me, "username"),
                text(&me, "auth_method"),
                text(&me, "provider")
            ],
            [username, method, provider],
            "{me}"
        );
        if method == "entra" && username.is_empty() {
            assert_eq!(me["groups"], json!(["gateway-caller"]), "{me}");
        }
        // Keycloak's machine is an administrator, which is no right to call; Cognito's has the groups that the file says.
        for header in ["authorization", "x-authorization"] {
            let caller = gateway.anonymous().with(header, &format!("Bearer {token}"));
            let answer = caller.mcp("/w/mcp", &tool_call()).await;
            let expected = if username == "service-account-m2m" {
                403
            } else {
                200
            };
            assert_eq!(answer.status, expected, "{provider} {wish}: {}", answer.text());
            for got in upstream.take() {
                assert_eq!(
                    (got.header("x-user"), got.header("x-client-id")),
                    (username, client)
                );
                assert_eq!(
                    (got.header("x-auth-method"), got.header("authorization")),
                    (method, "")
                );
            }
        }
    }
    assert_eq!(cast.entra.seen("graph").await, 1, "asked once for a token");
    // Somebody else's unknown key makes nobody's token be verified again.
    let carol = cast.entra.token(carol).await;
    for _ in 0..2 {
        assert_eq!(
            gateway
                .anonymous()
                .bearer(&carol)
                .get("/api/auth/me")
                .await
                .status,
            200
        );
        let forged = cast
            .keycloak
            .mint(json!({"header": {"kid": "nope"}, "key": "foreign"}))
            .await;
        assert_eq!(
            gateway
                .anonymous()
                .bearer(&forged)
                .get("/api/auth/me")
                .await
                .status,
            401
        );
    }
    assert_eq!(cast.entra.seen("graph").await, 2);
    // While Graph is away it is not asked for each of them, and asked again after a while.
    cast.entra.control("down", json!({"graph": true})).await;
    let carol = || async { cast.entra.token(json!({"user": "carol"})).await };
    let status = |token: String| {
        let caller = gateway.anonymous().bearer(&token);
        async move { caller.get("/api/auth/me").await.status }
    };
    for n in 0..5 {
        // Another number makes another token.
        let token = cast.entra.token(json!({"user": "carol", "ttl": 300 + n})).await;
        assert_eq!(status(token).await, 503);
    }
    assert_eq!(cast.entra.seen("graph").await, 3);
    cast.entra.control("down", json!({"graph": false})).await;
    let token = carol().await;
    until("Graph is asked again", || async {
        status(token.clone()).await == 200
    })
    .await;
}

#[tokio::test]
async fn nobody_names_themselves_into_what_is_a_machines_or_another_servers() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let me = |token: String| {
        let caller = gateway.anonymous().bearer(&token);
        async move { caller.get("/api/auth/me").await.value() }
    };
    // Another resource server's scope is not ours because it ends like it.
    let machine = |scope: &str| json!({"like": {"user": null}, "claims": {"scope": scope, "client_id": "other", "sub": "other"}});
    for (scope, users) in [("billing/users", false), ("gateway/users", true), ("users", true)] {
        let token = text(&cast.cognito.control("mint", machine(scope)).await, "token");
        let who = me(token).await;
        let has = who["scopes"].as_array().unwrap().contains(&json!("users"));
        assert_eq!(has, users, "{scope}: {who}");
    }
    // A machine of a person's name is not that person, and nobody is called like everybody.
    let claims = json!({"sub": "bob", "client_id": "bob", "preferred_username": null});
    let machine = cast.generic.mint(json!({ "claims": claims })).await;
    assert_eq!(text(&me(machine.clone()).await, "username"), "");
    // Nor is what it makes: neither sees or ends what is the other's.
    let machine = gateway.anonymous().bearer(&machine);
    let bob = gateway
        .anonymous()
        .bearer(&cast.generic.token(json!({"user": "bob"})).await);
    let admin = gateway.admin();
    let vended = |who: Actor| {
        let gateway = &gateway;
        async move {
            let body = who.json("/api/tokens/generate", &json!({})).await.value();
            gateway.anonymous().bearer(&text(&body["tokens"], "access_token"))
        }
    };
    let (by_machine, by_bob) = (vended(machine.clone()).await, vended(bob.clone()).await);
    let who = by_machine.get("/api/auth/me").await.value();
    assert_eq!(
        (text(&who, "username"), text(&who, "provider")),
        (String::new(), "generic".to_owned())
    );
    for (callers, account) in [
        ([&machine, &by_machine], "generic:client:bob"),
        ([&bob, &by_bob], "generic:bob"),
    ] {
        for caller in callers {
            let tokens = caller.get("/api/tokens").await.value();
            let owners: Vec<String> = tokens["tokens"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| text(row, "username"))
                .collect();
            assert_eq!(owners, [account], "{tokens}");
        }
    }
    let tokens = admin.get("/api/tokens?user=generic:bob").await.value();
    let id = text(&tokens["tokens"][0], "id");
    let ended = by_machine
        .send("DELETE", &format!("/api/tokens/{id}"), "", Vec::new())
        .await;
    assert_eq!(ended.status, 404, "{}", ended.text());
    for name in ["*", "a:b", "a b"] {
        let wish = json!({"name": name, "groups": ["x"]});
        let made = admin.json("/api/management/iam/users/m2m", &wish).await;
        assert_eq!(made.status, 422, "{name}: {}", made.text());
    }
    // An address of mail that nobody has looked at is nobody's name.
    let claims = json!({"preferred_username": null, "email": "root", "email_verified": false});
    let unverified = me(cast.generic.mint(json!({ "claims": claims })).await).await;
    assert_ne!(text(&unverified, "username"), "root");
    // A person who is called like a service account gets nothing that the file keeps for one.
    let claims = json!({"preferred_username": "service-account-ci", "azp": "ci", "groups": []});
    let person = me(cast.keycloak.mint(json!({ "claims": claims })).await).await;
    assert_eq!(person.get("groups"), Some(&json!([])), "{person}");
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused_with_its_reason_in_the_log_and_nothing_of_itself() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let keycloak = &cast.keycloak;
    let now = keycloak.control("token", json!({"user": "bob"})).await;
    let good = text(&now, "token");
    assert_eq!(
        gateway.anonymous().bearer(&good).get("/api/auth/me").await.status,
        200
    );
    let signature = good.rsplit('.').next().unwrap();
    let flipped = good.replace(signature, &signature.chars().rev().collect::<String>());
    let rows = [
        (
            keycloak.mint(json!({"key": "none"})).await,
            "a token without a signature",
        ),
        (
            keycloak.mint(json!({"key": "hs256-with-public-key"})).await,
            "algorithm",
        ),
        (keycloak.mint(json!({"key": "foreign"})).await, "key"),
        (
            keycloak.mint(json!({"header": {"kid": "nope"}})).await,
            "an unknown key",
        ),
        (flipped, "a wrong signature"),
        (
            keycloak
                .mint(json!({"claims": {"iss": "https://evil.example"}}))
                .await,
            "another issuer",
        ),
        (
            keycloak
                .mint(json!({"claims": {"iss": cast.generic.issuer()}}))
                .await,
            "key",
        ),
        (
            keycloak.mint(json!({"claims": {"iss": null}})).await,
            "without an issuer",
        ),
        (
            keycloak.mint(json!({"claims": {"aud": "somebody-else"}})).await,
            "another audience",
        ),
        (
            keycloak.mint(json!({"claims": {"aud": []}})).await,
            "another audience",
        ),
        (
            keycloak.mint(json!({"claims": {"aud": null}})).await,
            "another audience",
        ),
        (
            keycloak.token(json!({"user": "bob", "ttl": -60})).await,
            "an expired token",
        ),
        (
            keycloak.mint(json!({"claims": {"exp": null}})).await,
            "without an end",
        ),
        (
            keycloak.mint(json!({"claims": {"nbf": 4_000_000_000_i64}})).await,
            "not valid yet",
        ),
        (
            keycloak.mint(json!({"claims": {"iat": 4_000_000_000_i64}})).await,
            "not valid yet",
        ),
        (
            keycloak.token(json!({"user": "bob", "kind": "id"})).await,
            "an ID token",
        ),
        (
            cast.cognito.token(json!({"user": "bob", "kind": "id"})).await,
            "ID token",
        ),
        (
            cast.entra.token(json!({"user": "bob", "kind": "id"})).await,
            "ID token",
        ),
        (
            cast.cognito
                .mint(json!({"claims": {"client_id": "another-app"}}))
                .await,
            "another audience",
        ),
        (
            keycloak
                .mint(json!({"claims": {"preferred_username": null}}))
                .await,
            "the user's name",
        ),
        (
            keycloak
                .mint(json!({"claims": {"preferred_username": "a\r\nx-user: b"}}))
                .await,
            "a user name",
        ),
        // A generic provider has no word for the kind: what ID tokens and sign-out messages have, and access tokens lack.
        (
            cast.generic.token(json!({"user": "bob", "kind": "id"})).await,
            "an ID token",
        ),
        (
            cast.generic
                .mint(json!({"claims": {"aud": "web", "events": {}}, "header": {"typ": "JWT"}}))
                .await,
            "an ID token",
        ),
        (
            keycloak.mint(json!({"claims": {"cnf": {"jkt": "x"}}})).await,
            "bound to a key",
        ),
        (
            keycloak
                .mint(json!({"header": {"crit": ["b64"], "b64": false}}))
                .await,
            "critical header",
        ),
        ("opaque-token-of-somebody".to_owned(), "a token that is no JWT"),
    ];
    for (token, reason) in &rows {
        let before = gateway.log().len();
        let answer = gateway
            .anonymous()
            .bearer(token)
            .mcp("/w/mcp", &tool_call())
            .await;
        assert_eq!(answer.status, 401, "{reason}: {}", answer.text());
        until(reason, || async { gateway.log().len() > before }).await;
        let said = gateway.log().get(before..).unwrap().to_owned();
        assert!(
            said.contains("a credential was refused") && said.contains(reason),
            "{reason}: {said}"
        );
        // At the other door, and word for word the same to the caller.
        let other = gateway.anonymous().bearer(token).get("/api/auth/me").await;
        assert_eq!((other.status, answer.text().contains(reason)), (401, false));
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(
                !gateway.log().contains(part),
                "{reason}: a part of the token is in the log"
            );
        }
    }
    assert!(upstream.take().is_empty());
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute_and_no_more() {
    let setup = Setup::new();
    let idp = Idp::imitate("keycloak", &setup, &[]);
    let yaml = format!("keycloak: {{issuer: '{}', client_id: web}}", idp.issuer());
    let gateway = setup.with_providers(&yaml).start();
    for (ttl, expected) in [(-10, 200), (-45, 401)] {
        let token = idp.token(json!({"user": "bob", "ttl": ttl})).await;
        let answer = gateway.anonymous().bearer(&token).get("/api/auth/me").await;
        assert_eq!(answer.status, expected, "{ttl}: {}", answer.text());
    }
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for claim in ["nbf", "iat"] {
        for (ahead, expected) in [(10, 200), (45, 401)] {
            let token = idp.mint(json!({"claims": {claim: now + ahead}})).await;
            let answer = gateway.anonymous().bearer(&token).get("/api/auth/me").await;
            assert_eq!(answer.status, expected, "{claim} +{ahead}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn claims_and_the_discovery_document_are_where_the_file_says() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[("DEFAULT_RESOURCE", "web")]);
    let (issuer, upstream) = (idp.issuer().to_owned(), Upstream::new().await);
    let policy = "group_mappings: {crew: [users]}\nusers: [{server: '*', methods: ['*'], tools: ['*']}]";
    // The second's document is the first's, and says so: it could lend us its keys.
    let yaml = format!(
        "generic: {{issuer: '{issuer}', client_id: web, discovery_url: '{issuer}/elsewhere', username_claim: login,
  groups_claim: teams, client_claim: app}}
other: {{issuer: 'https://login.example', client_id: web, discovery_url: '{issuer}/elsewhere'}}"
    );
    let gateway = setup.with_policy(policy).with_providers(&yaml).start();
    gateway.register("/w", &upstream.url).await;
    let claims =
        json!({"login": "bobby", "teams": ["crew"], "groups": ["mcp-registry-admin"], "app": "tool"});
    let caller = gateway
        .anonymous()
        .bearer(&idp.mint(json!({ "claims": claims })).await);
    let answer = caller.mcp("/w/mcp", &tool_call()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let got = upstream.take();
    let got = got.first().unwrap();
    assert_eq!(
        (got.header("x-user"), got.header("x-client-id")),
        ("bobby", "tool")
    );
    let me = caller.get("/api/auth/me").await.value();
    assert_eq!(
        (&me["groups"], &me["is_admin"]),
        (&json!(["crew"]), &json!(false))
    );
    assert_eq!(idp.seen("discovery").await, 0, "not where it usually is");

    let other = idp
        .mint(json!({"claims": {"iss": "https://login.example"}}))
        .await;
    let refused = gateway.anonymous().bearer(&other).get("/api/auth/me").await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    let sign_in = gateway.anonymous().get("/auth/other").await;
    assert_eq!(sign_in.status, 503, "{}", sign_in.text());
    assert!(gateway.log().contains("names another issuer"));
}

#[tokio::test]
async fn rotated_keys_are_picked_up_unknown_ones_hammer_nobody_and_known_ones_outlive_the_provider() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[("DEFAULT_RESOURCE", "web")]);
    let yaml = format!("generic: {{issuer: '{}', client_id: web}}", idp.issuer());
    let gateway = setup.with_providers(&yaml).start();
    let status = |token: String| {
        let caller = gateway.anonymous().bearer(&token);
        async move { caller.get("/api/auth/me").await.status }
    };
    let old = idp.token(json!({"user": "bob"})).await;
    assert_eq!(status(old.clone()).await, 200);
    assert_eq!(idp.seen("jwks").await, 1);
    // Twenty unknown keys are one question at most.
    for n in 0..20 {
        let forged = idp
            .mint(json!({"header": {"kid": format!("k{n}")}, "key": "foreign"}))
            .await;
        assert_eq!(status(forged).await, 401);
    }
    assert!(idp.seen("jwks").await <= 2, "{}", idp.seen("jwks").await);
    // Known keys go on while the provider is away; what was never seen before too.
    idp.control("down", json!({"jwks": true})).await;
    let other = idp.token(json!({"user": "alice"})).await;
    assert_eq!((status(old.clone()).await, status(other).await), (200, 200));
    idp.control("down", json!({"jwks": false})).await;
    // A rotation is noticed by itself; with it the old key has gone.
    idp.control("rotate", json!({"keep_old": false})).await;
    let new = idp.token(json!({"user": "bob"})).await;
    until("the new key counts", || async {
        status(new.clone()).await == 200
    })
    .await;
    assert_ne!(status(old).await, 200);
}

#[tokio::test]
async fn forged_tokens_make_us_ask_a_slow_provider_once_and_hold_up_nobody_who_is_known() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[("DEFAULT_RESOURCE", "web")]);
    let yaml = format!("generic: {{issuer: '{}', client_id: web}}", idp.issuer());
    // Before anything is known of it, and so slowly that all come while the first is under way.
    idp.control("slow", json!({"discovery_ms": 3000})).await;
    let gateway = setup.with_providers(&yaml).start();
    let forged = |n: usize| {
        let wish = json!({"header": {"kid": format!("k{n}")}, "key": "foreign"});
        let (idp, gateway) = (&idp, &gateway);
        async move {
            let token = idp.mint(wish).await;
            gateway
                .anonymous()
                .bearer(&token)
                .get("/api/auth/me")
                .await
                .status
        }
    };
    let answers = futures_util::future::join_all((0..50).map(forged)).await;
    assert!(answers.iter().all(|status| *status != 200), "{answers:?}");
    assert!(
        idp.seen("discovery").await <= 1,
        "{}",
        idp.seen("discovery").await
    );

    // Once its keys are known, whoever has one waits for nothing that the provider still owes others.
    let good = idp.token(json!({"user": "bob"})).await;
    let status = |token: String| {
        let caller = gateway.anonymous().bearer(&token);
        async move { caller.get("/api/auth/me").await.status }
    };
    until("the keys are known", || async {
        status(good.clone()).await == 200
    })
    .await;
    let alice = idp.token(json!({"user": "alice"})).await;
    let forged = idp.mint(json!({"header": {"kid": "k"}, "key": "foreign"})).await;
    idp.control("slow", json!({"discovery_ms": 9000, "jwks_ms": 9000}))
        .await;
    let forged = futures_util::future::join_all((0..20).map(|_| status(forged.clone())));
    let known = async {
        let begun = std::time::Instant::now();
        (status(alice).await, begun.elapsed())
    };
    let (_, (known, took)) = futures_util::future::join(forged, known).await;
    assert_eq!(known, 200);
    assert!(took < std::time::Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_token_for_one_server_opens_that_server_and_nothing_else() {
    let setup = Setup::new();
    let idp = Idp::imitate("generic", &setup, &[]);
    let yaml = format!("generic: {{issuer: '{}', client_id: web}}", idp.issuer());
    let base = setup.base();
    let upstream = Upstream::new().await;
    let gateway = setup.with_providers(&yaml).start();
    for path in ["/w", "/weather"] {
        gateway.register(path, &upstream.url).await;
    }
    let bound = |aud: Value| {
        let wish = json!({"like": {"user": "alice"}, "claims": {"aud": aud}});
        let idp = &idp;
        async move { text(&idp.control("mint", wish).await, "token") }
    };
    let rows = [
        (json!(base), 200, 200, 200),
        (json!(format!("{base}/")), 200, 200, 200),
        (json!(format!("{base}/w/mcp")), 200, 403, 401),
        (json!(format!("{base}/w")), 200, 403, 401),
        (json!([format!("{base}/weather/mcp"), "x"]), 403, 200, 401),
        (
            json!([format!("{base}/weather/mcp"), format!("{base}/w")]),
            200,
            200,
            401,
        ),
        (json!(format!("{base}.evil.example/w")), 401, 401, 401),
    ];
    for (aud, w, weather, registry) in rows {
        let caller = gateway.anonymous().bearer(&bound(aud.clone()).await);
        let got = (
            caller.mcp("/w/mcp", &tool_call()).await.status,
            caller.mcp("/weather/mcp", &tool_call()).await.status,
            caller.get("/api/auth/me").await.status,
        );
        assert_eq!(got, (w, weather, registry), "{aud}");
        if registry != 200 {
            let vend = caller.json("/api/tokens/generate", &json!({})).await;
            assert_eq!(vend.status, 401, "it must not be turned into a wider one");
        }
    }
    // Our own server calls with no wider right than the token has.
    let aud = json!([format!("{base}/mcpgw/mcp"), format!("{base}/w/mcp")]);
    let caller = gateway.anonymous().bearer(&bound(aud).await);
    for (server, is_refused) in [("/w", false), ("/weather", true)] {
        let wish =
            json!({"name": "invoke_mcp_tool", "arguments": {"server_name": server, "tool_name": "now"}});
        let said = caller.mcp("/mcpgw/mcp", &request("tools/call", wish)).await;
        assert_eq!(said.status, 200, "{}", said.text());
        assert_eq!(
            said.text().contains("scopes do not allow"),
            is_refused,
            "{server}: {}",
            said.text()
        );
    }
}

#[tokio::test]
async fn what_clients_need_to_find_the_issuer_is_said_to_anybody() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let setup = setup.with(&["--auth-provider", "generic"]);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let base = &gateway.base;
    for path in ["", "/w", "/w/mcp", "/none/of/ours", "/a%20b/%2e%c3%a9"] {
        let page = format!("/.well-known/oauth-protected-resource{path}");
        let answer = gateway
            .anonymous()
            .with("origin", "https://app.example")
            .get(&page)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let document = answer.value();
        assert_eq!(text(&document, "resource"), format!("{base}{path}"));
        let servers = document.get("authorization_servers").unwrap();
        assert_eq!(
            servers.get(0).and_then(Value::as_str),
            Some(cast.generic.issuer())
        );
        let asked = gateway.anonymous().send("OPTIONS", &page, "", Vec::new()).await;
        assert_eq!(
            (asked.status, asked.header("access-control-allow-origin")),
            (204, "*")
        );
    }
    // The challenge leads there, with what the issuer understands; a missing right is no reason to sign in again.
    let answer = gateway.anonymous().mcp("/w/mcp", &tool_call()).await;
    let metadata = format!("resource_metadata=\"{base}/.well-known/oauth-protected-resource/w/mcp\"");
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (
            401,
            format!("Bearer realm=\"mcp\", scope=\"openid email profile\", {metadata}").as_str()
        )
    );
    let alice = cast.keycloak.token(json!({"user": "alice"})).await;
    let answer = gateway
        .anonymous()
        .bearer(&alice)
        .mcp("/w/mcp", &tool_call())
        .await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, ""));
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/w/mcp",
    ] {
        let answer = gateway.anonymous().get(path).await;
        assert_eq!(answer.status, 404);
        assert!(answer.header("content-type").contains("json"));
    }
}

#[tokio::test]
async fn machines_ask_with_their_own_id_and_secret_here_or_through_us() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let setup = setup.with(&["--auth-provider", "keycloak"]);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let ask = |form: String| {
        let nobody = gateway.anonymous();
        async move { nobody.form("/api/auth/token", &form).await }
    };
    let form = |id: &str, secret: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    };
    // Handed through: the provider's own token, which opens both doors.
    let answer = ask(form("m2m", M2M_SECRET)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = text(&answer.value(), "access_token");
    let me = gateway
        .anonymous()
        .bearer(&token)
        .get("/api/auth/me")
        .await
        .value();
    assert_eq!(text(&me, "username"), "service-account-m2m");
    let answer = ask(form("m2m", "wrong")).await;
    assert_eq!(
        (answer.status, text(&answer.value(), "error").as_str()),
        (401, "invalid_client")
    );

    // Ours.
    let admin = gateway.admin();
    let wish = json!({"name": "bot", "groups": ["mcp-registry-user"], "description": "for a test"});
    let made = admin.json("/api/management/iam/users/m2m", &wish).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let secret = text(&made.value(), "client_secret");
    assert_eq!(
        admin.json("/api/management/iam/users/m2m", &wish).await.status,
        409
    );
    let listed = admin.get("/api/management/iam/users").await;
    assert!(
        listed.text().contains("\"bot\"")
            && !listed.text().contains(&secret)
            && !listed.text().contains("argon2")
    );
    let answer = ask(form("bot", &secret)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.value();
    assert_eq!(
        (text(&body, "token_type").as_str(), text(&body, "scope").as_str()),
        ("Bearer", "users")
    );
    let bot = gateway.anonymous().bearer(&text(&body, "access_token"));
    assert_eq!(bot.mcp("/w/mcp", &tool_call()).await.status, 200);
    let basic = {
        use base64::Engine;
        base64::prelude::BASE64_STANDARD.encode(format!("bot:{secret}"))
    };
    let by_header = gateway
        .anonymous()
        .with("authorization", &format!("Basic {basic}"));
    let answer = by_header
        .form("/api/auth/token", "grant_type=client_credentials")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for (form, status, code) in [
        (form("bot", "wrong"), 401, "invalid_client"),
        (
            format!("{}&scope=mcp-registry-admin", form("bot", &secret)),
            400,
            "invalid_scope",
        ),
        (
            "grant_type=client_credentials&client_id=bot".to_owned(),
            400,
            "invalid_request",
        ),
        (
            "grant_type=password&username=a&password=b".to_owned(),
            400,
            "unsupported_grant_type",
        ),
        ("client_id=bot".to_owned(), 400, "invalid_request"),
    ] {
        let answer = ask(form).await;
        assert_eq!(
            (answer.status, text(&answer.value(), "error").as_str()),
            (status, code)
        );
    }
    // Only administrators make and remove them; with it go its tokens, at once.
    assert_eq!(bot.json("/api/management/iam/users/m2m", &wish).await.status, 403);
    assert_eq!(bot.get("/api/management/iam/users").await.status, 403);
    let gone = admin
        .send("DELETE", "/api/management/iam/users/bot", "", Vec::new())
        .await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_eq!(bot.mcp("/w/mcp", &tool_call()).await.status, 401);
    assert_eq!(ask(form("bot", &secret)).await.status, 401);
    assert!(!gateway.log().contains(&secret));
}

#[tokio::test]
async fn machines_of_cognito_are_handed_through_and_what_they_make_ends_with_their_provider() {
    let setup = Setup::new();
    let cast = Cast::start(&setup);
    let setup = setup.with(&["--auth-provider", "cognito"]);
    let upstream = Upstream::new().await;
    let gateway = start(&cast, setup, &upstream).await;
    let form = format!("grant_type=client_credentials&client_id=m2m&client_secret={M2M_SECRET}");
    let answer = gateway.anonymous().form("/api/auth/token", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let machine = gateway.anonymous().bearer(&text(&answer.value(), "access_token"));
    let me = machine.get("/api/auth/me").await.value();
    assert_eq!(
        (text(&me, "auth_method"), &me["groups"]),
        ("cognito".to_owned(), &json!(["mcp-registry-user"]))
    );
    assert_eq!(machine.mcp("/w/mcp", &tool_call()).await.status, 200);
    let wrong = form.replace(M2M_SECRET, "wrong");
    let answer = gateway.anonymous().form("/api/auth/token", &wrong).await;
    assert_eq!(
        (answer.status, text(&answer.value(), "error").as_str()),
        (401, "invalid_client")
    );

    // One whose rights are its scopes and no groups makes a token; without its provider that is worth nothing either.
    let wish = json!({"like": {"user": null}, "claims": {"scope": "gateway/users", "client_id": "other", "sub": "other"}});
    let by_scope = gateway
        .anonymous()
        .bearer(&text(&cast.cognito.control("mint", wish).await, "token"));
    let body = by_scope.json("/api/tokens/generate", &json!({})).await.value();
    let vended = gateway.anonymous().bearer(&text(&body["tokens"], "access_token"));
    assert_eq!(vended.mcp("/w/mcp", &tool_call()).await.status, 200);
    std::fs::write(
        gateway.setup.folder.path().join("auth/oauth2_providers.yml"),
        "{}",
    )
    .unwrap();
    for caller in [&by_scope, &vended] {
        until("nobody is known through it", || async {
            caller.mcp("/w/mcp", &tool_call()).await.status == 401
        })
        .await;
    }
}

#[tokio::test]
async fn api_keys_open_both_doors_with_their_groups_until_they_end() {
    let (token, key, old) = ("t".repeat(40), "k".repeat(40), "o".repeat(40));
    let hashed = "h".repeat(40);
    let hash = {
        use sha2::Digest;
        hex::encode(sha2::Sha256::digest(&hashed))
    };
    let keys = json!({
        "ci": {"key": key, "groups": ["mcp-registry-user"]},
        "hashed": {"sha256": hash, "groups": ["mcp-registry-user"], "expires_at": "2999-01-01T00:00:00Z"},
        "old": {"key": old, "groups": ["mcp-registry-admin"], "expires_at": "2020-01-01T00:00:00Z"},
    });
    let setup = |enabled: &str| {
        Setup::new()
            .with_variable("REGISTRY_API_TOKEN", &token)
            .with_variable("REGISTRY_API_KEYS", &keys.to_string())
            .with_variable("REGISTRY_STATIC_TOKEN_AUTH_ENABLED", enabled)
    };
    let policy = "
group_mappings: {mcp-registry-admin: [mcp-registry-admin, users], mcp-registry-user: [users]}
users: [{server: '*', methods: ['*'], tools: ['*']}]
";
    let upstream = Upstream::new().await;
    let gateway = setup("true").with_policy(policy).start();
    gateway.register("/w", &upstream.url).await;
    for (secret, username, client, admin) in [
        (&token, "network-trusted", "network-user", true),
        (&key, "ci", "", false),
        (&hashed, "hashed", "", false),
    ] {
        let caller = gateway.anonymous().bearer(secret);
        assert_eq!(caller.mcp("/w/mcp", &tool_call()).await.status, 200);
        let got = upstream.take();
        let got = got.first().unwrap();
        assert_eq!(
            (got.header("x-user"), got.header("x-client-id")),
            (username, client)
        );
        let me = caller.get("/api/auth/me").await.value();
        assert_eq!(text(&me, "username"), username);
        assert_eq!(text(&me, "auth_method"), "network-trusted");
        assert_eq!(me.get("is_admin"), Some(&json!(admin)));
        // It is not the account of the same name, and makes no token that outlives it by much.
        assert_eq!(caller.mcp("/none/mcp", &tool_call()).await.status, 404);
    }
    for secret in [&old, &"x".repeat(40)] {
        assert_eq!(
            gateway
                .anonymous()
                .bearer(secret)
                .get("/api/auth/me")
                .await
                .status,
            401
        );
    }
    assert!(!gateway.log().contains(&key));
    let gateway = setup("false").start();
    assert_eq!(
        gateway
            .anonymous()
            .bearer(&token)
            .get("/api/auth/me")
            .await
            .status,
        401
    );
}
