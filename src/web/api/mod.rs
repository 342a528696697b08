//! JSON, one resource a file.

pub(super) mod access;
pub(super) mod calls;
pub(super) mod catalog;
pub(super) mod group_changes;
pub(super) mod groups;
pub(super) mod health;
pub(super) mod machines;
pub(super) mod management;
pub(super) mod me;
pub(super) mod record;
pub(super) mod search;
pub(super) mod servers;
pub(super) mod sessions;
pub(super) mod tokens;
