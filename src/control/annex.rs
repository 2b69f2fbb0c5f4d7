//! What stands beside the document: listeners, clusters and faults that a program has set up, each change whole. It lives as
//! long as the process and outlives a reload; nobody has written it down.

use std::borrow::Cow;

use crate::{
    config::{Document, Listener, Named},
    faults::Entry,
    upstream::ClusterSettings,
};

/// What stands beside the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annex {
    /// Where clients connect.
    pub listeners: Named<Listener>,
    /// Where their traffic goes.
    pub clusters: Named<ClusterSettings>,
    /// What is broken on purpose in it; lifted by a panic, and back with its reset, as the document's faults are.
    pub faults: Named<Entry>,
}

impl Annex {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.clusters.is_empty() && self.faults.is_empty()
    }

    /// The document and what stands beside it, as one.
    pub(super) fn beside<'d>(&self, document: &'d Document) -> Cow<'d, Document> {
        if self.is_empty() {
            return Cow::Borrowed(document);
        }
        let mut both = document.clone();
        for (name, listener) in self.listeners.iter() {
            both.listeners.insert(name, listener.clone());
        }
        for (name, cluster) in self.clusters.iter() {
            both.clusters.insert(name, cluster.clone());
        }
        for (name, fault) in self.faults.iter() {
            both.faults.insert(name, fault.clone());
        }
        Cow::Owned(both)
    }

    /// A name that both would have, with its section.
    pub(super) fn clash<'a>(&'a self, document: &Document) -> Option<(&'static str, &'a str)> {
        let listener = self.listeners.names().find(|name| document.listeners.has(name));
        let cluster = self.clusters.names().find(|name| document.clusters.has(name));
        let fault = self.faults.names().find(|name| document.faults.has(name));
        let named = |section| move |name| (section, name);
        listener
            .map(named("listeners"))
            .or(cluster.map(named("clusters")))
            .or(fault.map(named("faults")))
    }
}
