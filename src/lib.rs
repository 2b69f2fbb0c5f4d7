//! chaosproxy: a load-balancing reverse proxy that re-enacts documented incidents.
//!
//! Read the rooms in this order: the words ([`units`], [`route`], [`faults`], [`upstream`], [`wire`], [`net`], [`telemetry`]), the
//! document ([`config`]), the truth ([`snapshot`], [`control`]), the traffic ([`proxy`]), the people ([`drill`],
//! [`toxiproxy`], [`admin`], [`demo`], [`app`], [`cli`]). Every arrow between them points down; `tests/house.rs` holds that.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
pub mod drill;
pub mod faults;
pub mod net;
pub mod proxy;
pub mod route;
pub mod snapshot;
pub mod telemetry;
pub mod toxiproxy;
pub mod units;
pub mod upstream;
pub mod wire;
