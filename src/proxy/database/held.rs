//! A command while its faults are asked: it may be cancelled, by a request that comes on a connection of its own.

use super::{answers, cancels::Ahead, input::Input, side::Side, talk::Talk};
use crate::{
    faults::Flow,
    proxy::{
        exchange::{Course, Interrupt},
        relay::Joint,
    },
    route::Command,
    wire::dialogue::Step,
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

    /// Both connections, and whether they wait in a transaction: what the client has just said is not heard yet.
    pub(super) fn joint_now(&self, flow: Flow, input: &Input) -> &Joint {
        let is_heard = flow == Flow::Reply || input.is_empty();
        let waits = is_heard && self.dialogue.borrow().waits_in_transaction();
        self.joint.waits_in_transaction(waits);
        &self.joint
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
