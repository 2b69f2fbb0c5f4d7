//! Wire formats: message boundaries over any byte stream.

pub mod http1;
