//! The admin API.
pub mod acts;
pub mod ask;
pub mod clusters;
pub mod config;
pub mod drill;
pub mod endpoint;
pub mod faults;
pub mod guard;
pub mod openapi;
pub mod panic;
pub mod reach;
pub mod refusal;
pub mod serve;
pub mod status;
pub mod tokens;

/// x
#[derive(Clone)]
pub struct Desk;
/// y
pub fn endpoints() -> Vec<endpoint::Endpoint> {
    vec![]
}
