//! Ready values out of a request, or a Problem.

pub(crate) mod agent;
pub(crate) mod change;
pub(crate) mod client_ip;
pub(crate) mod path;
pub(crate) mod questions;
pub(crate) mod visitor;
