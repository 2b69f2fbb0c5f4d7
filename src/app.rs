//! The composition root: binds, spawns and drains.
