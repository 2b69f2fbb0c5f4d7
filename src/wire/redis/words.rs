//! The words of a command, as far as they are looked at.

use super::{
    frame::{bulk, elements, text_line},
    inline,
};
use crate::wire::dialogue::Lost;

/// So much of a command is looked at; of a longer one the front tells what it is.
pub(super) const LOOK: usize = 16 << 10;

/// So much of one is looked at while no fault is in scope: what it does to the connection stands in its first words, of which a
/// user's name may be long.
pub(super) const GLANCE: usize = 1 << 10;

/// The words of a command, apart by blanks; a blank within one is one that does not break.
pub(super) struct Words {
    pub(super) text: String,
    pub(super) front: Front,
    /// There are none: it says nothing, and is answered by nothing.
    pub(super) is_empty: bool,
}

/// How a command begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// How long its first line is.
    pub(super) line: usize,
    /// How many strings follow.
    pub(super) strings: u64,
}

/// The command at the front, where its first word shows that it is answered by one reply and changes nothing of how the
/// connection goes on. Most are such, and need not be understood while no fault asks for it.
pub(super) fn plain(rest: &[u8]) -> Result<Option<Front>, Lost> {
    if rest.first() != Some(&b'*') {
        return Ok(None);
    }
    let Some((strings @ 1.., line)) = elements(rest)? else {
        return Ok(None);
    };
    let word = &rest[line..];
    if word.first() != Some(&b'$') {
        return Ok(None);
    }
    let Some(verb) = bulk(word)?.and_then(|string| word.get(string.line..string.line + string.text)) else {
        return Ok(None);
    };
    let is_plain = !verb.is_empty() && !TELLING.iter().any(|word| verb.eq_ignore_ascii_case(word));
    Ok(is_plain.then_some(Front { line, strings }))
}

/// The verbs after which the connection may go on otherwise; the session knows how.
const TELLING: [&[u8]; 15] = [
    b"auth",
    b"hello",
    b"select",
    b"subscribe",
    b"psubscribe",
    b"ssubscribe",
    b"unsubscribe",
    b"punsubscribe",
    b"sunsubscribe",
    b"monitor",
    b"sync",
    b"psync",
    b"client",
    b"reset",
    b"multi",
];

/// Whether a command is about the connection itself: a server that fails still answers it.
pub(super) fn of_the_connection(text: &str) -> bool {
    let verb = text.split(' ').next().unwrap_or_default();
    ["auth", "hello", "client", "select", "quit", "reset"]
        .iter()
        .any(|word| verb.eq_ignore_ascii_case(word))
}

/// Whether a command proves who the client is.
pub(super) fn proves(text: &str) -> bool {
    let mut words = text.split(' ');
    let verb = words.next().unwrap_or_default();
    let is_auth = |word: &str| word.eq_ignore_ascii_case("auth");
    is_auth(verb) || (verb.eq_ignore_ascii_case("hello") && words.any(is_auth))
}

/// The words of the command at the front, as far as they are looked at; `None` until they are there.
pub(super) fn words(rest: &[u8], look: usize) -> Result<Option<Words>, Lost> {
    if rest.first() != Some(&b'*') {
        return by_hand(rest, look);
    }
    let Some((strings, line)) = elements(rest)? else {
        return Ok(None);
    };
    let mut text = String::new();
    let mut at = line;
    for n in 0..strings {
        let rest = &rest[at.min(rest.len())..];
        if rest.first().is_some_and(|byte| *byte != b'$') {
            return Err(Lost("a command of Redis is made of strings"));
        }
        let string = match bulk(rest)? {
            Some(string) if rest.len() >= string.whole => string,
            // Enough to look at, or as much as will ever be looked at.
            Some(string) if at + string.whole > look && at + rest.len() >= look => {
                let there = &rest[string.line..rest.len().min(string.line + string.text)];
                push(&mut text, n, there, look);
                break;
            }
            _ => return Ok(None),
        };
        push(&mut text, n, &rest[string.line..string.line + string.text], look);
        at += string.whole;
        if at > look {
            break;
        }
    }
    Ok(Some(Words {
        text,
        front: Front { line, strings },
        is_empty: strings == 0,
    }))
}

/// The same of a line of text.
fn by_hand(rest: &[u8], look: usize) -> Result<Option<Words>, Lost> {
    let Some(line) = text_line(rest)? else {
        return Ok(None);
    };
    let words = inline::words(&rest[..line])?;
    let mut text = String::new();
    for (n, word) in (0..).zip(&words) {
        push(&mut text, n, word, look);
    }
    Ok(Some(Words {
        text,
        front: Front { line, strings: 0 },
        is_empty: words.is_empty(),
    }))
}

fn push(text: &mut String, n: u64, word: &[u8], look: usize) {
    if n > 0 {
        text.push(' ');
    }
    let word = String::from_utf8_lossy(&word[..word.len().min(look)]);
    match word.contains(' ') {
        true => text.push_str(&word.replace(' ', "\u{a0}")),
        false => text.push_str(&word),
    }
}
