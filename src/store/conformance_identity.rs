//! What every backend owes people of identity providers: whom to ask about, and no token by what has ended.

use super::{Counted, Store, secret_key, session_name};
use crate::clock::Timestamp;
use crate::domain::identity::Session;
use crate::domain::token::{Inserted, Proof, Token};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + second)
}

fn session(provider: &str, due: Option<i64>) -> Session {
    Session {
        username: "eve".to_owned(),
        groups: vec!["g".to_owned()],
        created_at: at(0),
        expires_at: at(90),
        provider: Some(provider.to_owned()),
        sealed: None,
        check_at: due.map(at),
        agent: String::new(),
    }
}

/// Of each provider the longest overdue are asked about: none takes another's places.
pub(super) async fn a_provider_with_many_sessions_hides_nobody_at_another(store: &dyn Store) {
    let rows = [("slow", 3), ("slow", 1), ("slow", 2), ("other", 4), ("other", 80)];
    let keys = (20..).map(|n| [n; 32]);
    for (key, (provider, due)) in keys.zip(rows) {
        store
            .insert_session(key, session(provider, Some(due)))
            .await
            .unwrap();
    }
    let due = store.sessions_to_check(at(50), 2).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|(key, _)| key).collect();
    assert_eq!(due, [[21; 32], [22; 32], [23; 32]]);
    for n in 20..25 {
        store.remove_session([n; 32]).await.unwrap();
    }
}

/// Nobody gets a token by a session that has ended, or has other groups by now.
pub(super) async fn a_token_needs_the_session_that_makes_it(store: &dyn Store) {
    store.insert_session([9; 32], session("p", None)).await.unwrap();
    let insert = |id: &str, username: &str, until: i64, group: &str| {
        let token = Token {
            id: id.to_owned(),
            family: id.to_owned(),
            username: username.to_owned(),
            scope: String::new(),
            description: None,
            issued_at: at(0),
            expires_at: at(90),
            revoked_at: None,
        };
        let proof = Proof::Session {
            until: at(until),
            groups: vec![group.to_owned()],
        };
        store.insert_token(token, None, (at(-10), 9), proof)
    };
    for (username, until, group) in [("eve", 90, "g"), ("p:eve", 80, "g"), ("p:eve", 90, "h")] {
        let outcome = insert("a", username, until, group).await.unwrap();
        assert_eq!(outcome, Inserted::Ended, "{username} {until} {group}");
    }
    assert_eq!(insert("a", "p:eve", 90, "g").await.unwrap(), Inserted::Kept);
    store.remove_session([9; 32]).await.unwrap();
    assert_eq!(insert("b", "p:eve", 90, "g").await.unwrap(), Inserted::Ended);
}

/// What is listed in part is counted as a whole, and a session is known in lists by its id.
pub(super) async fn lists_that_are_cut_are_counted_whole(store: &dyn Store) {
    let count = async |what| store.count(what).await.unwrap();
    let before = count(Counted::Sessions(None, at(0))).await;
    for id in ["one", "two", "three"] {
        let session = session("counted", None);
        store.insert_session(secret_key(id), session).await.unwrap();
    }
    let whose = Some("counted:eve");
    assert_eq!(count(Counted::Sessions(whose, at(0))).await, 3);
    assert_eq!(count(Counted::Sessions(None, at(0))).await, before + 3);
    assert_eq!(count(Counted::Sessions(whose, at(90))).await, 0);
    let shown = store.sessions(whose, at(0), 2).await.unwrap();
    assert_eq!(shown.len(), 2);
    let names = ["one", "two", "three"].map(session_name);
    assert!(
        shown.iter().all(|session| names.contains(&session.id)),
        "{shown:?}"
    );
    for id in ["one", "two", "three"] {
        store.remove_session(secret_key(id)).await.unwrap();
    }
    let tokens = store.tokens(None, 1_000).await.unwrap().len();
    assert_eq!(count(Counted::Tokens(None)).await, u64::try_from(tokens).unwrap());
    assert_eq!(count(Counted::Tokens(Some("nobody"))).await, 0);
    let machines = store.machines(1_000).await.unwrap().len();
    assert_eq!(count(Counted::Machines).await, u64::try_from(machines).unwrap());
}
