//! The scopes of one group of people: some given, some taken, or all of them.

use std::collections::BTreeSet;

use super::FieldFault;
use super::groups::{Groups, Refused};
use super::identity::{check_in_address, check_name};
use super::scope_document::ScopeChange;

/// What a group shall have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regroup {
    /// It shall have these; they win over those of `take`.
    pub give: BTreeSet<String>,
    /// It shall not have these.
    pub take: BTreeSet<String>,
    /// Whether it is a group that nobody has named yet; else it is one that there is.
    pub is_new: bool,
}

impl Groups {
    /// Give a group of people scopes that there are and take others from it. What it has already, or has not, stays as it
    /// is, and so does what other groups have.
    pub fn regroup(&self, group: &str, wish: &Regroup) -> Result<Vec<ScopeChange>, Refused> {
        let field = |name, words: String| Refused::Field(FieldFault::new(name, words));
        match (wish.is_new, self.policy().groups().contains_key(group)) {
            (true, true) => return Err(Refused::Exists(group.to_owned())),
            (false, false) => return Err(Refused::Unknown(group.to_owned())),
            (true, false) => check_new(group).map_err(|words| field("group_name", words.to_owned()))?,
            (false, true) => {}
        }
        let mut changes = Vec::new();
        for scope in wish.give.union(&wish.take) {
            let gives = wish.give.contains(scope);
            let Some(mut document) = self.policy().document(scope) else {
                if gives {
                    return Err(field("give", format!("there is no scope `{scope}`")));
                }
                continue;
            };
            let is_other = if gives {
                document.groups.insert(group.to_owned())
            } else {
                document.groups.remove(group)
            };
            if is_other {
                changes.push(self.put(document));
            }
        }
        Ok(changes)
    }

    /// Take all its scopes from a group, which is none without them. The scopes stay, and whoever else has them.
    pub fn disband(&self, group: &str) -> Result<Vec<ScopeChange>, Refused> {
        let wish = Regroup {
            take: self.policy().scopes_for(&[group.to_owned()]),
            ..Regroup::default()
        };
        let changes = self.regroup(group, &wish)?;
        if changes.is_empty() {
            return Err(Refused::Empty(group.to_owned()));
        }
        Ok(changes)
    }
}

/// Whether a new group may be called so: its page has an address, and lists of groups have commas between them.
fn check_new(name: &str) -> Result<(), &'static str> {
    check_name(name)?;
    check_in_address(name)?;
    if name.contains(',') {
        return Err("it may hold no comma: lists of groups are separated by commas");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::groups::Source;
    use super::super::policy::Policy;
    use super::*;

    fn groups() -> Groups {
        let file = "
group_mappings: {staff: [staff, tools], others: [tools], bare: []}
staff: [{server: a, methods: ['*'], tools: ['*']}]
tools: [{server: '*', methods: [tools/list]}]
";
        Groups::new(Arc::new(Policy::parse(file).unwrap()), Vec::new())
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn wish(give: &[&str], take: &[&str], is_new: bool) -> Regroup {
        let (give, take) = (names(give), names(take));
        Regroup { give, take, is_new }
    }

    fn has(groups: &Groups, group: &str) -> BTreeSet<String> {
        groups.policy().scopes_for(&[group.to_owned()])
    }

    #[test]
    fn a_group_is_given_scopes_and_loses_others_and_nobody_else_does() {
        let start = groups();
        let change = start.regroup("others", &wish(&["staff"], &["tools", "nothing"], false));
        let moved = start.after(&change.unwrap());
        assert_eq!(has(&moved, "others"), names(&["staff"]));
        assert_eq!(has(&moved, "staff"), has(&start, "staff"));
        assert_eq!(moved.policy().scopes(), start.policy().scopes());
        assert_eq!(
            (moved.group_source("others"), moved.group_source("staff")),
            (Source::Store, Source::File)
        );
        assert_eq!(
            moved.regroup("others", &wish(&["staff"], &["tools"], false)),
            Ok(vec![])
        );
        // Once it says what the file says, the file counts again.
        let back = moved.regroup("others", &wish(&["tools"], &["staff"], false));
        let back = moved.after(&back.unwrap());
        assert_eq!(
            (back.policy(), back.source("tools")),
            (start.policy(), Source::File)
        );
    }

    #[test]
    fn a_group_goes_and_its_scopes_stay_for_the_others() {
        let start = groups();
        let gone = start.after(&start.disband("staff").unwrap());
        assert!(!gone.policy().groups().contains_key("staff"));
        assert_eq!(has(&gone, "others"), names(&["tools"]));
        assert_eq!(gone.policy().scopes(), start.policy().scopes());
        assert_eq!(gone.disband("staff"), Err(Refused::Unknown("staff".to_owned())));
        assert_eq!(gone.disband("bare"), Err(Refused::Empty("bare".to_owned())));
        // A page from before does not bring it back.
        let late = gone.regroup("staff", &wish(&["tools"], &[], false));
        assert_eq!(late, Err(Refused::Unknown("staff".to_owned())));
    }

    #[test]
    fn a_new_group_begins_with_scopes_that_there_are_under_a_name_that_can_be() {
        let start = groups();
        let new = start.after(&start.regroup("Ops Team", &wish(&["tools"], &[], true)).unwrap());
        assert_eq!(has(&new, "Ops Team"), names(&["tools"]));
        assert_eq!(
            new.regroup("Ops Team", &wish(&["staff"], &[], true)),
            Err(Refused::Exists("Ops Team".to_owned()))
        );
        for (group, scope, field) in [
            ("others", "none", "give"),
            (" a", "tools", "group_name"),
            ("..", "tools", "group_name"),
            ("a,b", "tools", "group_name"),
        ] {
            let refused = start.regroup(group, &wish(&[scope], &[], field == "group_name"));
            assert!(
                matches!(refused, Err(Refused::Field(fault)) if fault.field == field),
                "{group}"
            );
        }
    }
}
