//! Toxiproxy's API and its toxics, as its clients meet them.

mod bench;
mod clients;
mod golden;
mod proxies;
mod toxics;
