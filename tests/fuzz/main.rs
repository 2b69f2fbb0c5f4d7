//! Drives the fuzzer's entries on stable Rust: a few thousand mutated inputs each, the same in every run, so that a change
//! that breaks one is seen without a fuzzer. `cargo +nightly fuzz run NAME --fuzz-dir tests/fuzz -s none`
//! looks further: there is no unsafe code for a sanitizer to watch.

#![allow(clippy::unwrap_used, reason = "a test that fails here says so")]

mod entry;

use std::{fs, path::Path};

use chaosproxy::units::{Dice, Stream};
use entry::{TARGETS, Target};

/// Inputs for each entry. All of them together take a second or two.
const INPUTS: u64 = 4000;

/// Longer inputs find nothing that shorter ones do not.
const LONGEST: usize = 4096;

/// What means something in one grammar or another.
const SIGNS: &[u8] = b" \r\n:,{}[]*!/0-'\"%\x00\xff\t";

fn drive(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target of that name");
    for seed in target.seeds {
        (target.run)(seed);
    }
    for number in 0..INPUTS {
        let input = mutant(target, number);
        let outcome = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(
            outcome.is_ok(),
            "{name}, input {number}: {:?}",
            String::from_utf8_lossy(&input)
        );
    }
}

/// A seed with a few changes, or noise.
fn mutant(target: &Target, number: u64) -> Vec<u8> {
    let mut dice = Dice::new(number).stream(0, 0);
    let mut bytes = match dice.below(8) {
        0 => (0..dice.below(256)).map(|_| byte(&mut dice)).collect(),
        _ => target.seeds[dice.below(target.seeds.len())].to_vec(),
    };
    for _ in 0..=dice.below(8) {
        change(&mut bytes, target, &mut dice);
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Flips, writes, cuts, doubles or crosses over.
fn change(bytes: &mut Vec<u8>, target: &Target, dice: &mut Stream) {
    let at = dice.below(bytes.len() + 1);
    let to = (at + dice.below(32)).min(bytes.len());
    match dice.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 => bytes.insert(at, SIGNS[dice.below(SIGNS.len())]),
        2 => drop(bytes.drain(at..to)),
        3 => {
            let again = bytes[at..to].to_vec();
            bytes.splice(at..at, again);
        }
        4 => {
            let other = target.seeds[dice.below(target.seeds.len())];
            let from = dice.below(other.len());
            let length = dice.below(64).min(other.len() - from);
            bytes.splice(at..to, other[from..from + length].iter().copied());
        }
        _ => bytes.insert(at, byte(dice)),
    }
}

fn byte(dice: &mut Stream) -> u8 {
    dice.bits().to_le_bytes()[0]
}

#[test]
fn documents_are_read_or_refused_in_words_and_survive_being_written() {
    drive("document");
}

#[test]
fn every_pattern_that_reads_can_be_asked() {
    drive("matcher");
}

#[test]
fn a_chain_of_shapers_keeps_its_word() {
    drive("shaper");
}

#[test]
fn http1_reads_anything_without_a_panic() {
    drive("http1");
}

#[test]
fn sessions_of_postgres_are_the_same_at_any_split() {
    drive("postgres");
}

#[test]
fn sessions_of_mysql_are_the_same_at_any_split() {
    drive("mysql");
}

#[test]
fn sessions_of_redis_are_the_same_at_any_split() {
    drive("redis");
}

#[test]
fn every_entry_has_its_target_and_every_target_its_entry() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut entries: Vec<_> = TARGETS
        .iter()
        .map(|target| format!("{}.rs", target.name))
        .collect();
    files.sort();
    entries.sort();
    assert_eq!(files, entries);
}
