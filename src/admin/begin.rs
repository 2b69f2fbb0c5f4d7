//! A drill that is asked for.

use std::num::NonZeroU32;

use tokio::sync::oneshot;

use crate::{
    drill::{Mode, Runbook, profile::Profile},
    units::Span,
};

/// A drill that somebody asks for, on its way to whoever runs drills.
#[derive(Debug)]
pub struct Begin {
    /// The profile.
    pub profile: Profile,
    /// Who drives.
    pub mode: Mode,
    /// Minutes of the story in a minute on the wall.
    pub wait: Option<NonZeroU32>,
    /// A tighter limit on how long it may last on the wall.
    pub max_wall: Option<Span>,
    /// What is done in the team's place.
    pub runbook: Option<Runbook>,
    /// Whether those who take part must not know what it is about.
    pub blind: bool,
    /// Told when it has begun, or why it cannot.
    pub answer: oneshot::Sender<Result<(), String>>,
}
