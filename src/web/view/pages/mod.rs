//! A struct for each page, with samples that show its states; a file for each family of pages. The template of a page
//! has its name.

mod access;
mod aspect;
mod chrome;
mod explain;
mod operations;
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
pub use self::operations::{LogPart, NginxText, Operations, Reason};
pub use self::refusal::Refusal;
pub use self::server_form::{Fault, Past, ServerForm, Trial, TrialPart};
pub use self::server_page::{
    CallsPart, DiffLine, Offer, Opening, Portrait, ServerPage, ToolCalls, VersionRow,
};
pub use self::servers::{Figures, List, Removal, ServerList, ServerRow, Servers, Tab};
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

/// Render every page with every sample.
pub(super) fn check(tera: &Tera) -> Result<(), Error> {
    fn all<P: Page>(tera: &Tera) -> Result<(), Error> {
        P::samples()
            .iter()
            .try_for_each(|sample| render(tera, sample).map(drop))
    }
    all::<Login>(tera)?;
    all::<Authorize>(tera)?;
    all::<Refusal>(tera)?;
    all::<Servers>(tera)?;
    all::<ServerPage>(tera)?;
    all::<UsagePage>(tera)?;
    all::<Operations>(tera)?;
    all::<NginxText>(tera)?;
    all::<AccessPage>(tera)?;
    all::<ScopePage>(tera)?;
    all::<KeysPage>(tera)?;
    all::<MachinesPage>(tera)?;
    all::<SessionsPage>(tera)?;
    all::<ExplainPage>(tera)?;
    all::<TokensPage>(tera)?;
    all::<ServerList>(tera)?;
    all::<Removal>(tera)?;
    all::<Tools>(tera)?;
    all::<ToolList>(tera)?;
    all::<ServerTools>(tera)?;
    all::<ToolDialog>(tera)?;
    all::<ServerForm>(tera)?;
    all::<TrialPart>(tera)
}

/// What somebody may call a server, a tool or a reason to break a page: markup, a turn of the reading direction, and ten
/// thousand characters without a space.
fn hostile() -> String {
    format!("</td><script>alert(1)</script>\"'&\u{202e}{}", "x".repeat(10_000))
}
