//! Plans that are away with what is under way. Where that is given up, because the client went, they come back to the record all
//! the same: what the exchange has suffered is written down however it ends.

use std::{
    cell::Cell,
    mem,
    ops::{Deref, DerefMut},
    rc::Rc,
};

use crate::faults::Plan;

type Shelf = Rc<Cell<Vec<Plan>>>;

/// Lends plans, and has those that were not given back by hand. An exchange without faults never needs its shelf.
#[derive(Default)]
pub struct Lender(Option<Shelf>);

impl Lender {
    /// Lends a plan.
    pub fn lend(&mut self, plan: Plan) -> Lent {
        let shelf = Rc::clone(self.0.get_or_insert_default());
        Lent { plan, shelf }
    }

    /// The plans of what was given up.
    pub fn returned(&self) -> Vec<Plan> {
        self.0.as_ref().map(|shelf| shelf.take()).unwrap_or_default()
    }
}

/// A plan that is away.
pub struct Lent {
    plan: Plan,
    shelf: Shelf,
}

impl Lent {
    /// Gives it back by hand.
    pub fn done(mut self) -> Plan {
        mem::replace(&mut self.plan, Plan::none())
    }
}

impl Deref for Lent {
    type Target = Plan;

    fn deref(&self) -> &Plan {
        &self.plan
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.plan.is_empty() {
            return;
        }
        let mut plans = self.shelf.take();
        plans.push(mem::replace(&mut self.plan, Plan::none()));
        self.shelf.set(plans);
    }
}
