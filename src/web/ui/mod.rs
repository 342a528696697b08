//! Pages and forms; post, then redirect, then get.

pub(super) mod assets;
pub(super) mod chrome;
pub(super) mod preferences;
pub(super) mod removal;
pub(super) mod server_form;
mod server_row;
pub(super) mod servers;
pub(super) mod tools;
pub(super) mod trial;
