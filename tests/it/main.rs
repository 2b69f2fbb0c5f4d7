//! The whole proxy between real clients and real servers: each test starts the binary with a document of its own, talks
//! to it over sockets, and reads what came back. No test sleeps for a fixed time; what takes time is waited for.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![allow(
    unreachable_pub,
    reason = "the kit is one room: what is not private in it is for every test"
)]
#![allow(clippy::print_stderr, reason = "a failing test shows what the proxy said")]

#[allow(dead_code, unused_imports, reason = "a kit has what the next test needs too")]
mod kit;

mod clients;
mod clusters;
mod commands;
mod databases;
mod extended;
mod failure;
mod faults;
mod held;
mod http1;
mod http2;
mod last_words;
mod life;
mod missing;
mod mysql;
mod mysql_itself;
mod mysql_kill;
mod mysql_passwords;
mod mysql_tls;
mod mysql_use;
mod mysql_words;
mod postgres;
mod preflight;
mod primary;
mod read_only;
mod redis;
mod redis_commands;
mod redis_words;
mod reload;
mod several;
mod silent;
mod tcp;
mod tls;
mod toxiproxy;
mod users;
