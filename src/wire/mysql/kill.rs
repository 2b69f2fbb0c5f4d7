//! Which session's command a client ends by `KILL QUERY`.

use super::{choice::without_comments, com, frame::long, session::Session};

impl Session {
    /// Whose command a command ends, if the server agrees.
    pub(super) fn ends_of(&self, kind: u8, body: &[u8]) -> Option<u32> {
        match kind {
            com::QUERY => ended(self.sql(body)),
            com::EXECUTE => ended(self.statements.get(long(body, 0)?).text.as_bytes()),
            _ => None,
        }
    }
}

/// The number of the session whose command a query ends that begins so, as its server has greeted it; `None`: of no one that is named
/// by a number. `KILL` alone ends the session, and the server does that by itself.
fn ended(sql: &[u8]) -> Option<u32> {
    let (verb, mut rest) = word(sql)?;
    if !verb.eq_ignore_ascii_case(b"kill") {
        return None;
    }
    let (mut next, behind) = word(rest)?;
    // How hard MariaDB is to take it.
    if next.eq_ignore_ascii_case(b"hard") || next.eq_ignore_ascii_case(b"soft") {
        rest = behind;
        next = word(rest)?.0;
    }
    if !next.eq_ignore_ascii_case(b"query") {
        return None;
    }
    let (number, behind) = word(word(rest)?.1)?;
    let is_all = matches!(without_comments(behind).first(), None | Some(b';'));
    let number: u64 = std::str::from_utf8(number)
        .ok()?
        .parse()
        .ok()
        .filter(|_| is_all)?;
    // A greeting has room for so much of it.
    u32::try_from(number & u64::from(u32::MAX)).ok()
}

/// The word at the front, and what follows it.
fn word(sql: &[u8]) -> Option<(&[u8], &[u8])> {
    let sql = without_comments(sql);
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = sql.iter().take_while(|byte| is_of_word(byte)).count();
    (length > 0).then(|| sql.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            errors::error,
            frame::packet,
            tests::{BASE, OK, logged_in, no_change, query},
        },
        *,
    };
    use crate::wire::dialogue::Dialogue;

    #[test]
    fn the_server_decides_whether_a_command_is_ended() {
        let mut line = logged_in(BASE);
        assert_eq!(
            line.session.cancel_key(),
            Some(&[7, 0, 0, 0][..]),
            "as it was greeted"
        );
        let mut ended = |sql: &str, answer: &[u8]| {
            line.asks(&query(sql), &no_change);
            line.says(answer);
            (line.session.cancelled(), line.session.cancelled())
        };
        let seven: Box<[u8]> = [7, 0, 0, 0].into();
        assert_eq!(ended("kill query 7", &packet(1, OK)), (Some(seven), None));
        let unknown = error(1, 1094, Some("HY000"), "Unknown thread id: 7");
        assert_eq!(ended("kill query 7", &unknown), (None, None));
        assert_eq!(ended("do 0", &packet(1, OK)), (None, None));
    }

    #[test]
    fn a_command_is_ended_by_the_number_of_its_session() {
        for (sql, number) in [
            ("KILL QUERY 7", Some(7)),
            ("/* by hand */ kill/**/query\n7 -- seven", Some(7)),
            ("kill hard query 7;", Some(7)),
            ("KILL SOFT QUERY 7; select 1", Some(7)),
            ("kill query 4294967303", Some(7)),
            ("kill 7", None),
            ("kill connection 7", None),
            ("kill query id 7", None),
            ("kill query user web", None),
            ("kill query 7 + 1", None),
            ("kill query @a", None),
            ("kill query", None),
            ("kill query 99999999999999999999", None),
            ("killquery 7", None),
            ("select 1; kill query 7", None),
            ("", None),
        ] {
            assert_eq!(ended(sql.as_bytes()), number, "{sql}");
        }
    }
}
