//! Moving bytes from one connection to another.
