//! Gatehouse: the gateway and registry for MCP servers. The house at the gate that keeps the register.
//!
//! One daemon beside a stock nginx. nginx carries the traffic and asks the daemon about every request; the daemon keeps
//! the servers, decides who may call what, and writes nginx's configuration.
//!
//! # The floors
//!
//! Names point down, never up or sideways; `tests/it/architecture.rs` holds the source against this table.
//!
//! | floor | parts | what they are |
//! |---|---|---|
//! | 5 | [`cli`] | the commands |
//! | 4 | [`app`], [`config`] | assembly: read the settings, build, run, stop |
//! | 3 | [`web`] | the HTTP face: pages, API, and nginx's questions |
//! | 2 | [`service`] | use cases, strangers to one another |
//! | 1 | [`store`], [`nginx`], [`token`], [`mcp`], [`watch`], [`telemetry`], [`demo`], [`ec2`], [`idp`], [`embed`], [`index`] | drivers: each wraps one outside thing |
//! | 0 | [`domain`], [`clock`] | words and decisions, without waiting or I/O; the time |
//!
//! # Where to start reading
//!
//! The decision is [`domain::access::decide`]. A tool call's way is `web::body_gate` → [`service::gate`] → nginx or
//! [`service::relay`]. A registration's way is `web::api::servers` → [`service::registry`] → [`store`] →
//! [`service::routes`] (live from here on) → [`service::publisher`] → [`nginx::Nginx::apply`].
//!
//! # Invariants
//!
//! Each stands at the top of the module that keeps it.
//!
//! 1. `domain` neither waits nor reads the world.
//! 2. Nothing that parsed can break out of its place in nginx.conf ([`domain::path`], [`domain::upstream`]).
//! 3. One store method is one transaction ([`store`]).
//! 4. The store is the truth; routes and nginx.conf are made from it ([`service::routes`]).
//! 5. nginx always runs the last configuration it accepted ([`nginx`]).
//! 6. A configuration is believed only when nginx answers the hash of its text; a block is named only to a worker
//!    whose text has it ([`service::publisher`], [`service::gate`]).
//! 7. One bad server cannot hold up the others ([`service::publisher`]).
//! 8. Every yes comes from [`domain::access::decide`] and is a `Permit`.
//! 9. Identity headers from outside never reach an upstream ([`domain::headers`]).
//! 10. The gate fails closed, does no SQL for a signed token, and never logs a credential ([`service::callers`]).
//! 11. Rights are applied before a list is cut to a page ([`service::registry`]).
//! 12. Rights under which nobody could administer never count ([`service::scopes`]).
//! 13. A call has one row: rows and the place of the log are one transaction ([`service::call_log`]); one that we make
//!     ourselves has its row before its answer ([`service::invoke`]).
//! 14. Only `config` reads the environment, only `token::random` makes randomness, only `clock` knows the time, only
//!     `app::tasks` spawns (`.clippy.toml`).

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod ec2;
pub mod embed;
pub mod idp;
pub mod index;
pub mod mcp;
pub mod nginx;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod watch;
pub mod web;
