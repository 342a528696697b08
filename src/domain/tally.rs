//! How many tools of a server somebody is told of: what is hidden from them is in no count either.
//!
//! Lists, pages, health and the feed all say this number, so it is made in one place.

use std::collections::HashSet;

use super::access::{Action, Call, Rights, decide};
use super::identity::Identity;
use super::path::ServerPath;

/// What is known of a server's tools.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// How many it lists, or its owner says it has.
    pub total: i64,
    /// Their names; none as long as it has not listed any.
    pub names: Option<&'a [Box<str>]>,
    /// Those that wait for approval.
    pub held: Option<&'a HashSet<String>>,
}

/// How many of them somebody is told of: all, if they may change the server, else those that they may call now.
pub fn told(rights: &Rights, who: &Identity, (path, name): (&ServerPath, &str), tools: Tools<'_>) -> i64 {
    let change = Call::Registry {
        action: Action::Modify,
        service: Some((path, name)),
    };
    if decide(who, &change, rights).is_ok() {
        return tools.total;
    }
    let callable = rights.callable(who, path);
    let Some(names) = tools.names else {
        // Nobody knows which they are. Whoever may call every one may know how many.
        return if callable.has_all() { tools.total } else { 0 };
    };
    let is_held = |name: &str| tools.held.is_some_and(|held| held.contains(name));
    let counted = names.iter().filter(|name| callable.has(name) && !is_held(name));
    i64::try_from(counted.count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::Policy;

    const POLICY: &str = "
UI-Scopes:
  keeper: {modify_service: [w]}
  lister: {list_service: [w]}
some: [{server: w, methods: [tools/call], tools: [a, b]}]
every: [{server: w, methods: [tools/call], tools: ['*']}]
list: [{server: w, methods: [tools/list], tools: ['*']}]
";

    #[test]
    fn a_count_says_no_more_than_the_list() {
        let rights = Rights {
            policy: Policy::parse(POLICY).unwrap(),
            admin_scope: "boss".to_owned(),
        };
        let names: Vec<Box<str>> = ["a", "b", "c", "d"].map(Box::from).to_vec();
        let held = HashSet::from(["b".to_owned()]);
        // Who asks; of four tools of which one is held, and of seven that nobody has listed yet.
        let rows: [(&[&str], i64, i64); 8] = [
            (&["boss"], 4, 7),
            (&["keeper"], 4, 7),
            (&["every"], 3, 7),
            (&["some"], 1, 0),
            (&["some", "lister"], 1, 0),
            (&["list"], 0, 0),
            (&["lister"], 0, 0),
            (&[], 0, 0),
        ];
        let path: ServerPath = "/w".parse().unwrap();
        for (scopes, listed, unlisted) in rows {
            let who = Identity::sample(scopes);
            let known = Tools {
                total: 4,
                names: Some(&names),
                held: Some(&held),
            };
            let unknown = Tools {
                total: 7,
                names: None,
                held: None,
            };
            let count = |tools| told(&rights, &who, (&path, "W"), tools);
            assert_eq!((count(known), count(unknown)), (listed, unlisted), "{scopes:?}");
        }
    }
}
