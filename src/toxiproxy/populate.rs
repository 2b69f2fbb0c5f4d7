//! What `/populate` and the file of `--config` say: a list of proxies, read whole before anything is done.

use serde_json::Value;

use super::{
    fields::{self, Fields, kind},
    registry::{Encryption, Proxy},
    reply::Refusal,
    toxic::{Toxic, Wanted},
};

/// A proxy as asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
    pub(super) encryption: Encryption,
    /// Toxics, which Toxiproxy itself ignores here.
    pub(super) toxics: Vec<Toxic>,
}

impl Asked {
    /// Reads one proxy, without its toxics.
    pub(super) fn read(fields: &Fields) -> Result<Self, Refusal> {
        Ok(Self {
            name: fields.text("name")?.unwrap_or_default(),
            listen: fields.text("listen")?.unwrap_or_default(),
            upstream: fields.text("upstream")?.unwrap_or_default(),
            enabled: fields.truth("enabled")?.unwrap_or(true),
            encryption: Encryption::default().read(fields)?,
            toxics: Vec::new(),
        })
    }

    /// What is missing, if anything is.
    pub(super) fn complete(&self) -> Result<(), Refusal> {
        let missing = |field: &str| Err(Refusal::new(400, format!("missing required field: {field}")));
        match (&*self.name, &*self.upstream) {
            ("", _) => missing("name"),
            (_, "") => missing("upstream"),
            _ => Ok(()),
        }
    }

    /// The proxy, which does not listen yet.
    pub(super) fn proxy(&self) -> Proxy {
        Proxy {
            name: self.name.clone(),
            listen: self.listen.clone(),
            asked: self.listen.clone(),
            upstream: self.upstream.clone(),
            encryption: self.encryption.clone(),
            up: None,
            toxics: self.toxics.clone(),
        }
    }
}

/// Reads the list; every entry is right, or nothing is done.
pub(super) fn read(body: &[u8]) -> Result<Vec<Asked>, Refusal> {
    let entries = match fields::value(body)? {
        Value::Array(entries) => entries,
        Value::Null => Vec::new(),
        other => {
            return Err(Refusal::bad(format!(
                "a list of proxies is needed, not {}",
                kind(&other)
            )));
        }
    };
    let entries: Vec<Fields> = entries.into_iter().map(Fields::of).collect::<Result<_, _>>()?;
    let mut all: Vec<Asked> = entries.iter().map(Asked::read).collect::<Result<_, _>>()?;
    for (place, (asked, fields)) in (1..).zip(all.iter_mut().zip(&entries)) {
        asked.complete().map_err(|refusal| refusal.at(place))?;
        asked.toxics = toxics(fields).map_err(|refusal| refusal.at(place))?;
    }
    Ok(all)
}

fn toxics(fields: &Fields) -> Result<Vec<Toxic>, Refusal> {
    let mut proxy = Asked::read(fields)?.proxy();
    for entry in fields.list("toxics")?.unwrap_or_default() {
        let wanted = Wanted::read(&Fields::of(entry)?)?;
        if proxy.place_of(&wanted.name).is_ok() {
            return Err(Refusal::new(409, "toxic already exists"));
        }
        proxy.add(wanted.make()?);
    }
    Ok(proxy.toxics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let check = |body: &str, message: &str| {
            let refusal = read(body.as_bytes()).unwrap_err();
            assert!(
                refusal.message.starts_with(message),
                "{body}: {}",
                refusal.message
            );
        };
        check(
            "{}",
            "bad request body: a list of proxies is needed, not an object",
        );
        check("[1]", "bad request body: an object is needed");
        check("[null]", "missing required field: name at proxy 1");
        check(
            r#"[{"name": "a", "upstream": "b:1"}, {"name": "c"}]"#,
            "missing required field: upstream at proxy 2",
        );
        check(
            r#"[{"name": "a", "upstream": "b:1", "toxics": [{"type": "slow"}]}]"#,
            "invalid toxic type at proxy 1",
        );
        check(
            r#"[{"name": "a", "upstream": "b:1", "toxics": [{"type": "noop"}, {"type": "noop"}]}]"#,
            "toxic already exists at proxy 1",
        );
    }

    #[test]
    fn toxics_come_with_their_proxy() {
        let body = br#"[{"name": "a", "upstream": "b:1", "toxics": [
            {"type": "latency", "attributes": {"latency": 5}}, {"type": "timeout", "stream": "upstream"}]}]"#;
        let names: Vec<String> = read(body).unwrap()[0]
            .toxics
            .iter()
            .map(|toxic| toxic.name.clone())
            .collect();
        assert_eq!(names, ["timeout_upstream", "latency_downstream"]);
    }
}
