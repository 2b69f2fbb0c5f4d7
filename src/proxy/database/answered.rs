//! The answers of a session under way: what faults do when one begins, in its place, where none comes, and when it has ended.

use std::{convert::Infallible, io, sync::Arc};

use super::{
    answers,
    side::{Event, Side},
    talk::Talk,
};
use crate::{
    faults::{Answer, Cut},
    proxy::{
        bell::Waiting,
        exchange::{Course, Interrupt},
    },
    route::Command,
};

impl Talk {
    /// Ends the session where a fault ends a command to which no answer has begun, and never comes itself: both directions end by
    /// that.
    pub(super) async fn end_silence(&self, watch: Waiting) -> Infallible {
        let cut = self.commands.struck(watch).await;
        self.joint.end(cut);
        std::future::pending().await
    }

    /// Asks the faults when a command's answer begins; false: the session is over.
    pub(super) async fn reply(&self, side: &mut Side) -> bool {
        let answered = self.dialogue.borrow().answered();
        let left = async {
            self.left.notified().await;
            Interrupt::Gone
        };
        match self.commands.reply(answered, left).await {
            Ok(shapes) => {
                if let Some(shapes) = shapes {
                    side.shape_answer(shapes);
                }
                true
            }
            Err(Course::On) => true,
            Err(Course::Answer(answer, _)) => self.answer_instead(&answer),
            Err(Course::Released(_)) => {
                self.answer_instead(&Answer::new(http::StatusCode::SERVICE_UNAVAILABLE))
            }
            Err(Course::Cut(cut, _)) => {
                self.joint.end(cut);
                false
            }
        }
    }

    /// Has an error come in the place of the answer that is about to begin; false: the session is over, where its protocol has no
    /// way to say so.
    fn answer_instead(&self, answer: &Answer) -> bool {
        let known = self.client.session();
        let session = known.as_deref().unwrap_or(&self.session);
        // What is answered together is of several, and the error is of none of them.
        let command = Command::new(session.dialect, Arc::default());
        let refusal = answers::refusal(answer, session, Some(&command));
        let is_said = self.dialogue.borrow_mut().replace_next(refusal);
        if !is_said {
            self.joint.end(Cut::Close);
        }
        is_said
    }

    /// Lets go what commands held whose answers have ended; false: the session is over.
    pub(super) async fn settle(&self, side: &mut Side) -> io::Result<bool> {
        let answered = self.dialogue.borrow().answered();
        self.commands.settle(answered);
        if !self.commands.has_ended(answered) {
            return Ok(true);
        }
        match side.finish_answer().await? {
            Some(Event::Cut(cut)) => {
                self.joint.end(cut);
                Ok(false)
            }
            Some(_) => Ok(false),
            None => Ok(true),
        }
    }
}
