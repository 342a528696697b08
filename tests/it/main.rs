//! The one integration binary: the real program, the real nginx, actors over real HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say where"
)]
#![expect(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "nobody outside reads the tests' own items"
)]

mod ailing;
mod architecture;
mod bearers;
mod calls;
mod cli;
mod cli_login;
mod clients;
mod conformance;
mod credentials;
mod e2e;
mod edges;
mod embeddings;
mod faults;
mod feed;
mod first_minute;
mod fixture;
mod gate;
mod groups;
mod harness;
mod health;
mod hostile;
mod keycloak;
mod login;
mod matrix;
mod mcpgw;
mod mcpgw_callers;
mod names;
mod near_valid;
mod pages;
mod pages_access;
mod pages_operations;
mod pages_server;
mod publish;
mod register;
mod rights;
mod search;
mod sessions;
mod sign_in;
mod storm;
mod streams;
mod tls;
mod tokens;
mod trouble;
