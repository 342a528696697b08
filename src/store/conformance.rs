//! What every backend owes, run against each one.

use std::time::Duration;

use super::*;
use crate::domain::audit::Deed;
use crate::domain::draft::{Description, Draft};
use crate::domain::scope_document::ScopeDocument;
use crate::domain::secret::Secret;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + second)
}

pub(super) fn event(deed: Deed, target: &str) -> Event {
    Event {
        at: at(5),
        actor: "ada".to_owned(),
        deed,
        target: target.to_owned(),
    }
}

fn server(path: &str) -> Server {
    let fields = [
        ("name", "Time"),
        ("path", path),
        ("proxy_pass_url", "http://127.0.0.1:9/"),
    ];
    let draft = Draft::from_pairs(fields.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec());
    let new = draft.new_server(Description::Optional).unwrap();
    Server {
        path: new.path,
        profile: new.profile,
        enabled: true,
        trusted: true,
        sealed: None,
        registered_by: "ada".to_owned(),
        registered_at: at(0),
        updated_at: at(0),
    }
}

pub(super) async fn register(store: &dyn Store, path: &str) -> Result<Revision, Error> {
    store
        .insert_server(server(path), event(Deed::ServerRegistered, path))
        .await
}

/// Everything, on an empty store.
pub(super) async fn all(store: &dyn Store) {
    servers_come_change_and_go(store).await;
    clashing_paths_are_taken(store).await;
    sessions_end(store).await;
    mcp_sessions_belong_to_one_principal(store).await;
    tokens_are_kept_limited_revoked_and_refreshed_once(store).await;
    scopes_are_kept_hidden_and_forgotten_all_at_once(store).await;
    super::conformance_health::checks_are_kept_and_forgotten(store).await;
    super::conformance_health::catalogues_are_kept_with_their_versions(store).await;
    super::conformance_identity::a_provider_with_many_sessions_hides_nobody_at_another(store).await;
    super::conformance_identity::a_token_needs_the_session_that_makes_it(store).await;
    super::conformance_identity::lists_that_are_cut_are_counted_whole(store).await;
    super::conformance_calls::calls_are_kept_with_their_place_found_counted_and_trimmed(store).await;
    super::conformance_vectors::vectors_are_kept_by_model_and_text_and_trimmed(store).await;
    store.put_fact("k", "1".to_owned()).await.unwrap();
    store.put_fact("k", "2".to_owned()).await.unwrap();
    assert_eq!(store.fact("k").await.unwrap().as_deref(), Some("2"));
    assert_eq!(store.fact("other").await.unwrap(), None);
}

async fn mcp_sessions_belong_to_one_principal(store: &dyn Store) {
    let session = |principal: &str, end| McpSession {
        server: "/a".to_owned(),
        principal: principal.to_owned(),
        expires_at: at(end),
    };
    let key = |n: u8| [n; 32];
    assert!(
        store
            .bind_mcp_session(key(1), session("ada", 10), at(0), 2)
            .await
            .unwrap()
    );
    assert!(
        !store
            .bind_mcp_session(key(1), session("bob", 10), at(0), 2)
            .await
            .unwrap()
    );
    assert_eq!(
        store.mcp_session(key(1), at(0)).await.unwrap(),
        Some(session("ada", 10))
    );
    assert_eq!(store.mcp_session(key(1), at(10)).await.unwrap(), None);
    // Renewed, then pushed out by two newer ones of the same principal; another's stays.
    assert!(
        store
            .bind_mcp_session(key(1), session("ada", 12), at(0), 2)
            .await
            .unwrap()
    );
    assert!(
        store
            .bind_mcp_session(key(9), session("bob", 11), at(0), 2)
            .await
            .unwrap()
    );
    for n in [2, 3] {
        assert!(
            store
                .bind_mcp_session(key(n), session("ada", 20), at(0), 2)
                .await
                .unwrap()
        );
    }
    assert_eq!(store.mcp_session(key(1), at(0)).await.unwrap(), None);
    assert!(store.mcp_session(key(9), at(0)).await.unwrap().is_some());
    // What has ended is anybody's.
    assert!(
        store
            .bind_mcp_session(key(9), session("ada", 30), at(15), 9)
            .await
            .unwrap()
    );
}

async fn servers_come_change_and_go(store: &dyn Store) {
    let mut revisions = store.revisions();
    revisions.mark_unchanged();
    let first = register(store, "/time").await.unwrap();
    assert!(
        revisions.has_changed().unwrap(),
        "the very first change wakes whoever follows"
    );
    let second = register(store, "/weather").await.unwrap();
    assert!(second > first && *revisions.borrow_and_update() == second);
    let time = server("/time");
    assert_eq!(store.server(&time.path).await.unwrap(), Some(time.clone()));

    let profile = Profile {
        num_tools: 7,
        ..time.profile.clone()
    };
    let change = event(Deed::ServerChanged, "/time");
    let third = store
        .update_server(&time, profile.clone(), Some(vec![7]), None, change.clone())
        .await
        .unwrap()
        .unwrap();
    // Whoever looked at the record before that changes nothing; who never saw it is told that there is none.
    let late = store.update_server(&time, profile.clone(), None, None, change.clone());
    assert!(matches!(late.await, Err(Error::Changed)));
    let nowhere = server("/nowhere");
    let stranger = store.update_server(&nowhere, profile, None, None, change);
    assert_eq!(stranger.await.unwrap(), None);
    let off = store
        .switch_server(&time.path, false, event(Deed::ServerDisabled, "/time"))
        .await
        .unwrap();
    assert!(off.unwrap() > third);
    let now = store.server(&time.path).await.unwrap().unwrap();
    assert_eq!(now.sealed, Some(vec![7]));
    assert_eq!(
        (now.profile.num_tools, now.enabled, now.trusted, now.updated_at),
        (7, false, true, at(5))
    );

    // Trust is told apart from the change that it came with, and only when it is another one.
    for trusted in [Some(true), Some(false), None] {
        let change = event(Deed::ServerChanged, "/time");
        let now = store.server(&time.path).await.unwrap().unwrap();
        store
            .update_server(&now, now.profile.clone(), None, trusted, change)
            .await
            .unwrap();
    }
    let told = store.events("/time", 3).await.unwrap();
    let told: Vec<Deed> = told.iter().map(|event| event.deed).collect();
    assert_eq!(
        told,
        [Deed::ServerChanged, Deed::ServerDistrusted, Deed::ServerChanged]
    );
    let all = store.events("/time", 100).await.unwrap();
    assert_eq!(all.len(), 8, "{all:?}");

    let weather = server("/weather").path;
    let gone = store
        .remove_server(&weather, event(Deed::ServerRemoved, "/weather"))
        .await
        .unwrap()
        .unwrap();
    let again = store
        .remove_server(&weather, event(Deed::ServerRemoved, "/weather"))
        .await
        .unwrap();
    assert_eq!(again, None);
    let changes = store.changes_since(second).await.unwrap();
    assert_eq!(changes.revision, gone);
    assert_eq!(
        changes
            .changed
            .iter()
            .map(|s| s.path.as_str())
            .collect::<Vec<_>>(),
        ["/time"]
    );
    assert_eq!(changes.removed, [weather]);
    assert!(store.changes_since(gone).await.unwrap().changed.is_empty());
}

async fn clashing_paths_are_taken(store: &dyn Store) {
    register(store, "/a/b").await.unwrap();
    for path in ["/a/b", "/A/B", "/a", "/a/b/c", "/A/b/x"] {
        let refused = register(store, path).await;
        assert!(
            matches!(&refused, Err(Error::Taken(by)) if by.as_str() == "/a/b"),
            "{path}: {refused:?}"
        );
    }
    for path in ["/a/bc", "/ab", "/a/c", "/a/a0", "/weather"] {
        register(store, path).await.unwrap();
    }
}

async fn sessions_end(store: &dyn Store) {
    let session = |from: i64, to: i64| Session {
        username: "ada".to_owned(),
        groups: vec!["g".to_owned()],
        created_at: at(from),
        expires_at: at(to),
        provider: None,
        sealed: None,
        check_at: None,
        agent: "Firefox on Linux".to_owned(),
    };
    store.insert_session([1; 32], session(0, 10)).await.unwrap();
    store.insert_session([2; 32], session(0, 100)).await.unwrap();
    assert_eq!(store.session([1; 32], at(9)).await.unwrap(), Some(session(0, 10)));
    assert_eq!(store.session([1; 32], at(10)).await.unwrap(), None);
    assert_eq!(store.session([3; 32], at(0)).await.unwrap(), None);
    store.remove_session([2; 32]).await.unwrap();
    assert_eq!(store.session([2; 32], at(1)).await.unwrap(), None);

    // Listed without their secrets, and ended by name: one's own, or anybody's.
    store.insert_session([5; 32], session(0, 100)).await.unwrap();
    let listed = store.sessions(Some("ada"), at(11), 10).await.unwrap();
    let [row] = listed.as_slice() else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (row.id.as_str(), row.expires_at, row.agent.as_str()),
        ("05".repeat(12).as_str(), at(100), "Firefox on Linux")
    );
    assert_eq!(store.sessions(None, at(100), 10).await.unwrap(), []);
    let end = |person| store.end_session(&row.id, person, event(Deed::SessionEnded, "x"));
    assert_eq!(end(Some("bob")).await.unwrap(), None);
    assert_eq!(end(Some("ada")).await.unwrap().as_deref(), Some("ada"));
    assert_eq!(end(None).await.unwrap(), None);

    // A new password ends every session of that person.
    store.insert_session([4; 32], session(11, 100)).await.unwrap();
    let hash = Secret::new("$argon2id$x".to_owned());
    let account = Account {
        username: "ada".to_owned(),
        password_hash: hash,
        groups: vec!["g".to_owned()],
    };
    store
        .put_account(account, event(Deed::PasswordReset, "ada"))
        .await
        .unwrap();
    assert_eq!(store.session([4; 32], at(12)).await.unwrap(), None);
    let kept = store.account("ada").await.unwrap().unwrap();
    assert_eq!(
        (kept.password_hash.expose().as_str(), kept.groups),
        ("$argon2id$x", vec!["g".to_owned()])
    );
    assert!(store.account("bob").await.unwrap().is_none());
    assert_eq!(store.account_groups().await.unwrap(), [["g"]]);
    assert_eq!(at(3).since(at(1)), Duration::from_secs(2));
}

async fn scopes_are_kept_hidden_and_forgotten_all_at_once(store: &dyn Store) {
    let fields = serde_json::json!({
        "description": "d", "group_mappings": ["g"], "ui_permissions": {"list_service": ["all"]},
        "server_access": [{"server": "a", "methods": ["*"]},
                          {"agents": {"actions": [{"action": "get_agent", "resources": ["/b"]}]}}],
    });
    // A name that the file may have and a request may not bring is read back all the same.
    let document = ScopeDocument::of("odd name", fields.as_object().unwrap()).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let write = |changes: Vec<ScopeChange>| {
        let told = told.clone();
        let changes = changes.into_iter().map(|change| {
            let event = event(Deed::ScopeChanged, change.name());
            (change, event)
        });
        store.write_scopes(changes.collect(), Box::new(move || told.send(()).unwrap()))
    };
    assert_eq!(store.scopes().await.unwrap(), []);
    let hide = |name: &str| ScopeChange::Hide(name.to_owned());
    write(vec![ScopeChange::Put(document.clone()), hide("b")])
        .await
        .unwrap();
    assert!(heard.try_recv().is_ok(), "told after the commit");
    let stored = |name: &str, document: Option<&ScopeDocument>| StoredScope {
        name: name.to_owned(),
        document: document.cloned(),
    };
    let both = [stored("b", None), stored("odd name", Some(&document))];
    assert_eq!(store.scopes().await.unwrap(), both);
    write(vec![ScopeChange::Reset("b".to_owned()), hide("odd name")])
        .await
        .unwrap();
    assert_eq!(store.scopes().await.unwrap(), [stored("odd name", None)]);
    assert_eq!(store.events("b", 9).await.unwrap().len(), 2);
    write(vec![ScopeChange::Reset("odd name".to_owned())])
        .await
        .unwrap();
}

async fn tokens_are_kept_limited_revoked_and_refreshed_once(store: &dyn Store) {
    let token = |id: &str, family: &str| Token {
        id: id.to_owned(),
        family: family.to_owned(),
        username: "ada".to_owned(),
        scope: "a b".to_owned(),
        description: Some("x".to_owned()),
        issued_at: at(0),
        expires_at: at(100),
        revoked_at: None,
    };
    let refresh = Refresh {
        family: "f1".to_owned(),
        username: "ada".to_owned(),
        scope: "a b".to_owned(),
        groups: vec!["g".to_owned()],
        hours: 8,
        expires_at: at(50),
    };
    let keep = |token, refresh| store.insert_token(token, refresh, (at(-10), 2), Proof::Family);
    assert_eq!(
        keep(token("t1", "f1"), Some(([7; 32], refresh.clone())))
            .await
            .unwrap(),
        Inserted::Kept
    );
    assert_eq!(keep(token("t2", "f2"), None).await.unwrap(), Inserted::Kept);
    assert_eq!(
        keep(token("t3", "f3"), None).await.unwrap(),
        Inserted::TooMany(at(0)),
        "two an hour are enough"
    );
    // A machine that is gone gets no token, however far the making of it had come.
    let machine = Token {
        username: "bot".to_owned(),
        ..token("t4", "f4")
    };
    let of_machine = store.insert_token(machine, None, (at(-10), 2), Proof::Machine);
    assert_eq!(of_machine.await.unwrap(), Inserted::Ended);
    assert_eq!(
        store.tokens(Some("ada"), 10).await.unwrap(),
        [token("t1", "f1"), token("t2", "f2")]
    );
    assert!(store.tokens(Some("bob"), 10).await.unwrap().is_empty());
    assert_eq!(store.take_refresh([8; 32], at(1)).await.unwrap(), Taken::Unknown);
    assert_eq!(
        store.take_refresh([7; 32], at(1)).await.unwrap(),
        Taken::Good(refresh)
    );
    let reused = Taken::Reused {
        revoked: vec!["t1".to_owned()],
    };
    assert_eq!(store.take_refresh([7; 32], at(2)).await.unwrap(), reused);
    // Nothing is added to a family that has ended, whoever had begun to refresh it.
    let late = store.insert_token(token("t5", "f1"), None, (at(-10), 9), Proof::Family);
    assert_eq!(late.await.unwrap(), Inserted::Ended);
    assert_eq!(
        store.take_refresh([7; 32], at(3)).await.unwrap(),
        Taken::Unknown,
        "the family is gone"
    );
    assert_eq!(store.revoked_tokens(at(3)).await.unwrap(), ["t1"]);
    let ended = store
        .revoke_family("f2", event(Deed::TokenRevoked, "t2"))
        .await
        .unwrap();
    assert_eq!(ended, ["t2"]);
    assert_eq!(store.token("t2").await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert!(
        store.revoked_tokens(at(100)).await.unwrap().is_empty(),
        "what has ended by itself needs no list"
    );
}

#[tokio::test]
async fn sqlite_keeps_what_every_backend_owes() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        file: folder.path().join("x.db"),
    };
    all(open(&settings).unwrap().as_ref()).await;
    // And it is still there for the next process.
    let again = open(&settings).unwrap();
    assert!(again.server(&"/a/b".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        file: folder.path().join("x.db"),
    };
    {
        let connection = rusqlite::Connection::open(&settings.file).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
    }
    let before = std::fs::read(&settings.file).unwrap();
    assert!(matches!(open(&settings), Err(Error::Newer { found: 99, .. })));
    assert_eq!(std::fs::read(&settings.file).unwrap(), before);
}
