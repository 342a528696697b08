//! Which rules let somebody use a server: all of them for administrators, else those of the reader's own scopes.

use std::collections::BTreeSet;

use crate::domain::access::Rights;
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::domain::policy::Names;
use crate::web::links;
use crate::web::view::pages::Opening;

pub(super) fn of(rights: &Rights, who: &Identity, path: &ServerPath) -> Vec<Opening> {
    let is_admin = rights.is_administrator(who);
    let policy = &rights.policy;
    let counted = policy
        .scopes()
        .iter()
        .filter(|(name, _)| is_admin || who.scopes.contains(*name));
    let mut openings = Vec::new();
    for (name, scope) in counted {
        let groups: Vec<String> = if is_admin {
            policy.groups_with(name).into_iter().collect()
        } else {
            Vec::new()
        };
        for rule in scope.rules.iter().filter(|rule| rule.names_server(path)) {
            openings.push(Opening {
                scope: name.clone(),
                href: is_admin.then(|| links::scope(name)),
                groups: groups.clone(),
                methods: words(&rule.methods, "every method"),
                tools: words(&rule.tools, "every tool"),
            });
        }
    }
    openings
}

fn words(names: &Names, every: &str) -> String {
    let listed: BTreeSet<String> = names.listed(every);
    if listed.is_empty() {
        "none".to_owned()
    } else {
        listed.into_iter().collect::<Vec<_>>().join(", ")
    }
}
