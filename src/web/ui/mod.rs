//! Pages and forms; post, then redirect, then get.

pub(super) mod access;
pub(super) mod assets;
pub(super) mod chrome;
pub(super) mod faults;
pub(super) mod operations;
mod order;
mod paging;
pub(super) mod preferences;
mod question;
pub(super) mod removal;
pub(super) mod server_form;
pub(super) mod server_page;
mod server_row;
pub(super) mod servers;
mod spans;
pub(super) mod tokens;
pub(super) mod tools;
pub(super) mod trial;
pub(super) mod usage;
