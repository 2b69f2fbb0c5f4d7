//! Which cluster a request goes to.
