//! Toughness: the real binary, real servers, real load, and everything that may go wrong meanwhile.

mod circuit;
mod end;
mod failure;
mod held;
mod kit;
mod safety;
mod scenario;
mod standing;
