//! Connections to backends that stand, as faults see them: what may be cut, and what was.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use tokio::time::Instant;

use crate::{
    faults::{Cut, Fault},
    net::Handle,
};

/// Which backend a connection leads to; unique while the process lives.
pub type BackendId = u64;

/// A worker's connections that carry HTTP, idle or not, by backend.
#[derive(Default)]
pub struct Standing {
    open: RefCell<HashMap<BackendId, Vec<Handle>>>,
    /// The last time that a fault cut connections to a backend, and which one.
    cuts: RefCell<HashMap<BackendId, (Instant, Arc<Fault>)>>,
}

impl Standing {
    /// From here on faults can cut it.
    pub fn add(&self, backend: BackendId, connection: Handle) {
        self.open
            .borrow_mut()
            .entry(backend)
            .or_default()
            .push(connection);
    }

    /// Ends what stands to a backend, idle or not, where `falls` says so; it is asked once for each connection.
    pub fn cut(&self, backend: BackendId, mut falls: impl FnMut() -> Option<(Cut, Arc<Fault>)>) {
        let open = self.open.borrow();
        let open = open
            .get(&backend)
            .into_iter()
            .flatten()
            .filter(|one| one.is_open());
        for connection in open {
            let Some((cut, fault)) = falls() else { continue };
            self.cuts.borrow_mut().insert(backend, (Instant::now(), fault));
            match cut {
                Cut::Reset | Cut::Refuse => connection.reset(),
                Cut::Close => connection.close(),
            }
        }
    }

    /// The fault that has cut connections to a backend since then.
    pub fn cut_since(&self, backend: BackendId, begun: Instant) -> Option<Arc<Fault>> {
        let cuts = self.cuts.borrow();
        let (_, fault) = cuts.get(&backend).filter(|(at, _)| *at >= begun)?;
        Some(fault.clone())
    }

    /// Forgets connections that have ended, and backends that are gone.
    pub fn sweep(&self, is_known: impl Fn(BackendId) -> bool) {
        self.cuts.borrow_mut().retain(|id, _| is_known(*id));
        self.open.borrow_mut().retain(|_, all| {
            all.retain(Handle::is_open);
            !all.is_empty()
        });
    }
}
