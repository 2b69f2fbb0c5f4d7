//! A body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Error;

/// A message body, read from its connection by whoever polls it.
#[derive(Debug, Default)]
pub struct Incoming {
    whole: Bytes,
}

impl Incoming {
    /// No body at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The whole body, when all of it is here already and none of it was read: such a request can be sent again.
    pub fn buffered(&self) -> Option<Bytes> {
        Some(self.whole.clone())
    }
}

impl From<Bytes> for Incoming {
    fn from(whole: Bytes) -> Self {
        Self { whole }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole.len() as u64)
    }
}
