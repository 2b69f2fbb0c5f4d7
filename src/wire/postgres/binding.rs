//! SCRAM with channel binding (RFC 5802, section 6): a proof that is bound to the certificate that a client sees holds nowhere else.
//! Where encryption ends on the way, and the server has another certificate, no such proof can pass.

use super::frame::message;
use crate::wire::errors::{Moment, Refusal};

/// The code of the message in which the server lists its mechanisms.
const SASL: [u8; 4] = [0, 0, 0, 10];

/// The server's list without the mechanisms that bind, for a client in clear: it has nothing to bind to, and takes their offer for an
/// attack. `None`: the message is no such list, or has none.
pub(super) fn unbound(body: &[u8]) -> Option<Refusal> {
    let names = body.strip_prefix(&SASL)?;
    let binds = |name: &&[u8]| name.ends_with(b"-PLUS");
    let all = names.split_inclusive(|byte| *byte == 0);
    let bare = |name: &'_ [u8]| name.strip_suffix(b"\0").is_some_and(|name| binds(&name));
    let kept: Vec<&[u8]> = all.filter(|name| !bare(name)).collect();
    let list = kept.concat();
    (list.len() < names.len()).then(|| told(b'R', [&SASL[..], &list].concat()))
}

/// What the server says of a binding that does not hold, with the reason and what mends it; `None`: it speaks of something else.
pub(super) fn explained(body: &[u8]) -> Option<Refusal> {
    const HINT: &[u8] =
        b"HEncryption ends at a proxy that shows another certificate than the server: connect with channel_binding=disable.\0\0";
    memchr::memmem::find(body, b"SCRAM channel binding")?;
    let fields = body.strip_suffix(b"\0")?;
    Some(told(b'E', [fields, HINT].concat()))
}

fn told(kind: u8, body: Vec<u8>) -> Refusal {
    Refusal {
        bytes: message(kind, &body).into(),
        moment: Moment::Proof,
        closes: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_loses_what_binds_and_nothing_else() {
        let list = |names: &str| [&SASL[..], names.as_bytes()].concat();
        let check = |names: &str, left: Option<&str>| {
            let told = unbound(&list(names)).map(|told| told.bytes.to_vec());
            assert_eq!(told, left.map(|left| message(b'R', &list(left))), "{names:?}");
        };
        check("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", Some("SCRAM-SHA-256\0\0"));
        check("SCRAM-SHA-256\0\0", None);
        assert_eq!(unbound(&[0, 0, 0, 0]), None);
        assert_eq!(unbound(b"\0\0\0\x0br=-PLUS"), None);
    }

    #[test]
    fn a_binding_that_fails_is_explained_in_a_hint() {
        let said = b"SFATAL\0C28000\0MSCRAM channel binding check failed\0\0";
        let told = explained(said).unwrap().bytes;
        assert_eq!(told[5..][..said.len() - 1], said[..said.len() - 1]);
        assert!(told.ends_with(b"channel_binding=disable.\0\0"));
        assert_eq!(explained(b"SFATAL\0C28P01\0Mno\0\0"), None);
    }
}
