//! A value that must not be seen.
//!
//! **Invariant:** a [`Secret`] has no `Display`, and its `Debug` prints stars, so no log line can hold one.

use std::fmt;

/// A password, token or key. Read it with [`Secret::expose`], and only where it is used.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wrap a value from the first line it is known.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
