//! `cargo +nightly fuzz run redis --fuzz-dir tests/fuzz`
#![no_main]

#[path = "../entry.rs"]
#[allow(dead_code, reason = "each target runs one entry")]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::redis(bytes));
