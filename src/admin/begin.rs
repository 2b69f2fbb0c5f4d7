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
    /// The profile; nothing where the wheel is to find one.
    pub profile: Option<Profile>,
    /// What the drill is called as long as nobody may know more, where its profile was under seal.
    pub sealed: Option<String>,
    /// The seed of the wheel and of what is varied; a new one where none is asked for.
    pub seed: Option<u64>,
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
