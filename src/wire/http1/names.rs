//! Names of fields as they come: the ones that a thread has seen lately are known again at a glance, without being
//! checked, folded and looked up letter by letter.

use std::cell::RefCell;

use http::HeaderName;

use super::Flaw;

/// The fields that the codec itself must understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    ContentLength,
    TransferEncoding,
    Host,
    Connection,
    Expect,
    Te,
    Upgrade,
    Other,
}

impl Field {
    /// What a name in small letters means to the codec.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "content-length" => Self::ContentLength,
            "transfer-encoding" => Self::TransferEncoding,
            "host" => Self::Host,
            "connection" => Self::Connection,
            "expect" => Self::Expect,
            "te" => Self::Te,
            "upgrade" => Self::Upgrade,
            _ => Self::Other,
        }
    }

    /// Whether it says where the message ends.
    pub(super) const fn is_framing(self) -> bool {
        matches!(self, Self::ContentLength | Self::TransferEncoding)
    }
}

/// How many names a thread remembers: about what a site and its clients use.
const SLOTS: usize = 256;
/// Longer names are seldom, and read anew each time.
const LONGEST: usize = 32;

/// A name that was seen, as it was written.
struct Known {
    written: [u8; LONGEST],
    length: usize,
    name: HeaderName,
    field: Field,
}

/// The names that a thread has seen lately. One that falls on another's place takes it.
pub(super) struct Names([Option<Known>; SLOTS]);

thread_local! {
    static NAMES: RefCell<Names> = const { RefCell::new(Names([const { None }; SLOTS])) };
}

impl Names {
    /// The names of this thread.
    pub(super) fn with<T>(read: impl FnOnce(&mut Self) -> T) -> T {
        NAMES.with_borrow_mut(read)
    }

    /// Reads a name, and what it means to the codec.
    pub(super) fn read(&mut self, written: &[u8]) -> Result<(HeaderName, Field), Flaw> {
        let Some(slot) = self.slot(written) else {
            return parse(written);
        };
        if let Some(known) = slot
            && known.written[..known.length] == *written
        {
            return Ok((known.name.clone(), known.field));
        }
        let (name, field) = parse(written)?;
        let mut copy = [0; LONGEST];
        copy[..written.len()].copy_from_slice(written);
        *slot = Some(Known {
            written: copy,
            length: written.len(),
            name: name.clone(),
            field,
        });
        Ok((name, field))
    }

    /// The place of a name: told by its length and three of its letters.
    fn slot(&mut self, written: &[u8]) -> Option<&mut Option<Known>> {
        let length = written.len();
        if length > LONGEST {
            return None;
        }
        let (first, middle, last) = (*written.first()?, *written.get(length / 2)?, *written.last()?);
        let place =
            (length * 5) ^ (usize::from(first) * 31) ^ (usize::from(middle) * 7) ^ (usize::from(last) * 73);
        self.0.get_mut(place % SLOTS)
    }
}

fn parse(written: &[u8]) -> Result<(HeaderName, Field), Flaw> {
    let name = HeaderName::from_bytes(written).map_err(|_| Flaw::FieldName)?;
    let field = Field::of(name.as_str());
    Ok((name, field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_read_as_if_for_the_first_time(names in prop::collection::vec("[a-cA-C-]{1,4}|Host|TE|te|[ -~]{0,40}", 1..200)) {
            for name in &names {
                let read = Names::with(|names| names.read(name.as_bytes()));
                prop_assert_eq!(read, parse(name.as_bytes()), "{}", name);
            }
        }
    }
}
