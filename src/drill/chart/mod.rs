//! Charts of a drill as SVG: one renderer for the report and for the live page.
//!
//! Pure, from what a drill remembers to markup. A chart needs no script and nothing from the network: its words are text, its
//! look is in [`STYLE`], and its description says what it shows to those who cannot see it.

mod frame;
mod marks;
mod servers;
mod success;
mod traffic;

pub use self::{servers::servers, success::success, traffic::traffic};

/// How charts look, in light, in dark and on paper; and how a page that has them, tables too, becomes narrow for a phone.
pub const STYLE: &str = concat!(include_str!("chart.css"), include_str!("narrow.css"));
