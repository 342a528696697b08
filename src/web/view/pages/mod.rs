//! A struct for each page, with samples that show its states; a file for each family of pages. The template of a page
//! has its name.

mod access;
mod aspect;
mod chrome;
mod explain;
mod group;
mod offer;
mod operations;
mod pager;
mod question;
mod refusal;
mod sample;
mod server_form;
mod server_page;
mod servers;
mod sign_in;
mod tokens;
mod tools;
mod usage;

use serde::Serialize;
use tera::Tera;

pub use self::access::{
    AccessPage, GroupRow, KeyRow, KeysPage, MachineRow, MachinesPage, ScopePage, ScopeRow, SessionRow,
    SessionsPage,
};
pub use self::aspect::Aspect;
pub use self::chrome::{Chrome, Section};
pub use self::explain::{Asked, ExplainPage, Verdict};
pub use self::group::{GroupPage, GroupScope};
pub use self::offer::{Approval, Diff, DiffLine, Held, Offer, VersionRow};
pub use self::operations::{LogPart, NginxText, Operations, Reason};
pub use self::pager::Pager;
pub use self::question::Question;
pub use self::refusal::Refusal;
pub use self::server_form::{Fault, Past, ServerForm, Trial, TrialPart};
pub use self::server_page::{CallsPart, Opening, Portrait, ServerPage, ToolCalls};
pub use self::servers::{Column, Direction, Figures, List, ServerList, ServerRow, Servers, Tab};
pub use self::sign_in::{Authorize, Choice, Login};
pub use self::tokens::{MadeToken, TokenRow, TokenWish, TokensPage};
pub use self::tools::{ServerTools, ToolDialog, ToolList, ToolView, Tools};
pub use self::usage::{CallFilter, CallRow, UsagePage};
use super::{Error, render};

/// A page: which file shows it, and in which states it is tried.
pub trait Page: Serialize + Sized {
    /// The template's name under `templates/`.
    const NAME: &'static str;

    /// Empty, full, refused, hostile: each state a person can see.
    fn samples() -> Vec<Self>;
}

/// Render every page with every sample, for `seen` to look at.
pub(super) fn check(tera: &Tera, mut seen: impl FnMut(&'static str, &str)) -> Result<(), Error> {
    fn all<P: Page>(tera: &Tera, seen: &mut impl FnMut(&'static str, &str)) -> Result<(), Error> {
        for sample in P::samples() {
            seen(P::NAME, &render(tera, &sample)?);
        }
        Ok(())
    }
    all::<Login>(tera, &mut seen)?;
    all::<Authorize>(tera, &mut seen)?;
    all::<Refusal>(tera, &mut seen)?;
    all::<Servers>(tera, &mut seen)?;
    all::<ServerPage>(tera, &mut seen)?;
    all::<UsagePage>(tera, &mut seen)?;
    all::<Operations>(tera, &mut seen)?;
    all::<NginxText>(tera, &mut seen)?;
    all::<AccessPage>(tera, &mut seen)?;
    all::<ScopePage>(tera, &mut seen)?;
    all::<GroupPage>(tera, &mut seen)?;
    all::<KeysPage>(tera, &mut seen)?;
    all::<MachinesPage>(tera, &mut seen)?;
    all::<SessionsPage>(tera, &mut seen)?;
    all::<ExplainPage>(tera, &mut seen)?;
    all::<TokensPage>(tera, &mut seen)?;
    all::<ServerList>(tera, &mut seen)?;
    all::<Question>(tera, &mut seen)?;
    all::<Tools>(tera, &mut seen)?;
    all::<ToolList>(tera, &mut seen)?;
    all::<ServerTools>(tera, &mut seen)?;
    all::<ToolDialog>(tera, &mut seen)?;
    all::<ServerForm>(tera, &mut seen)?;
    all::<TrialPart>(tera, &mut seen)
}

/// What somebody may call a server, a tool or a reason to break a page: markup, a turn of the reading direction, and ten
/// thousand characters without a space.
fn hostile() -> String {
    format!("</td><script>alert(1)</script>\"'&\u{202e}{}", "x".repeat(10_000))
}
