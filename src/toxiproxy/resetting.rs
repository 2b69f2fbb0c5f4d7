//! `/reset`: every proxy enabled and without toxics, in one change.

use std::{collections::HashMap, net::SocketAddr};

use super::{
    address,
    api::Toxiproxy,
    obstacle::{self, cannot_listen, not_found},
    registry::Registry,
    reply::{Refusal, Reply},
};

impl Toxiproxy {
    /// Lets every proxy listen, without toxics. Those that cannot listen stay as they are but for their toxics, and keep no other
    /// one away; the answer names the first of them.
    pub(super) async fn reset(&self) -> Result<Reply, Refusal> {
        let before = self.copy();
        let stopped: Vec<(&str, &str)> = before.stopped().collect();
        let listens: Vec<&str> = stopped.iter().map(|(_, listen)| *listen).collect();
        let found = address::find_all(&listens).await;
        let mut failed = None;
        let mut begin = HashMap::new();
        for ((name, _), found) in stopped.iter().zip(found) {
            match found {
                Ok(bind) => drop(begin.insert(*name, bind)),
                Err(what) => drop(failed.get_or_insert_with(|| not_found(&what))),
            }
        }
        loop {
            let next = Self::reset_of(&before, &mut begin, &mut failed);
            let Err(error) = self.publish(next) else { break };
            let mut names: Vec<&str> = obstacle::failed(&error).collect();
            names.retain(|name| begin.contains_key(name));
            let Some(first) = names.first() else {
                return Err(obstacle::refusal(&error));
            };
            failed.get_or_insert_with(|| cannot_listen(first, begin[first], &error));
            for name in names {
                begin.remove(name);
            }
        }
        self.show_bound(begin.into_keys());
        failed.map_or_else(|| Ok(Reply::done()), Err)
    }

    /// A registry without toxics, in which these proxies listen besides those that do; one that leads back to itself does not.
    fn reset_of<'n>(
        before: &'n Registry,
        begin: &mut HashMap<&'n str, SocketAddr>,
        failed: &mut Option<Refusal>,
    ) -> Registry {
        let mut next = before.clone();
        next.clear_toxics();
        let mut ports = next.ports();
        for (name, listen) in before.stopped() {
            let Some(bind) = begin.get(name).copied() else {
                continue;
            };
            match next.begin_among(&mut ports, name, (listen, bind)) {
                Ok(()) => {}
                Err(refusal) => {
                    begin.remove(name);
                    failed.get_or_insert_with(|| refusal.of_proxy(name));
                }
            }
        }
        next
    }
}
