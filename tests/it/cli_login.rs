//! `gatehouse login` through a browser, here and on another machine.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::harness::identity::{Browser, Idp, WEB_SECRET, text};
use crate::harness::{Gateway, PASSWORD, Setup, until};

/// A command line that waits for its person.
struct Waiting {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
    file: PathBuf,
}

impl Waiting {
    fn start(gateway: &Gateway, words: &[&str]) -> Self {
        let file = gateway.setup.folder.path().join("home/token.json");
        let mut command = gateway.setup.command(&["login", "--url", &gateway.base]);
        command.args(words).arg("--token-file").arg(&file);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self {
            child,
            lines: Box::new(lines.map_while(Result::ok)),
            file,
        }
    }

    /// The first line that holds this.
    fn line_with(&mut self, part: &str) -> String {
        let found = self.lines.find(|line| line.contains(part));
        found.expect("the line").trim().to_owned()
    }

    /// It ends well, and the token that it kept (for its owner alone) opens the registry.
    fn ends_well(mut self, gateway: &Gateway) {
        assert!(
            self.child.wait().unwrap().success(),
            "{:?}",
            self.lines.collect::<Vec<_>>()
        );
        let mode = std::fs::metadata(&self.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut list = gateway.setup.command(&["server", "list"]);
        let output = list.arg("--token-file").arg(&self.file).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[tokio::test]
async fn a_browser_on_this_machine_signs_the_command_line_in() {
    let gateway = Gateway::new();
    let mut waiting = Waiting::start(&gateway, &["--browser"]);
    let address = waiting.line_with("/oauth2/authorize?");
    // The person is not signed in yet: the sign-in page comes first, and comes back here.
    let mut browser = Browser::default();
    let page = browser.visit("GET", &address, "").await;
    assert!(page.url.contains("/login?next="), "{}", page.url);
    let next = url::Url::parse(&page.url).unwrap();
    let next = next
        .query_pairs()
        .find(|(name, _)| name == "next")
        .unwrap()
        .1
        .into_owned();
    let form = [("username", "admin"), ("password", PASSWORD), ("next", &next)];
    let form = serde_urlencoded::to_string(form).unwrap();
    let page = browser
        .visit("POST", &format!("{}/login", gateway.base), &form)
        .await;
    let html = page.answer.text();
    assert!(
        html.contains("Allow the command line?") && html.contains("<strong>admin</strong>"),
        "{html}"
    );
    let policy = page.answer.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:"),
        "{policy}"
    );

    let field = |name: &str| {
        let from = format!("name=\"{name}\" value=\"");
        let value = html.split(&from).nth(1).unwrap().split('"').next().unwrap();
        value.replace("&#x2F;", "/").replace("&amp;", "&")
    };
    let names = [
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
        "csrf_token",
    ];
    let fields: Vec<_> = names.iter().map(|name| (*name, field(name))).collect();
    let answer_with = |changed: &str, value: &str| {
        let fields = fields
            .iter()
            .map(|(name, own)| (*name, if *name == changed { value } else { own }));
        serde_urlencoded::to_string(fields.filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
            .unwrap()
    };
    // Nothing but the page's own form is a yes, and nothing leads elsewhere.
    let to = format!("{}/oauth2/authorize", gateway.base);
    for (changed, value, status) in [
        ("csrf_token", "", 403),
        ("csrf_token", "x", 403),
        ("redirect_uri", "http://evil.example:80/callback", 422),
        ("redirect_uri", "http://127.0.0.1.evil.example:80/", 422),
        ("code_challenge_method", "plain", 422),
        ("code_challenge", "short", 422),
    ] {
        let answer = browser.once("POST", &to, &answer_with(changed, value)).await;
        assert_eq!(answer.status, status, "{changed}={value}: {}", answer.text());
    }
    let by_token = gateway
        .admin()
        .form("/oauth2/authorize", &answer_with("", ""))
        .await;
    assert_eq!(by_token.status, 403, "a token cannot say yes for its person");
    let page = browser.visit("POST", &to, &answer_with("", "")).await;
    assert!(
        page.answer.text().contains("You are signed in"),
        "{}",
        page.answer.text()
    );
    waiting.ends_well(&gateway);
    // The code in the browser's history is worth nothing any more.
    let url = url::Url::parse(&page.url).unwrap();
    let code = url
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned();
    let grant = json!({"grant_type": "authorization_code", "code": code, "code_verifier": "x", "redirect_uri": field("redirect_uri")});
    let answer = gateway.anonymous().json("/api/auth/token", &grant).await;
    assert_eq!(
        (answer.status, text(&answer.value(), "error").as_str()),
        (400, "invalid_grant")
    );
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_ends_with_the_first_try() {
    let gateway = Gateway::new();
    let admin = gateway.signed_in().await;
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636, appendix B
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let redirect = "http://127.0.0.1:4711/callback";
    let page = admin
        .get(&format!(
            "/oauth2/authorize?state=s&code_challenge={challenge}&code_challenge_method=S256&redirect_uri={redirect}"
        ))
        .await;
    let html = page.text();
    let token = html
        .split("name=\"csrf_token\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let codes = || async {
        let fields = json!({"redirect_uri": redirect, "state": "s", "code_challenge": challenge,
            "code_challenge_method": "S256", "csrf_token": token});
        let answer = admin.json("/oauth2/authorize", &fields).await;
        let to = url::Url::parse(answer.header("location")).unwrap();
        to.query_pairs()
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned()
    };
    let grant = |code: String, verifier: &str, redirect: &str| {
        let grant = json!({"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect});
        let nobody = gateway.anonymous();
        async move { nobody.json("/api/auth/token", &grant).await.status }
    };
    let code = codes().await;
    assert_eq!(grant(code.clone(), "guessed", redirect).await, 400);
    assert_eq!(
        grant(code, verifier, redirect).await,
        400,
        "the first try ended it"
    );
    assert_eq!(
        grant(codes().await, verifier, "http://127.0.0.1:4712/callback").await,
        400
    );
    let code = codes().await;
    assert_eq!(grant(code.clone(), verifier, redirect).await, 200);
    assert_eq!(grant(code, verifier, redirect).await, 400);
    // A session that has ended makes no token, whatever it had begun.
    let code = codes().await;
    assert_eq!(admin.send("POST", "/logout", "", Vec::new()).await.status, 303);
    assert_eq!(grant(code, verifier, redirect).await, 400);
}

#[tokio::test]
async fn a_browser_on_another_machine_signs_the_command_line_in_where_the_provider_offers_it() {
    let setup = Setup::new().with(&["--session-check-seconds", "1"]);
    let idp = Idp::imitate("keycloak", &setup, &[]);
    let yaml = format!(
        "keycloak: {{issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
        idp.issuer()
    );
    let gateway = setup.with_providers(&yaml).start();
    let mut waiting = Waiting::start(&gateway, &["--device"]);
    let line = waiting.line_with("check that it shows the code");
    let code = line.trim_end_matches(':').rsplit(' ').next().unwrap().to_owned();
    idp.control("approve_device", json!({"user_code": code, "user": "bob"}))
        .await;
    let file = waiting.file.clone();
    waiting.ends_well(&gateway);
    // The provider is asked about them as about anybody who signed in.
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let token = gateway.anonymous().bearer(&text(&kept, "access_token"));
    let sessions = token.get("/api/sessions").await.value();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");
    idp.control("disable", json!({"user": "bob", "disabled": true}))
        .await;
    until("the command line's token has ended", || async {
        token.get("/api/auth/me").await.status == 401
    })
    .await;

    let start = gateway
        .anonymous()
        .json("/api/auth/device", &json!({"provider": "keycloak"}))
        .await
        .value();
    let poll = |handle: String| {
        let grant =
            json!({"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": handle});
        let nobody = gateway.anonymous();
        async move { text(&nobody.json("/api/auth/token", &grant).await.value(), "error") }
    };
    assert_eq!(poll(text(&start, "device_code")).await, "slow_down");
    assert_eq!(poll("unknown".to_owned()).await, "expired_token");
    let nobody = gateway
        .anonymous()
        .json("/api/auth/device", &json!({"provider": "nobody"}))
        .await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn a_provider_without_a_device_sign_in_says_so() {
    let setup = Setup::new();
    let idp = Idp::imitate("cognito", &setup, &[]);
    let yaml = format!(
        "cognito: {{issuer: '{}', client_id: web, client_secret: {WEB_SECRET}}}",
        idp.issuer()
    );
    let gateway = setup.with_providers(&yaml).start();
    let file = gateway.setup.folder.path().join("home/token.json");
    let mut command = gateway
        .setup
        .command(&["login", "--url", &gateway.base, "--device"]);
    let output = command.arg("--token-file").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !file.exists());
    assert!(said.contains("offers no device sign-in"), "{said}");
}
