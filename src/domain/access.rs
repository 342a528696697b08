//! The only place that says yes.
//!
//! A call is allowed if *one* rule of *one* of the caller's scopes names the server, **and** the method, **and**, for
//! whatever names a thing (a tool, a prompt, a resource), the thing. Rules add up; nothing denies. Methods that only
//! open, keep or close a conversation ([`LIFECYCLE`]) need a rule for the server alone: a caller who may call one
//! tool must be able to say hello first.
//!
//! **Invariant:** a [`Permit`] cannot be made outside this file.

use super::identity::Identity;
use super::path::{ServerPath, is_other_name};
use super::policy::{Names, Policy, Rule};

/// Methods that a rule for the server is enough for; they do nothing but hold a conversation together.
pub const LIFECYCLE: &[&str] = &[
    "initialize",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
];

/// The method that uses a tool.
const TOOL_CALL: &str = "tools/call";

/// A list that a server gives, and what its entries are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// The method that asks for it.
    pub method: &'static str,
    /// Where it stands in the result.
    pub key: &'static str,
    /// The method that uses an entry.
    pub uses: &'static str,
    /// The field of an entry that a rule names.
    pub name: &'static str,
}

/// All lists of MCP: callers see what they may use, and nothing else.
pub const LISTS: &[List] = &[
    List {
        method: "tools/list",
        key: "tools",
        uses: "tools/call",
        name: "name",
    },
    List {
        method: "prompts/list",
        key: "prompts",
        uses: "prompts/get",
        name: "name",
    },
    List {
        method: "resources/list",
        key: "resources",
        uses: "resources/read",
        name: "uri",
    },
    List {
        method: "resources/templates/list",
        key: "resourceTemplates",
        uses: "resources/read",
        name: "uriTemplate",
    },
];

/// What somebody wants to do with the registry itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See a server in lists and details.
    List,
    /// Register a new server.
    Register,
    /// Change a server's record.
    Modify,
    /// Ask a server now how it is.
    CheckHealth,
    /// Switch a server on or off.
    Toggle,
    /// Remove a server.
    Delete,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::List,
        Self::Register,
        Self::Modify,
        Self::CheckHealth,
        Self::Toggle,
        Self::Delete,
    ];

    /// The permission's name in `UI-Scopes`.
    pub fn permission(self) -> &'static str {
        match self {
            Self::List => "list_service",
            Self::Register => "register_service",
            Self::Modify => "modify_service",
            Self::CheckHealth => "health_check_service",
            Self::Toggle => "toggle_service",
            Self::Delete => "delete_service",
        }
    }
}

/// What somebody wants to do with agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentAction {
    /// See an agent in lists.
    List,
    /// See its card.
    Get,
    /// Register one.
    Publish,
    /// Change one.
    Modify,
    /// Remove one.
    Delete,
}

impl AgentAction {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::List, Self::Get, Self::Publish, Self::Modify, Self::Delete];

    /// The permission's name in `UI-Scopes`, and the action's in rules for agents.
    pub fn permission(self) -> &'static str {
        match self {
            Self::List => "list_agents",
            Self::Get => "get_agent",
            Self::Publish => "publish_agent",
            Self::Modify => "modify_agent",
            Self::Delete => "delete_agent",
        }
    }
}

/// What a call on a mount path does, as far as rights care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// No method in sight: a stream, the end of a session, an answer to the server's own question.
    Session,
    /// A JSON-RPC request or notification.
    Message {
        /// The method, letter by letter.
        method: &'a str,
        /// The tool, prompt or resource that it names.
        thing: Option<&'a str>,
    },
    /// A body that could not be seen: only a rule of all methods and all tools will do.
    Unseen,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// Something on a mount path.
    Mcp {
        /// Which server.
        server: &'a ServerPath,
        /// What of it.
        act: Act<'a>,
    },
    /// Something with the registry.
    Registry {
        /// What.
        action: Action,
        /// Which server, by path and display name; none when a new one is made.
        service: Option<(&'a ServerPath, &'a str)>,
    },
    /// Something with agents.
    Agent {
        /// What.
        action: AgentAction,
        /// Which agent, by its path; none means any at all.
        agent: Option<&'a str>,
        /// Whether the caller registered it. Whoever may publish agents may do anything with their own.
        mine: bool,
    },
    /// Something for administrators alone.
    Administration,
}

/// Proof that [`decide`] said yes. What changes something takes one as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    actor: String,
    administrator: bool,
}

impl Permit {
    /// Who was allowed.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// Whether they are an administrator.
    pub fn is_administrator(&self) -> bool {
        self.administrator
    }

    /// For the owner of the data folder, at the command line and at the first start: who may read the store's file
    /// needs no other right.
    pub fn of_the_operator() -> Self {
        Self {
            actor: "operator".to_owned(),
            administrator: true,
        }
    }
}

/// A no. It says nothing that a restricted caller could learn from: a denied tool and an unknown one look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("your scopes do not allow this")]
pub struct Denied;

/// The scope whose holders are administrators, and the rules.
#[derive(Debug, Clone)]
pub struct Rights {
    /// What `auth/scopes.yml` says.
    pub policy: Policy,
    /// The name of the administrators' scope.
    pub admin_scope: String,
}

impl Rights {
    /// Whether they hold the administrators' scope.
    pub fn is_administrator(&self, who: &Identity) -> bool {
        who.scopes.contains(&self.admin_scope)
    }

    /// Whether they may see this entry of one of a server's lists: one rule names the server and the entry, and either
    /// the method that uses it or the list itself.
    pub fn may_see_entry(&self, who: &Identity, server: &ServerPath, list: &List, thing: &str) -> bool {
        self.lists(who, server, list).any(|rule| rule.tools.has(thing))
    }

    /// Whether they may see whatever stands in that list.
    pub fn may_see_all(&self, who: &Identity, server: &ServerPath, list: &List) -> bool {
        self.lists(who, server, list).any(|rule| rule.tools == Names::All)
    }

    /// The tools of a server that they may call: what [`decide`] says of each, for all of them at once.
    pub fn callable<'a>(&'a self, who: &'a Identity, server: &ServerPath) -> Callable<'a> {
        let act = Act::Session;
        if !is_within_bounds(who, &Call::Mcp { server, act }) {
            return Callable(Vec::new());
        }
        let rules = self.policy.rules(&who.scopes);
        let rules = rules.filter(|rule| rule.names_server(server) && rule.methods.has(TOOL_CALL));
        Callable(rules.map(|rule| &rule.tools).collect())
    }

    /// Whether they may find this server: they may see it, and hold no token that is for another one alone.
    pub fn may_find(&self, who: &Identity, server: &ServerPath, name: &str) -> bool {
        let act = Act::Session;
        self.may_see(who, server, name) && is_within_bounds(who, &Call::Mcp { server, act })
    }

    fn lists<'a>(
        &'a self,
        who: &'a Identity,
        server: &'a ServerPath,
        list: &'a List,
    ) -> impl Iterator<Item = &'a Rule> {
        let rules = self.policy.rules(&who.scopes);
        rules.filter(move |rule| {
            rule.names_server(server) && (rule.methods.has(list.method) || rule.methods.has(list.uses))
        })
    }

    /// Whether they may see this server in lists: by a UI permission, or because they may call it.
    pub fn may_see(&self, who: &Identity, path: &ServerPath, name: &str) -> bool {
        let call = Call::Registry {
            action: Action::List,
            service: Some((path, name)),
        };
        decide(who, &call, self).is_ok() || self.policy.rules(&who.scopes).any(|rule| rule.names_server(path))
    }
}

/// Tools of one server that somebody may call.
#[derive(Debug, Clone)]
pub struct Callable<'a>(Vec<&'a Names>);

impl Callable<'_> {
    /// Whether this one is among them.
    pub fn has(&self, tool: &str) -> bool {
        self.0.iter().any(|names| names.has(tool))
    }

    /// Whether all are, whatever they are called.
    pub fn has_all(&self) -> bool {
        self.0.contains(&&Names::All)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|names| names.is_empty())
    }
}

/// The half of a rule that a call lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Half {
    /// The rule is for another server.
    Server,
    /// It does not name the method.
    Method,
    /// It names the method, but not the tool, prompt or resource.
    Tool,
}

/// What of this rule does not fit a call; nothing, if the rule alone allows it.
pub fn lacks(rule: &Rule, server: &str, act: &Act<'_>) -> Option<Half> {
    if !rule.names(server) {
        return Some(Half::Server);
    }
    let (method, thing) = match act {
        Act::Session => return None,
        Act::Message { method, thing: None } if LIFECYCLE.contains(method) => return None,
        Act::Message { method, thing } => (
            rule.methods.has(method),
            thing.is_none_or(|thing| rule.tools.has(thing)),
        ),
        Act::Unseen => (rule.methods == Names::All, rule.tools == Names::All),
    };
    match (method, thing) {
        (false, _) => Some(Half::Method),
        (true, false) => Some(Half::Tool),
        (true, true) => None,
    }
}

/// Whether a permission for these names is one for this service; none means any at all.
pub fn permits_service(names: &Names, service: Option<(&ServerPath, &str)>) -> bool {
    match service {
        Some((path, name)) => names.has(path.name()) || names.has(path.as_str()) || names.has(name),
        None => !names.is_empty(),
    }
}

/// Whether a permission for these names is one for this agent; none means any at all.
pub fn permits_agent(names: &Names, agent: Option<&str>) -> bool {
    agent.map_or(!names.is_empty(), |agent| names.has_agent(agent))
}

/// Decide one call.
pub fn decide(who: &Identity, call: &Call<'_>, rights: &Rights) -> Result<Permit, Denied> {
    let administrator = rights.is_administrator(who);
    if !is_within_bounds(who, call) {
        return Err(Denied);
    }
    let has = |permission, fits: &dyn Fn(&Names) -> bool| rights.policy.ui(&who.scopes, permission).any(fits);
    let yes = match call {
        Call::Administration => administrator,
        Call::Registry { action, service } => {
            administrator || has(action.permission(), &|names| permits_service(names, *service))
        }
        Call::Agent { action, agent, mine } => {
            administrator
                || has(action.permission(), &|names| permits_agent(names, *agent))
                || (*mine && has(AgentAction::Publish.permission(), &|names| !names.is_empty()))
        }
        Call::Mcp { server, act } => {
            let mut rules = rights.policy.rules(&who.scopes);
            rules.any(|rule| lacks(rule, server.name(), act).is_none())
        }
    };
    if yes {
        Ok(Permit {
            actor: who.account(),
            administrator,
        })
    } else {
        Err(Denied)
    }
}

/// A token that was issued for one server alone opens nothing else, and nothing of the registry (RFC 8707 section 2.2).
fn is_within_bounds(who: &Identity, call: &Call<'_>) -> bool {
    let Some(bound) = &who.bound_to else {
        return true;
    };
    match call {
        Call::Mcp { server, .. } => bound.iter().any(|path| {
            if server.is_ours() && is_other_name(path) {
                return true;
            }
            let rest = path.strip_prefix(server.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        Call::Registry { .. } | Call::Agent { .. } | Call::Administration => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "
UI-Scopes:
  lister: {list_service: [time, Weather Service], toggle_service: [all]}
reader: [{server: time, methods: [tools/list]}]
caller: [{server: time, methods: [tools/call], tools: [now]}]
wild-tools: [{server: time, methods: [tools/list], tools: ['*']}]
root: [{server: '*', methods: [all], tools: ['*']}]
";

    fn rights() -> Rights {
        Rights {
            policy: Policy::parse(POLICY).unwrap(),
            admin_scope: "boss".to_owned(),
        }
    }

    #[test]
    fn what_is_callable_is_what_is_decided() {
        let rights = rights();
        let scopes: [&[&str]; 7] = [
            &[],
            &["reader"],
            &["caller"],
            &["wild-tools"],
            &["caller", "wild-tools"],
            &["root"],
            &["lister"],
        ];
        for scopes in scopes {
            let mut who = Identity::sample(scopes);
            for bound in [None, Some(vec!["/time".to_owned()])] {
                who.bound_to = bound;
                for path in ["/time", "/other"] {
                    let server: ServerPath = path.parse().unwrap();
                    let callable = rights.callable(&who, &server);
                    for tool in ["now", "now2"] {
                        let act = Act::Message {
                            method: "tools/call",
                            thing: Some(tool),
                        };
                        let call = Call::Mcp { server: &server, act };
                        let decided = decide(&who, &call, &rights).is_ok();
                        assert_eq!(callable.has(tool), decided, "{who:?} {path} {tool}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_row_of_the_mcp_table_holds() {
        let message = |method, thing| Act::Message { method, thing };
        let rows: &[(&[&str], &str, Act<'_>, bool)] = &[
            (&[], "/time", Act::Session, false),
            (&["unknown"], "/time", Act::Session, false),
            (&["reader"], "/time", Act::Session, true),
            (&["reader"], "/other", Act::Session, false),
            (&["reader"], "/time", message("initialize", None), true),
            (&["reader"], "/other", message("initialize", None), false),
            (&["reader"], "/time", message("tools/list", None), true),
            (&["reader"], "/time", message("Tools/list", None), false),
            (&["reader"], "/time", message("tools/call", Some("now")), false),
            (&["caller"], "/time", message("tools/call", Some("now")), true),
            (&["caller"], "/time", message("tools/call", Some("now2")), false),
            (&["caller"], "/time", message("tools/call", None), true),
            (&["caller"], "/time", message("tools/list", None), false),
            // A wildcard in tools opens no method.
            (
                &["wild-tools"],
                "/time",
                message("tools/call", Some("now")),
                false,
            ),
            (&["wild-tools"], "/time", Act::Unseen, false),
            // The halves of two rules do not make a whole one.
            (
                &["caller", "wild-tools"],
                "/time",
                message("tools/call", Some("other")),
                false,
            ),
            (&["root"], "/time", message("tools/call", Some("x")), true),
            (&["root"], "/time", Act::Unseen, true),
            // Being an administrator is no rule for a server.
            (&["boss"], "/time", Act::Session, false),
        ];
        for (scopes, path, act, expected) in rows {
            let server = path.parse().unwrap();
            let decided = decide(
                &Identity::sample(scopes),
                &Call::Mcp {
                    server: &server,
                    act: *act,
                },
                &rights(),
            );
            assert_eq!(decided.is_ok(), *expected, "{scopes:?} {path} {act:?}");
        }
    }

    #[test]
    fn registry_permissions_take_path_names_and_display_names() {
        let rights = rights();
        let (time, weather) = ("/time".parse().unwrap(), "/weather".parse().unwrap());
        let asks = |scopes: &[&str], action, path, name| {
            decide(
                &Identity::sample(scopes),
                &Call::Registry {
                    action,
                    service: Some((path, name)),
                },
                &rights,
            )
            .is_ok()
        };
        assert!(asks(&["lister"], Action::List, &time, "Current time"));
        assert!(asks(&["lister"], Action::List, &weather, "Weather Service"));
        assert!(!asks(&["lister"], Action::List, &weather, "Other"));
        assert!(asks(&["lister"], Action::Toggle, &weather, "Other"));
        assert!(!asks(&["lister"], Action::Modify, &weather, "Other"));
        assert!(asks(&["boss"], Action::Modify, &weather, "Other"));
        assert!(
            rights.may_see(&Identity::sample(&["reader"]), &time, "x")
                && !rights.may_see(&Identity::sample(&["reader"]), &weather, "x")
        );
        // A scope that reads everything is no administrator.
        assert!(decide(&Identity::sample(&["root"]), &Call::Administration, &rights).is_err());
    }

    #[test]
    fn each_action_has_a_permission_of_its_own_and_an_empty_list_permits_nothing() {
        let policy = "
UI-Scopes:
  list_service: {list_service: [time]}
  register_service: {register_service: [all]}
  modify_service: {modify_service: [Time of day]}
  health_check_service: {health_check_service: [/time]}
  toggle_service: {toggle_service: ['*']}
  delete_service: {delete_service: time}
  nothing: {list_service: [], register_service: [], modify_service: [], toggle_service: [], delete_service: []}
";
        let rights = Rights {
            policy: Policy::parse(policy).unwrap(),
            admin_scope: "boss".to_owned(),
        };
        let time = "/time".parse().unwrap();
        for held in Action::ALL
            .map(Action::permission)
            .into_iter()
            .chain(["nothing", "boss"])
        {
            for action in Action::ALL {
                for service in [None, Some((&time, "Time of day"))] {
                    let call = Call::Registry { action, service };
                    let expected = held == "boss" || held == action.permission();
                    let decided = decide(&Identity::sample(&[held]), &call, &rights);
                    assert_eq!(decided.is_ok(), expected, "{held} {action:?} {service:?}");
                }
            }
        }
    }

    /// The sample file's people and the agents that they may see (technical guide, section 4.5.3; its tests 7 to 14).
    #[test]
    fn the_agent_cases_of_the_access_control_tests_hold_for_the_shipped_scopes() {
        let rights = Rights {
            policy: Policy::parse(include_str!("../../auth/scopes.yml")).unwrap(),
            admin_scope: "mcp-registry-admin".to_owned(),
        };
        let agents = [
            "/code-reviewer",
            "/test-automation",
            "/data-analysis",
            "/security-analyzer",
        ];
        let bot = |group: &str| {
            let scopes = rights.policy.scopes_for(&[group.to_owned()]);
            Identity {
                scopes,
                ..Identity::sample(&[])
            }
        };
        let allowed = |group: &str, action, agent: Option<&str>, mine| {
            let call = Call::Agent { action, agent, mine };
            decide(&bot(group), &call, &rights).is_ok()
        };
        let rows: &[(&str, &[&str])] = &[
            ("registry-users-lob1", &["/code-reviewer", "/test-automation"]),
            ("registry-users-lob2", &["/data-analysis", "/security-analyzer"]),
            ("registry-admins", &agents),
            ("mcp-registry-admin", &agents),
            ("mcp-registry-user", &[]),
        ];
        for (group, seen) in rows {
            for agent in agents {
                for (action, spelled) in [
                    (AgentAction::List, agent),
                    (AgentAction::Get, agent),
                    (AgentAction::Get, agent.trim_start_matches('/')),
                ] {
                    let yes = allowed(group, action, Some(spelled), false);
                    assert_eq!(yes, seen.contains(&agent), "{group} {action:?} {spelled}");
                }
            }
        }
        for (lob, own, other) in [
            ("registry-users-lob1", "/code-reviewer", "/data-analysis"),
            ("registry-users-lob2", "/data-analysis", "/code-reviewer"),
        ] {
            assert!(allowed(lob, AgentAction::Publish, None, false));
            assert!(allowed(lob, AgentAction::Publish, Some(own), false));
            assert!(!allowed(lob, AgentAction::Publish, Some(other), false));
            for action in [AgentAction::Modify, AgentAction::Delete] {
                assert!(allowed(lob, action, Some(own), true), "{lob} {action:?} its own");
                assert!(
                    !allowed(lob, action, Some(own), false),
                    "{lob} {action:?} a colleague's"
                );
                assert!(
                    !allowed(lob, action, Some(other), false),
                    "{lob} {action:?} another's"
                );
            }
        }
        for action in AgentAction::ALL {
            assert!(
                allowed("registry-admins", action, Some("/any"), false),
                "{action:?}"
            );
            assert!(
                !allowed("mcp-registry-user", action, Some("/any"), true),
                "{action:?}"
            );
        }
    }

    #[test]
    fn rules_for_agents_count_like_permissions() {
        let policy = "s: [{agents: {actions: [{action: get_agent, resources: [a]}, {action: list_agents, resources: [all]}, {action: register_service, resources: [all]}]}}]";
        let rights = Rights {
            policy: Policy::parse(policy).unwrap(),
            admin_scope: "boss".to_owned(),
        };
        let rows = [
            (AgentAction::Get, "/a", true),
            (AgentAction::Get, "/b", false),
            (AgentAction::List, "/b", true),
            (AgentAction::Delete, "/a", false),
        ];
        for (action, agent, expected) in rows {
            let call = Call::Agent {
                action,
                agent: Some(agent),
                mine: false,
            };
            assert_eq!(
                decide(&Identity::sample(&["s"]), &call, &rights).is_ok(),
                expected,
                "{action:?} {agent}"
            );
        }
        for action in Action::ALL {
            let call = Call::Registry {
                action,
                service: None,
            };
            assert!(
                decide(&Identity::sample(&["s"]), &call, &rights).is_err(),
                "{action:?}"
            );
        }
        for action in AgentAction::ALL {
            assert!(crate::domain::scope::AGENT_PERMISSIONS.contains(&action.permission()));
        }
    }
}
