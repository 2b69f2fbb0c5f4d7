//! Toxiproxy's API and its toxics, as its clients meet them.

mod golden;
