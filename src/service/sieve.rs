//! What of a server's lists one caller may see, by the policy as it is when the list passes.

use std::sync::Arc;

use tokio::sync::watch;

use super::catalog::Held;
use crate::domain::access::{LISTS, List, Rights};
use crate::domain::identity::Identity;
use crate::domain::path::ServerPath;
use crate::mcp::listing::Sieve;

const TOOLS: &str = "tools/list";

/// A caller's view of one server's lists.
#[derive(Debug)]
pub(super) struct RightsSieve {
    pub(super) rights: watch::Receiver<Arc<Rights>>,
    pub(super) caller: Arc<Identity>,
    pub(super) server: ServerPath,
    /// Tools that wait for approval: nobody sees them either.
    pub(super) held: watch::Receiver<Arc<Held>>,
}

impl RightsSieve {
    /// Whether there is anything that this caller may not see.
    pub(super) fn cuts(&self) -> bool {
        let rights = self.rights.borrow();
        let some = |list| !rights.may_see_all(&self.caller, &self.server, list);
        self.holds() || LISTS.iter().any(some)
    }

    fn holds(&self) -> bool {
        self.held.borrow().contains_key(self.server.as_str())
    }
}

fn list(key: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.key == key)
}

impl Sieve for RightsSieve {
    fn name_field(&self, key: &str) -> Option<&'static str> {
        let list = list(key)?;
        let all = self.rights.borrow().may_see_all(&self.caller, &self.server, list);
        let held = list.method == TOOLS && self.holds();
        (held || !all).then_some(list.name)
    }

    fn has_key(&self, like: &dyn Fn(&str) -> bool) -> bool {
        LISTS.iter().any(|list| like(list.key))
    }

    fn keeps(&self, key: &str, name: &str) -> bool {
        list(key).is_some_and(|list| {
            let held = self.held.borrow();
            let is_held = list.method == TOOLS
                && held
                    .get(self.server.as_str())
                    .is_some_and(|names| names.contains(name));
            let rights = self.rights.borrow();
            !is_held && rights.may_see_entry(&self.caller, &self.server, list, name)
        })
    }
}
