//! Gatehouse: the gateway and registry for MCP servers. The house at the gate keeps the register.
pub mod clock;
pub mod domain;
pub mod mcp;
pub mod store;
