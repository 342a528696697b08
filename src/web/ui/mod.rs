//! Pages and forms; post, then redirect, then get.

pub(super) mod assets;
pub(super) mod chrome;
pub(super) mod preferences;
pub(super) mod server_form;
pub(super) mod servers;
