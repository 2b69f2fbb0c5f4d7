//! A connection, and bytes where any are given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trouble::Trouble;

/// Opens a connection; where bytes are given, sends some and waits for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcpProbe {
    /// What is sent: `"PING\r\n"`. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// What must stand somewhere in the first 4 KiB that come: `"+PONG"`. Default: nothing need come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// What is to be done after some bytes came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The check is over.
    Done(Result<(), Trouble>),
    /// More is needed to judge.
    More,
}

impl TcpProbe {
    /// How much is read before the check gives up on what it expects.
    pub const MOST: usize = 4 << 10;

    /// What is sent once the connection stands.
    pub fn request(&self) -> &[u8] {
        self.send.as_deref().unwrap_or_default().as_bytes()
    }

    /// Judges all that has come so far; `ended` when no more will.
    pub fn judge(&self, received: &[u8], ended: bool) -> Reading {
        let expected = self.expect.as_deref().unwrap_or_default().as_bytes();
        if expected.is_empty() || received.windows(expected.len()).any(|w| w == expected) {
            Reading::Done(Ok(()))
        } else if received.len() >= Self::MOST {
            Reading::Done(Err(Trouble::Text))
        } else if ended {
            Reading::Done(Err(Trouble::Broken("closed before the expected text".into())))
        } else {
            Reading::More
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged_as_they_come() {
        let redis = TcpProbe {
            send: Some("PING\r\n".into()),
            expect: Some("+PONG".into()),
        };
        let check = |probe: &TcpProbe, received: &[u8], ended, expected| {
            assert_eq!(probe.judge(received, ended), expected, "{received:?} {ended}");
        };
        let closed = || Reading::Done(Err(Trouble::Broken("closed before the expected text".into())));
        assert_eq!(redis.request(), b"PING\r\n");
        check(&redis, b"", false, Reading::More);
        check(&redis, b"+PO", false, Reading::More);
        check(&redis, b"+PO", true, closed());
        check(&redis, b"+PONG\r\n", false, Reading::Done(Ok(())));
        check(&redis, b"+PONG\r\n", true, Reading::Done(Ok(())));
        check(
            &redis,
            b"-NOAUTH Authentication required.\r\n",
            false,
            Reading::More,
        );
        check(
            &redis,
            &[b'x'; TcpProbe::MOST],
            false,
            Reading::Done(Err(Trouble::Text)),
        );
        check(&TcpProbe::default(), b"", false, Reading::Done(Ok(())));
    }
}
