//! A command while its faults are asked: it may be cancelled, by a request that comes on a connection of its own.

use super::{answers, cancels::Ahead, input::Input, side::Side, talk::Talk};
use crate::{
    proxy::exchange::{Course, Interrupt},
    route::Command,
    wire::dialogue::{self, Step},
};

impl Talk {
    /// Asks the faults about the command before which the session has stopped; whether it was cancelled meanwhile.
    pub(super) async fn ask(
        &self,
        side: &mut Side,
        input: &mut Input,
        command: &Command,
        step: Step,
    ) -> (Course, bool) {
        self.holding.begin(self.ahead());
        let interrupt = async {
            tokio::select! {
                () = side.gone(input) => Interrupt::Gone,
                () = self.holding.cancelled() => Interrupt::Answer(answers::canceled()),
            }
        };
        let begun = self.dialogue.borrow().begun();
        // In a box: both directions would else keep room for it for as long as the session stands.
        let course = Box::pin(self.commands.ask(command, step, begun, interrupt)).await;
        (course, self.holding.end())
    }

    /// A command as faults see it.
    pub(super) fn read(&self, command: dialogue::Command) -> Command {
        let queued = self.dialogue.borrow().queued();
        Command::new(self.session.dialect, command.text)
            .within(command.in_transaction)
            .after(queued)
    }

    /// What the server may still be doing that stands before the command.
    fn ahead(&self) -> Ahead {
        let dialogue = self.dialogue.borrow();
        match self.sent.get() {
            _ if dialogue.answered() < dialogue.begun() => Ahead::Units,
            Some(unit) if unit == dialogue.begun() => Ahead::Group,
            _ => Ahead::Nothing,
        }
    }

    /// Lets the command go on to the server.
    pub(super) fn accept(&self) {
        self.dialogue.borrow_mut().accept();
        self.goes_on();
    }

    /// The command goes on to the server.
    pub(super) fn goes_on(&self) {
        self.sent.set(Some(self.dialogue.borrow().begun()));
    }
}
