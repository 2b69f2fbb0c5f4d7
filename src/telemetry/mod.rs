//! What happened: counters, events and logs.
