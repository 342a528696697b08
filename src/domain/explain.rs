//! Why a call is allowed, or which half of a rule is missing.
//!
//! **Invariant:** an explanation never disagrees with [`decide`](super::access::decide); both ask the same functions
//! of `domain::access` about each rule.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::access::{Act, AgentAction, Call, Half, Rights, lacks, permits_agent, permits_service};
use super::policy::{Names, permitted};
use super::scope::Scope;

/// Rules for other servers are told up to so many; they matter only when no rule came nearer.
const MOST_FAR: usize = 20;

/// Why, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the call is allowed.
    pub allowed: bool,
    /// What decided, in one sentence.
    pub sentence: String,
    /// The rule or permission that allows it.
    pub decided_by: Option<Decider>,
    /// Otherwise the rules and permissions that came near.
    pub missing: Vec<Missing>,
    /// Scopes that would allow it.
    pub would_open: Vec<String>,
}

/// A rule or permission, and whence it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decider {
    /// Of which scope.
    pub scope: String,
    /// Which of the caller's groups have the scope; none when it is held without one.
    pub groups: Vec<String>,
    /// The how manieth rule for servers of the scope, from 1; none for a permission.
    pub rule: Option<usize>,
    /// What it says.
    pub text: Value,
}

/// A rule or permission that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The rule or permission.
    #[serde(flatten)]
    pub rule: Decider,
    /// What does not fit: `server`, `method`, `tool`, `service` or `agent`.
    pub half: &'static str,
    /// The same in words.
    pub sentence: String,
}

/// Explain what becomes of a call of somebody with these groups and scopes.
pub fn explain(
    groups: &[String],
    scopes: &BTreeSet<String>,
    call: &Call<'_>,
    rights: &Rights,
) -> Explanation {
    let held = Held {
        groups,
        scopes,
        rights,
    };
    match call {
        Call::Mcp { server, act } => held.mcp(server.name(), act),
        Call::Administration => held.permission(None, "administration", "service", &|_| false),
        Call::Registry { action, service } => {
            let fits = |names: &Names| permits_service(names, *service);
            let subject = service.map(|(path, _)| path.as_str());
            held.permission(subject, action.permission(), "service", &fits)
        }
        Call::Agent { action, agent, mine } => {
            let fits = |names: &Names| permits_agent(names, *agent);
            let publish = AgentAction::Publish.permission();
            let told = held.permission(*agent, action.permission(), "agent", &fits);
            if told.allowed || !*mine {
                return told;
            }
            let own = held.permission(None, publish, "agent", &|names| !names.is_empty());
            if own.allowed { own } else { told }
        }
    }
}

struct Held<'a> {
    groups: &'a [String],
    scopes: &'a BTreeSet<String>,
    rights: &'a Rights,
}

impl Held<'_> {
    fn mcp(&self, server: &str, act: &Act<'_>) -> Explanation {
        let policy = &self.rights.policy;
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for (name, scope) in policy.held(self.scopes) {
            for (index, rule) in scope.rules.iter().enumerate() {
                let decider = self.decider(name, Some(index + 1), rule.value());
                let Some(half) = lacks(rule, server, act) else {
                    let sentence = format!("rule {} of the scope `{name}` allows it", index + 1);
                    return allowed(sentence, decider);
                };
                let list = if half == Half::Server { &mut far } else { &mut near };
                list.push((half, missing_half(decider, half, server, act)));
            }
        }
        let nothing = match (near.is_empty(), far.is_empty()) {
            (true, false) => Some(format!("no rule that is held is for the server `{server}`")),
            (true, true) => Some("no scope that is held has a rule for servers".to_owned()),
            (false, _) => None,
        };
        if near.is_empty() {
            near = far;
            near.truncate(MOST_FAR);
        }
        // What lacks least comes first.
        near.sort_by_key(|(half, _)| std::cmp::Reverse(*half));
        let opens = |scope: &Scope| scope.rules.iter().any(|rule| lacks(rule, server, act).is_none());
        let missing: Vec<Missing> = near.into_iter().map(|(_, missing)| missing).collect();
        self.denied(missing, nothing, opens, None)
    }

    fn permission(
        &self,
        subject: Option<&str>,
        permission: &str,
        half: &'static str,
        fits: &dyn Fn(&Names) -> bool,
    ) -> Explanation {
        let admin = &self.rights.admin_scope;
        if self.scopes.contains(admin) {
            let decider = self.decider(
                admin,
                None,
                json!("administrators may do everything with the registry"),
            );
            return allowed(format!("the scope `{admin}` makes an administrator"), decider);
        }
        let mut missing = Vec::new();
        for (name, scope) in self.rights.policy.held(self.scopes) {
            for names in permitted(scope, permission) {
                let decider = self.decider(name, None, json!({permission: names.listed("all")}));
                if fits(names) {
                    let sentence = format!("the scope `{name}` gives the permission `{permission}`");
                    return allowed(sentence, decider);
                }
                let subject = subject.map_or_else(|| "anything".to_owned(), |subject| format!("`{subject}`"));
                let sentence =
                    format!("the scope `{name}` gives the permission `{permission}`, but not for {subject}");
                missing.push(Missing {
                    rule: decider,
                    half,
                    sentence,
                });
            }
        }
        let nothing = missing
            .is_empty()
            .then(|| format!("no scope that is held gives the permission `{permission}`"));
        let opens = |scope: &Scope| permitted(scope, permission).any(fits);
        self.denied(missing, nothing, opens, Some(admin))
    }

    fn denied(
        &self,
        missing: Vec<Missing>,
        nothing: Option<String>,
        opens: impl Fn(&Scope) -> bool,
        admin: Option<&String>,
    ) -> Explanation {
        let opening = self.rights.policy.scopes().iter();
        let opening = opening.filter(|(_, scope)| opens(scope)).map(|(name, _)| name);
        let would_open: BTreeSet<String> = opening.chain(admin).cloned().collect();
        let sentence = match (nothing, missing.first()) {
            (Some(nothing), _) if !self.scopes.is_empty() => nothing,
            (None, Some(nearest)) => nearest.sentence.clone(),
            _ if self.groups.is_empty() => "no group and no scope is held".to_owned(),
            _ => format!("the groups {} have no scope", self.groups.join(", ")),
        };
        Explanation {
            allowed: false,
            sentence,
            decided_by: None,
            missing,
            would_open: would_open.into_iter().collect(),
        }
    }

    fn decider(&self, scope: &str, rule: Option<usize>, text: Value) -> Decider {
        let having = self.rights.policy.groups_with(scope);
        let groups = self.groups.iter().filter(|group| having.contains(*group));
        Decider {
            scope: scope.to_owned(),
            groups: groups.cloned().collect(),
            rule,
            text,
        }
    }
}

fn allowed(sentence: String, decider: Decider) -> Explanation {
    Explanation {
        allowed: true,
        sentence,
        decided_by: Some(decider),
        missing: Vec::new(),
        would_open: Vec::new(),
    }
}

fn missing_half(rule: Decider, half: Half, server: &str, act: &Act<'_>) -> Missing {
    let (method, thing) = match act {
        Act::Session => ("of a stream".to_owned(), String::new()),
        Act::Message { method, thing } => (format!("`{method}`"), format!("`{}`", thing.unwrap_or_default())),
        Act::Unseen => ("all of them".to_owned(), "all of them".to_owned()),
    };
    let of = format!(
        "rule {} of the scope `{}`",
        rule.rule.unwrap_or_default(),
        rule.scope
    );
    let (half, sentence) = match half {
        Half::Server => ("server", format!("{of} is for another server than `{server}`")),
        Half::Method => {
            let words = format!("{of} names the server `{server}`, but not the method {method}");
            ("method", words)
        }
        Half::Tool => {
            let words = format!(
                "{of} names the server `{server}` and the method {method}, but not the tool, prompt or resource {thing}"
            );
            ("tool", words)
        }
    };
    Missing { rule, half, sentence }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::access::{Action, decide};
    use crate::domain::identity::Identity;
    use crate::domain::path::ServerPath;
    use crate::domain::policy::Policy;

    fn rights(yaml: &str) -> Rights {
        Rights {
            policy: Policy::parse(yaml).unwrap(),
            admin_scope: "boss".to_owned(),
        }
    }

    fn set(scopes: &[&str]) -> BTreeSet<String> {
        scopes.iter().map(|&scope| scope.to_owned()).collect()
    }

    const POLICY: &str = "
group_mappings: {staff: [few, lists], bosses: [boss]}
UI-Scopes: {few: {list_service: [a]}, wide: {list_service: [all]}}
few: [{server: z}, {server: a, methods: [tools/list, tools/call], tools: [one]}]
lists: [{server: a, methods: [tools/list]}]
wide: [{server: '*', methods: ['*'], tools: ['*']}]
";

    fn call<'a>(server: &'a ServerPath, method: &'a str, thing: Option<&'a str>) -> Call<'a> {
        Call::Mcp {
            server,
            act: Act::Message { method, thing },
        }
    }

    #[test]
    fn the_deciding_rule_or_the_missing_half_is_named() {
        let rights = rights(POLICY);
        let (a, b): (ServerPath, ServerPath) = ("/a".parse().unwrap(), "/b".parse().unwrap());
        let groups = ["staff".to_owned()];
        let scopes = rights.policy.scopes_for(&groups);
        let told = |call: &Call<'_>| explain(&groups, &scopes, call, &rights);
        let yes = told(&call(&a, "tools/call", Some("one")));
        let decider = yes.decided_by.unwrap();
        assert_eq!(
            (decider.scope.as_str(), decider.rule, decider.groups),
            ("few", Some(2), vec!["staff".to_owned()])
        );
        let rows = [
            (call(&a, "tools/call", Some("two")), "tool", "few"),
            (call(&a, "prompts/list", None), "method", "few"),
            (call(&b, "tools/list", None), "server", "few"),
        ];
        for (call, half, scope) in rows {
            let no = told(&call);
            let nearest = no.missing.first().unwrap();
            assert_eq!(
                (nearest.half, nearest.rule.scope.as_str()),
                (half, scope),
                "{call:?}"
            );
            let sentence = match half {
                "server" => "no rule that is held is for the server `b`",
                _ => &nearest.sentence,
            };
            assert_eq!(
                (no.sentence.as_str(), no.would_open),
                (sentence, vec!["wide".to_owned()])
            );
        }
        let list = |service| Call::Registry {
            action: Action::List,
            service,
        };
        assert!(told(&list(Some((&a, "A")))).allowed);
        let no = told(&list(Some((&b, "B"))));
        assert_eq!(no.missing.first().unwrap().half, "service");
        assert_eq!(no.would_open, ["boss", "wide"]);
        let none = explain(&["who".to_owned()], &set(&[]), &Call::Administration, &rights);
        assert_eq!(none.sentence, "the groups who have no scope");
    }

    fn names() -> impl Strategy<Value = Names> {
        let name = prop::sample::select(vec!["a", "b", "/a", "tools/call", "tools/list", "one", "*"]);
        prop::collection::vec(name, 0..3).prop_map(Names::of)
    }

    fn policies() -> impl Strategy<Value = String> {
        let list = |names: Names| serde_json::to_string(&names.listed("*")).unwrap();
        let server = prop::sample::select(vec!["a", "b", "*"]);
        let rule = (server, names(), names(), names()).prop_map(move |(server, methods, tools, agents)| {
            let (methods, tools, agents) = (list(methods), list(tools), list(agents));
            format!(
                "  - {{server: '{server}', methods: {methods}, tools: {tools}}}\n  - {{agents: {{actions: [{{action: get_agent, resources: {agents}}}]}}}}\n"
            )
        });
        let rules = prop::collection::vec(rule, 1..3)
            .prop_map(|rules| rules.concat())
            .boxed();
        let permission = prop::sample::select(vec![
            "list_service",
            "modify_service",
            "get_agent",
            "publish_agent",
        ]);
        let row = (permission, names())
            .prop_map(move |(permission, names)| format!("{permission}: {}", list(names)))
            .boxed();
        (rules.clone(), rules, row.clone(), row).prop_map(|(r1, r2, u1, u2)| {
            format!(
                "s:\n{r1}t:\n{r2}UI-Scopes:\n  s: {{{u1}}}\n  u: {{{u2}}}\ngroup_mappings: {{g: [s, u]}}\n"
            )
        })
    }

    proptest! {
        #[test]
        fn an_explanation_never_disagrees_with_the_decision(
            yaml in policies(),
            held in prop::collection::btree_set(prop::sample::select(vec!["s", "t", "u", "boss", "none"]), 0..4),
            server in prop::sample::select(vec!["/a", "/b", "/c"]),
            method in prop::sample::select(vec!["ping", "tools/call", "tools/list"]),
            thing in prop::option::of(prop::sample::select(vec!["one", "b", "two"])),
            mine: bool,
        ) {
            let rights = rights(&yaml);
            prop_assert_eq!(&Policy::parse(&rights.policy.to_yaml().unwrap()).unwrap(), &rights.policy);
            let scopes: BTreeSet<String> = held.into_iter().map(str::to_owned).collect();
            let who = Identity {
                groups: vec!["g".to_owned()],
                scopes: scopes.clone(),
                ..Identity::sample(&[])
            };
            let path: ServerPath = server.parse().unwrap();
            let mut calls = vec![
                call(&path, method, thing),
                Call::Mcp { server: &path, act: Act::Session },
                Call::Mcp { server: &path, act: Act::Unseen },
                Call::Administration,
            ];
            for service in [None, Some((&path, "one"))] {
                calls.extend(Action::ALL.map(|action| Call::Registry { action, service }));
            }
            for agent in [None, Some(server)] {
                calls.extend(AgentAction::ALL.map(|action| Call::Agent { action, agent, mine }));
            }
            for call in calls {
                let told = explain(&who.groups, &scopes, &call, &rights);
                prop_assert_eq!(told.allowed, decide(&who, &call, &rights).is_ok(), "{:?} {:?}", call, told);
                prop_assert_eq!(told.allowed, told.decided_by.is_some());
                // Whoever gets one of the scopes that would open it may.
                for scope in told.would_open {
                    let more = BTreeSet::from([scope]);
                    prop_assert!(explain(&[], &more, &call, &rights).allowed);
                }
            }
        }
    }
}
