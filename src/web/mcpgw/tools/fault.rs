//! Why a tool did not do what it was asked, in words that a language model can act on: what is wrong, and what to do next.

use std::fmt;

use crate::domain::Kind;
use crate::service::{invoke, registry, search};
use crate::web::problem::Problem;

/// What is wrong, and what to do next.
#[derive(Debug)]
pub(super) struct Fault {
    wrong: String,
    next: String,
}

impl Fault {
    pub(super) fn new(wrong: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            wrong: wrong.into(),
            next: next.into(),
        }
    }

    /// Arguments of our own tool that do not fit.
    pub(super) fn arguments(tool: &str, faults: &[String]) -> Self {
        let wrong = format!(
            "The arguments of `{tool}` do not fit its schema: {}",
            faults.join("; ")
        );
        Self::new(wrong, "Correct them and call again.")
    }

    /// A server that is not there, or that the caller may not use: they learn no difference.
    pub(super) fn no_server(name: &str) -> Self {
        Self::new(
            format!("There is no server `{name}` that you may use"),
            "Call `list_services` for the paths of those that you may use.",
        )
    }

    /// Why a server was not found by what the caller calls it.
    pub(super) fn of_server(error: registry::Error, name: &str) -> Self {
        match error {
            registry::Error::Unknown | registry::Error::Denied(_) => Self::no_server(name),
            other => other.into(),
        }
    }

    fn of_kind(kind: Kind, words: &str) -> Self {
        let next = match kind {
            Kind::Invalid | Kind::Refused => "Correct the arguments and call again.",
            Kind::Unauthenticated => "Sign in again.",
            Kind::Forbidden => {
                "Do not try again: ask an administrator for the permission. `debug_auth_context` shows what you have."
            }
            Kind::NotFound => "Call `list_services` for the servers that there are.",
            Kind::Conflict => "Call `list_services` to see what is there, then use another path or name.",
            Kind::TooMany(_) | Kind::Unavailable => "Try again in a few seconds.",
            Kind::Internal => "Do not try again: tell an administrator, who finds the cause in the log.",
        };
        Self::new(words, next)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = self.wrong.trim_end_matches('.');
        let mut letters = wrong.chars();
        let first = letters.next().map(char::to_uppercase).into_iter().flatten();
        write!(
            f,
            "{}{}. {}",
            first.collect::<String>(),
            letters.as_str(),
            self.next
        )
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::of_kind(problem.kind(), problem.detail())
    }
}

impl From<registry::Error> for Fault {
    fn from(error: registry::Error) -> Self {
        Problem::from(error).into()
    }
}

impl From<search::Error> for Fault {
    fn from(error: search::Error) -> Self {
        Problem::from(error).into()
    }
}

impl Fault {
    /// Why a call of `tool` at `server` did not come about, or failed there.
    pub(super) fn of_call(error: &invoke::Error, tool: &str, server: &str) -> Self {
        let wrong = match error {
            invoke::Error::Denied => format!("your scopes do not allow calling `{tool}` of {server}"),
            invoke::Error::Arguments(_) => format!("`{tool}` of {server}: {error}"),
            _ => format!("`{tool}` of {server} could not be called: {error}"),
        };
        match error {
            invoke::Error::Denied => Self::new(
                wrong,
                "Use a tool that `intelligent_tool_finder` shows you, or ask an administrator for the right.",
            ),
            invoke::Error::Arguments(_) => Self::new(
                wrong,
                "Read the tool's schema (`get_service_tools` shows it), correct the arguments and call again.",
            ),
            invoke::Error::Held => Self::new(
                wrong,
                "Use another tool, or ask an administrator to approve this one.",
            ),
            invoke::Error::Upstream(failure) if failure.wants_credential() => Self::new(
                wrong,
                format!(
                    "If it wants a credential of your own, which this tool does not pass on, call it with an MCP client at \
                     its own address through the gateway (`{server}/mcp`): your credential for it in `Authorization`, your \
                     token of the gateway in `X-Authorization`."
                ),
            ),
            invoke::Error::Upstream(_) => Self::new(
                wrong,
                "If the words name a fault in the arguments, correct it; else try again later or use another tool.",
            ),
            other => Self::of_kind(other.kind(), &wrong),
        }
    }
}
