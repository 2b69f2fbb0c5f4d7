//! One line: as JSON, or as `key=value` text. Neither lets a client write anything but data into it.

use std::{io::Write, net::SocketAddr, time::Duration};

use jiff::Timestamp;

use crate::telemetry::Origin;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `key=value`, with quotes where needed.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// An exchange that has ended, as the log tells it. What does not apply is `None` and left out.
pub struct Entry<'a> {
    /// Who asked.
    pub client: SocketAddr,
    /// Where it came in.
    pub listener: &'a str,
    /// The route it took.
    pub route: Option<&'a str>,
    /// The method as sent; `None` for a TCP connection.
    pub method: Option<&'a str>,
    /// Path and query as sent.
    pub path: Option<&'a [u8]>,
    /// The status that the client got; `None` when it got none.
    pub status: Option<u16>,
    /// Bytes of body, or of a connection, from the client.
    pub received: u64,
    /// Bytes of body, or of a connection, to the client.
    pub sent: u64,
    /// From the first byte to the last.
    pub duration: Duration,
    /// The backend that answered, or was tried last.
    pub backend: Option<&'a str>,
    /// Attempts at backends.
    pub attempts: u32,
    /// Who made the answer.
    pub origin: Origin,
    /// The faults that touched it.
    pub faults: &'a mut dyn Iterator<Item = &'a str>,
    /// Why it failed, when it did.
    pub reason: Option<&'a str>,
    /// The request's identity, as sent by the client or made by us.
    pub request_id: Option<&'a [u8]>,
    /// Whether the line must not tell what was injected.
    pub blind: bool,
}

/// The wall's clock as text; the part before the fraction is made once a second.
#[derive(Default)]
pub(super) struct Clock {
    second: i64,
    text: String,
}

impl Clock {
    /// Now, as in `2026-07-30T12:00:00.123Z`.
    pub(super) fn now(&mut self) -> &str {
        self.at(Timestamp::now())
    }

    fn at(&mut self, now: Timestamp) -> &str {
        let second = now.as_second();
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = now.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
        }
        let dot = self.text.len() - "000Z".len();
        self.text.truncate(dot);
        let millis = now.subsec_millisecond();
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            // A fraction is between 0 and 999 after 1970.
            self.text
                .push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        self.text.push('Z');
        &self.text
    }
}

impl Format {
    /// Appends a line.
    pub(super) fn write(self, out: &mut Vec<u8>, time: &str, mut entry: Entry<'_>) {
        let mut line = match self {
            Self::Text => Line {
                out,
                json: false,
                fields: 0,
            },
            Self::Json => Line {
                out,
                json: true,
                fields: 0,
            },
        };
        line.fields(time, &mut entry);
        line.end();
    }
}

/// A line while it is written.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    json: bool,
    fields: usize,
}

impl Line<'_> {
    fn fields(&mut self, time: &str, entry: &mut Entry<'_>) {
        self.plain("time", format_args!("{time}"), true);
        self.plain("client", format_args!("{}", entry.client), true);
        self.text("listener", Some(entry.listener.as_bytes()));
        self.text("route", entry.route.map(str::as_bytes));
        self.text("method", entry.method.map(str::as_bytes));
        self.text("path", entry.path);
        if let Some(status) = entry.status {
            self.plain("status", format_args!("{status}"), false);
        }
        self.plain("received", format_args!("{}", entry.received), false);
        self.plain("sent", format_args!("{}", entry.sent), false);
        let micros = entry.duration.as_micros();
        self.plain(
            "duration_ms",
            format_args!("{}.{:03}", micros / 1000, micros % 1000),
            false,
        );
        self.text("backend", entry.backend.map(str::as_bytes));
        self.plain("attempts", format_args!("{}", entry.attempts), false);
        let (mut origin, mut reason) = (entry.origin, entry.reason);
        if entry.blind {
            reason = reason.filter(|reason| *reason != Origin::Injected.as_str());
            origin = origin.plain(reason.is_some());
        }
        self.plain("origin", format_args!("{}", origin.as_str()), true);
        if !entry.blind {
            self.list("faults", entry.faults);
        }
        self.text("reason", reason.map(str::as_bytes));
        self.text("request_id", entry.request_id);
    }

    fn end(&mut self) {
        self.out.extend_from_slice(if self.json { b"}\n" } else { b"\n" });
    }

    /// A value of our own making, which needs no escaping.
    fn plain(&mut self, key: &str, value: std::fmt::Arguments<'_>, quoted: bool) {
        self.key(key);
        let quote: &[u8] = if quoted && self.json { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        self.out
            .write_fmt(value)
            .expect("writing to memory does not fail");
        self.out.extend_from_slice(quote);
    }

    fn text(&mut self, key: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.key(key);
            self.value(value);
        }
    }

    /// Left out when empty. In text, names stand between commas.
    fn list(&mut self, key: &str, values: &mut dyn Iterator<Item = &str>) {
        let Some(first) = values.next() else { return };
        self.key(key);
        if self.json {
            self.out.push(b'[');
        }
        self.value(first.as_bytes());
        for value in values {
            self.out.push(b',');
            self.value(value.as_bytes());
        }
        if self.json {
            self.out.push(b']');
        }
    }

    fn key(&mut self, key: &str) {
        let separator: &[u8] = match (self.json, self.fields) {
            (true, 0) => b"{",
            (true, _) => b",",
            (false, 0) => b"",
            (false, _) => b" ",
        };
        self.fields += 1;
        self.out.extend_from_slice(separator);
        if self.json {
            self.out.push(b'"');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            self.out.extend_from_slice(key.as_bytes());
            self.out.push(b'=');
        }
    }

    fn value(&mut self, value: &[u8]) {
        if !self.json && is_bare(value) {
            return self.out.extend_from_slice(value);
        }
        self.out.push(b'"');
        // Most values need no escaping: one look, one copy.
        if value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
        {
            self.out.extend_from_slice(value);
        } else {
            escape(self.out, value);
        }
        self.out.push(b'"');
    }
}

/// Needs no quotes in text: nothing that ends a value, and not nothing.
fn is_bare(value: &[u8]) -> bool {
    let bare = |byte: &u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\' | b'=' | b',');
    !value.is_empty() && value.iter().all(bare)
}

/// Escapes as JSON does, and more: no control character, not even DEL or those of Latin-1, reaches a terminal. What is not
/// UTF-8 becomes U+FFFD.
fn escape(out: &mut Vec<u8>, value: &[u8]) {
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            // Line separators and direction marks deceive readers as well as control characters do.
            c if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                write!(out, "\\u{:04x}", u32::from(c)).expect("writing to memory does not fail");
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(format: Format, path: &[u8], faults: &[&str], status: Option<u16>) -> String {
        let mut out = Vec::new();
        let entry = Entry {
            client: "192.0.2.7:5000".parse().unwrap(),
            listener: "public",
            route: Some("orders"),
            method: Some("GET"),
            path: Some(path),
            status,
            received: 0,
            sent: 128,
            duration: Duration::from_micros(1_234_567),
            backend: Some("app-a"),
            attempts: 2,
            origin: Origin::Upstream,
            faults: &mut faults.iter().copied(),
            reason: None,
            request_id: Some(b"r-1"),
            blind: false,
        };
        format.write(&mut out, "2026-07-30T12:00:00.123Z", entry);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_read_by_people() {
        assert_eq!(
            line(Format::Text, b"/orders?a", &["slow", "late"], Some(200)),
            "time=2026-07-30T12:00:00.123Z client=192.0.2.7:5000 listener=public route=orders method=GET \
             path=/orders?a status=200 received=0 sent=128 duration_ms=1234.567 backend=app-a attempts=2 \
             origin=upstream faults=slow,late request_id=r-1\n"
        );
    }

    #[test]
    fn json_is_read_by_machines() {
        assert_eq!(
            line(Format::Json, b"/orders", &["slow", "late"], None),
            "{\"time\":\"2026-07-30T12:00:00.123Z\",\"client\":\"192.0.2.7:5000\",\"listener\":\"public\",\
             \"route\":\"orders\",\"method\":\"GET\",\"path\":\"/orders\",\"received\":0,\"sent\":128,\
             \"duration_ms\":1234.567,\"backend\":\"app-a\",\"attempts\":2,\"origin\":\"upstream\",\
             \"faults\":[\"slow\",\"late\"],\"request_id\":\"r-1\"}\n"
        );
    }

    #[test]
    fn a_hostile_path_stays_data() {
        let check = |path: &[u8], expected: &str| {
            let text = line(Format::Text, path, &[], Some(200));
            assert!(text.contains(&format!(" path={expected} ")), "{text}");
        };
        check(b"/a b", "\"/a b\"");
        check(b"/?x=1", "\"/?x=1\"");
        check(b"/\" status=500 \"", r#""/\" status=500 \"""#);
        check(b"/\n\x1b[31m\x7f", r#""/\n\u001b[31m\u007f""#);
        check(b"/\xff", "\"/\u{fffd}\"");
        check("/\u{9b}\u{202e}é".as_bytes(), "\"/\\u009b\\u202eé\"");
        check(b"", "\"\"");
    }

    proptest! {
        #[test]
        fn any_path_makes_one_line_of_valid_json(path in prop::collection::vec(any::<u8>(), 0..60)) {
            let json = line(Format::Json, &path, &[], Some(200));
            prop_assert!(!json[..json.len() - 1].chars().any(char::is_control));
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed["path"].as_str().unwrap(), String::from_utf8_lossy(&path));
            let text = line(Format::Text, &path, &[], Some(200));
            prop_assert!(!text[..text.len() - 1].chars().any(char::is_control));
            prop_assert_eq!(text.matches(" status=").count() >= 1, true);
        }
    }

    #[test]
    fn the_clock_agrees_with_the_calendar_within_and_across_seconds() {
        let mut clock = Clock::default();
        let mut check = |millis: i64, expected: &str| {
            assert_eq!(clock.at(Timestamp::from_millisecond(millis).unwrap()), expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(7, "1970-01-01T00:00:00.007Z");
        check(999, "1970-01-01T00:00:00.999Z");
        check(1_785_412_800_123, "2026-07-30T12:00:00.123Z");
    }
}
