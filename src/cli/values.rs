//! Values of flags that the standard library reads, with words of our own for what is wrong with them.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
};

/// More threads than that carry nothing more: the machine has no such number of CPUs, and each costs memory and sockets.
const MOST_WORKERS: usize = 512;

pub(super) fn workers(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(workers) if NonZeroUsize::get(workers) <= MOST_WORKERS => Ok(workers),
        _ => Err(format!(
            "write a whole number from 1 to {MOST_WORKERS}, as in `--workers 2`"
        )),
    }
}

pub(super) fn wait(text: &str) -> Result<NonZeroU32, String> {
    let most = NonZeroU32::MAX;
    text.parse()
        .map_err(|_| format!("write a whole number from 1 to {most}, as in `--wait 10`"))
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    let most = u64::MAX;
    text.parse()
        .map_err(|_| format!("write a whole number from 0 to {most}, as in `--seed 7`"))
}

/// A seed as Toxiproxy takes it.
pub(super) fn signed_seed(text: &str) -> Result<i64, String> {
    let (least, most) = (i64::MIN, i64::MAX);
    text.parse()
        .map_err(|_| format!("write a whole number from {least} to {most}, as in `--seed 7`"))
}

/// Yes or no, in the words that Go takes for a flag.
pub(super) fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write `true` or `false`".to_owned()),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an address and a port, as in `127.0.0.1:8474` or `[::1]:8474`".to_owned())
}

pub(super) fn turn(text: &str) -> Result<NonZeroU64, String> {
    text.parse()
        .map_err(|_| "write a whole number from 1 on, as in `3`".to_owned())
}

pub(super) fn weight(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "write a whole number from 0 to 1000, as in `3`".to_owned())
}

pub(super) fn revision(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "write a number that `chaosproxy config history` lists".to_owned())
}
