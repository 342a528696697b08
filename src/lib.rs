//! Gatehouse
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod mcp;
pub mod nginx;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod watch;
pub mod web;
