//! Gatehouse
pub mod clock;
pub mod domain;
pub mod mcp;
pub mod nginx;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod watch;
pub mod web;
