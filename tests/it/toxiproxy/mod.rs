//! Toxiproxy's API and its toxics, as its clients meet them.

mod bench;
mod changes;
mod clients;
mod edges;
mod golden;
mod many;
mod numbers;
mod proxies;
mod toxics;
