//! A request's body, for as many attempts as it can be sent.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;

use super::body::{Kept, Source};
use crate::snapshot::Route;

/// A request's body, for as many attempts as it can be sent.
pub enum Bodies {
    /// There is none.
    Empty,
    /// It is here whole.
    Whole(Bytes),
    /// It is kept while it passes.
    Kept(Rc<RefCell<Kept>>),
    /// It can be sent only once.
    Once(Option<Source>),
}

impl Bodies {
    /// The body of a request that takes this route.
    pub fn new(route: &Route, body: Source) -> Self {
        match (body, &route.retry) {
            (Source::Empty, _) => Self::Empty,
            (Source::Whole(bytes), _) => Self::Whole(bytes),
            (Source::H1(incoming), retry) => match (incoming.buffered(), retry) {
                (Some(bytes), _) => Self::Whole(bytes),
                (None, Some(retry)) => {
                    Self::Kept(Kept::new(Source::H1(incoming), retry.largest_body() as u64))
                }
                (None, None) => Self::Once(Some(Source::H1(incoming))),
            },
            (body, Some(retry)) => Self::Kept(Kept::new(body, retry.largest_body() as u64)),
            (body, None) => Self::Once(Some(body)),
        }
    }

    /// The body for one attempt.
    pub fn take(&mut self) -> Option<Source> {
        match self {
            Self::Empty => Some(Source::Empty),
            Self::Whole(bytes) => Some(Source::Whole(bytes.clone())),
            Self::Kept(kept) => kept.borrow().can_repeat().then(|| Source::Kept(kept.clone(), 0)),
            Self::Once(body) => body.take(),
        }
    }

    /// Whether there can be another attempt.
    pub fn can_repeat(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => true,
            Self::Kept(kept) => kept.borrow().can_repeat(),
            Self::Once(body) => body.is_some(),
        }
    }

    /// Takes back a body of which nothing was read.
    pub fn put_back(&mut self, body: Source) {
        if let Self::Once(empty) = self {
            *empty = Some(body);
        }
    }
}
