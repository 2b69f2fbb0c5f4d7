//! What a session with MySQL is about from here on, where its client chooses anew: another database, or another user too.

use super::{
    frame::text,
    opening::{Login, can},
};

/// What a client has chosen; it holds once the server has agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Another user; `None`: the same as before.
    user: Option<String>,
    /// Empty for none.
    database: String,
}

impl Choice {
    /// Another database (`COM_INIT_DB`).
    pub(super) fn of_database(name: &[u8]) -> Self {
        Self {
            user: None,
            database: owned(name),
        }
    }

    /// What a query chooses by `USE` at its beginning; `None`: nothing.
    pub(super) fn of_query(sql: &[u8]) -> Option<Self> {
        used(sql).map(Self::of_database)
    }

    /// Another user (`COM_CHANGE_USER`), as client and server have agreed to say it; `None` where it is cut short.
    pub(super) fn of_user(body: &[u8], agreed: u32) -> Option<Self> {
        let (user, rest) = text(body)?;
        let rest = if agreed & can::SECURE_CONNECTION != 0 {
            let (&length, rest) = rest.split_first()?;
            rest.get(usize::from(length)..)?
        } else {
            text(rest)?.1
        };
        Some(Self {
            user: Some(owned(user)),
            database: owned(text(rest)?.0),
        })
    }

    /// The database; empty for none.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// The server has agreed.
    pub(super) fn holds_for(self, login: &mut Login) {
        login.database = self.database;
        if let Some(user) = self.user {
            login.user = user;
        }
    }
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The database that a query's first statement chooses: `USE shop`, `/* app */ use `shop`; select 1`.
fn used(sql: &[u8]) -> Option<&[u8]> {
    let rest = without_comments(sql);
    let (word, rest) = rest.split_at_checked(3)?;
    if !word.eq_ignore_ascii_case(b"use") {
        return None;
    }
    let name = without_comments(rest);
    match name.first()? {
        quote @ (b'`' | b'"') => name[1..].split(|byte| byte == quote).next(),
        _ if name.len() == rest.len() => None,
        _ => name
            .split(|byte| byte.is_ascii_whitespace() || *byte == b';')
            .next(),
    }
    .filter(|name| !name.is_empty())
}

/// What stands behind blanks and comments.
pub(super) fn without_comments(mut sql: &[u8]) -> &[u8] {
    loop {
        sql = sql.trim_ascii_start();
        let (begin, end): (usize, &[u8]) = match sql {
            [b'/', b'*', ..] => (2, b"*/"),
            [b'#', ..] => (1, b"\n"),
            [b'-', b'-', b' ' | b'\t', ..] => (2, b"\n"),
            _ => return sql,
        };
        let inside = &sql[begin..];
        let Some(at) = inside.windows(end.len()).position(|found| found == end) else {
            return &[];
        };
        sql = &inside[at + end.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_query(sql: &str) -> Option<&str> {
        used(sql.as_bytes()).map(|name| std::str::from_utf8(name).unwrap())
    }

    #[test]
    fn use_is_known_however_it_is_written() {
        for sql in [
            "use shop",
            " USE\tshop ;",
            "Use`shop`",
            "use \"shop\"",
            "/* app:web */ use /* that */ shop; select 1",
            "# one\n-- two\nuse shop",
            "#\nuse shop",
        ] {
            assert_eq!(by_query(sql), Some("shop"), "{sql}");
        }
        for sql in [
            "",
            "us",
            "use",
            "use ``",
            "user shop",
            "select 1; use shop",
            "/* use shop",
            "used",
        ] {
            assert_eq!(by_query(sql), None, "{sql}");
        }
    }

    #[test]
    fn another_user_is_read_in_both_forms() {
        let chosen = Some(Choice {
            user: Some("rich".to_owned()),
            database: "stock".to_owned(),
        });
        let long = b"rich\0\x04hashstock\0\x21\0mysql_native_password\0";
        assert_eq!(Choice::of_user(long, can::SECURE_CONNECTION), chosen);
        assert_eq!(Choice::of_user(b"rich\0hash\0stock\0", 0), chosen);
        for cut in 0..b"rich\0\x04hashstock".len() {
            assert_eq!(Choice::of_user(&long[..cut], can::SECURE_CONNECTION), None);
        }
    }
}
