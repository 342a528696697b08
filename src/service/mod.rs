//! Use cases: what the product does, one part a file. They are strangers to one another: what two of them need is a
//! type of `domain` on a channel that `app` ties.

pub mod advertised;
pub mod authorize;
pub mod bearers;
pub mod call_log;
pub mod callers;
pub mod catalog;
pub mod devices;
pub mod endpoints;
pub mod explain;
pub mod feed;
pub mod gate;
pub mod login;
pub mod machines;
pub mod mcp_sessions;
pub mod monitor;
pub mod permit;
pub mod permits;
pub mod publisher;
pub mod question;
mod reading;
pub mod refusal;
pub mod registry;
pub mod relay;
pub mod renewal;
pub mod routes;
mod schedule;
pub mod scopes;
mod sieve;
pub mod sign_in;
pub mod stream;
pub mod tokens;
pub mod unsaid;
pub mod until;
pub mod usage;
mod vending;
mod wording;
