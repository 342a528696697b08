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
