//! Toxiproxy's API, so that every client of it works unmodified: one more grammar for the one engine.
//!
//! A proxy made here is a listener and a cluster beside the document ([`crate::control::Annex`]), and a toxic is a fault on that
//! listener, so that traffic, status and metrics know nothing of Toxiproxy. Statuses, messages, defaults and the order of
//! checks are those of version 2.12, measured; `docs/toxiproxy.md` lists what is better on purpose.
//!
//! [`fields`] reads JSON as Toxiproxy's clients expect it, [`toxic`] knows the types, [`registry`] what there is, [`mod@file`] what is wrong in a
//! file, [`books`] what has
//! passed; all are pure. [`api`] waits for names and sockets, and publishes.

mod address;
mod api;
mod books;
mod fields;
mod file;
mod metrics;
mod number;
mod obstacle;
mod populate;
mod populating;
mod ports;
mod registry;
mod reply;
mod resetting;
mod route;
mod service;
mod toxic;

pub use self::{
    address::find as find_address,
    api::Toxiproxy,
    file::Told,
    metrics::MEDIA as METRICS_MEDIA,
    reply::{Reply, VERSION},
    route::{owns, toxic_of},
};
