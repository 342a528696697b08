//! How long a stream may stay open: until the question that opened it would be refused (a token expires or is revoked,
//! a session ends, a rule or the server goes).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Ready when the stream must end.
pub struct Until(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Until {
    pub(super) fn new(ends: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(ends))
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Until")
    }
}
