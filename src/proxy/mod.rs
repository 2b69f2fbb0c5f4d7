//! Traffic: accepts, sends on, answers.
//!
//! A thread ([`thread`]) accepts ([`listener`]) and serves HTTP ([`http`], [`answer`], [`send`], [`once`]) bytes ([`tcp`],
//! [`relay`], [`tunnel`]) or a database ([`database`]), on what its worker has ([`worker`], [`hop`]). What faults decide is carried out in two places:
//! verdicts in [`exchange`], bytes in [`flow`].

pub mod answer;
pub mod asked;
pub mod attempt;
mod bell;
pub mod bodies;
pub mod body;
pub mod client;
pub mod cover;
pub mod database;
pub mod deadline;
pub mod dial;
pub mod download;
pub mod due;
pub mod error;
pub mod exchange;
pub mod flow;
pub mod follow;
pub mod headers;
pub mod hop;
pub mod http;
pub mod idle;
mod lent;
pub mod listener;
pub mod meter;
pub mod once;
pub mod outcome;
pub mod parting;
mod passed;
pub mod prober;
pub mod record;
mod refusal;
pub mod relay;
mod rt;
pub mod send;
pub mod standing;
pub mod tcp;
pub mod thread;
mod together;
pub mod tunnel;
pub mod upload;
pub mod worker;
