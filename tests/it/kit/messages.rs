//! PostgreSQL message by message: what a client says, and all that it hears.

use std::{fmt::Write as _, net::SocketAddr};

use super::Raw;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// A query by itself.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

/// Prepares a statement.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Binds a statement without parameters.
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

/// Asks what a portal gives.
pub fn describe(portal: &str) -> Vec<u8> {
    message(b'D', format!("P{portal}\0").as_bytes())
}

/// Asks for so many rows of a portal; 0 for all.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend(rows.to_be_bytes());
    message(b'E', &body)
}

/// Closes a statement (`S`) or a portal (`P`).
pub fn close(kind: char, name: &str) -> Vec<u8> {
    message(b'C', format!("{kind}{name}\0").as_bytes())
}

/// All of it for one statement, without a name and without the end of the group.
pub fn whole(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), describe(""), execute("", 0)].concat()
}

/// All rows of a copy.
pub fn copied(rows: &str) -> Vec<u8> {
    [message(b'd', rows.as_bytes()), message(b'c', b"")].concat()
}

/// Asks for what there is so far.
pub fn flush() -> Vec<u8> {
    message(b'H', b"")
}

/// Ends a group.
pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// A session at PostgreSQL, message by message.
pub struct Said {
    raw: Raw,
}

impl Said {
    /// Opens one.
    pub async fn begin(at: SocketAddr) -> Self {
        let mut raw = Raw::connect(at).await;
        let pairs = b"user\0admin\0database\0shop\0\0";
        let length = u32::try_from(pairs.len() + 8).unwrap().to_be_bytes();
        raw.say([&length, &[0, 3, 0, 0][..], pairs].concat()).await;
        let mut this = Self { raw };
        this.answer().await;
        this
    }

    /// What the server says to a query.
    pub async fn says(&mut self, sql: &str) -> String {
        self.sends(&query(sql)).await;
        self.answer().await
    }

    /// Says this.
    pub async fn sends(&mut self, messages: &[u8]) {
        self.raw.say(messages).await;
    }

    /// All messages up to the one that says what has become of the transaction.
    pub async fn answer(&mut self) -> String {
        self.until(b'Z').await
    }

    /// All messages up to one of this kind.
    pub async fn until(&mut self, last: u8) -> String {
        let mut told = String::new();
        loop {
            let head = self.raw.exactly(5).await;
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let body = self.raw.exactly(usize::try_from(length).unwrap() - 4).await;
            let fields = body.split(|byte| *byte == 0);
            let text = match head[0] {
                // Where in the sources and in the text it was found is not told by a fault.
                b'E' | b'N' => fields
                    .filter(|field| matches!(field.first(), Some(b'S' | b'C' | b'M')))
                    .map(String::from_utf8_lossy)
                    .collect::<Vec<_>>()
                    .join(" "),
                b'T' => columns(&body[2..]),
                _ => String::from_utf8_lossy(&body).into_owned(),
            };
            writeln!(told, "{} {text:?}", char::from(head[0])).unwrap();
            if head[0] == last {
                return told;
            }
        }
    }
}

/// The names of a result's columns; behind each stands what the server calls its table, which is another one each time.
fn columns(mut described: &[u8]) -> String {
    const BEHIND_NAME: usize = 1 + 18;
    let mut names = Vec::new();
    while let Some(end) = described.iter().position(|byte| *byte == 0) {
        names.push(String::from_utf8_lossy(&described[..end]));
        described = &described[end + BEHIND_NAME..];
    }
    names.join(" ")
}
