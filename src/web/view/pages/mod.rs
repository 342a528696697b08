//! A struct for each page, with samples that show its states; a file for each family of pages. The template of a page
//! has its name.

mod chrome;
mod refusal;
mod server_form;
mod servers;
mod sign_in;
mod tools;

use serde::Serialize;
use tera::Tera;

pub use self::chrome::{Chrome, Section};
pub use self::refusal::Refusal;
pub use self::server_form::{Fault, Past, ServerForm, Trial, TrialPart};
pub use self::servers::{Figures, List, Removal, ServerList, ServerRow, Servers, Tab};
pub use self::sign_in::{Authorize, Choice, Login};
pub use self::tools::{ServerTools, ToolDialog, ToolList, ToolView, Tools};
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
    all::<ServerList>(tera, &mut seen)?;
    all::<Removal>(tera, &mut seen)?;
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
