//! Traffic: accepts, sends on, answers.
//!
//! A worker ([`worker`]) accepts ([`listener`]) and serves HTTP ([`http`], [`send`], [`hop`]) or bytes ([`tcp`],
//! [`relay`], [`tunnel`]). What faults decide is carried out in two places: verdicts in [`exchange`], bytes in [`flow`].

pub mod body;
pub mod client;
pub mod deadline;
pub mod error;
pub mod exchange;
pub mod flow;
pub mod headers;
pub mod hop;
pub mod http;
pub mod listener;
pub mod prober;
pub mod record;
mod refusal;
pub mod relay;
mod rt;
pub mod send;
pub mod tcp;
mod together;
pub mod tunnel;
pub mod worker;
