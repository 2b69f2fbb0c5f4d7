//! A command while its faults are asked: it may be cancelled, by a request that comes on another connection.

use super::{answers, cancels::Ahead, input::Input, side::Side, talk::Talk};
use crate::{
    faults::Flow,
    proxy::{
        exchange::{Course, Interrupt},
        relay::Joint,
    },
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

    /// Both connections, and whether they wait in a transaction: what the client has just said is not heard yet.
    pub(super) fn joint_now(&self, flow: Flow, input: &Input) -> &Joint {
        let is_heard = flow == Flow::Reply || input.is_empty();
        let waits = is_heard && self.dialogue.borrow().waits_in_transaction();
        self.joint.waits_in_transaction(waits);
        &self.joint
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

    /// Knows the key of the session once the server has said it.
    pub(super) fn learn_key(&self) {
        if self.cancel.get().is_none()
            && let Some(key) = self.dialogue.borrow().cancel_key()
        {
            let cancels = &self.client.worker.shared.cancels;
            let key = self.owner.key(self.session.dialect, key);
            self.cancel
                .get_or_init(|| cancels.add(&key, self.owner.clone(), &self.holding));
        }
    }

    /// Ends the wait of the session whose command this one has had its server end.
    pub(super) fn end_waits(&self) {
        let Some(number) = self.dialogue.borrow_mut().cancelled() else {
            return;
        };
        let key = self.owner.key(self.session.dialect, &number);
        if let Some((_, holding)) = self.client.worker.shared.cancels.find(&key) {
            holding.cancel();
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
