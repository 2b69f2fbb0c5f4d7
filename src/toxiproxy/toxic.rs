//! Toxics: the types with their attributes, read, changed and shown as Toxiproxy does, and compiled to faults.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    fields::Fields,
    number::{Number, short},
    reply::Refusal,
};
use crate::{
    faults::{
        Do, Entry, Flow, Latency, LimitData, Lose, Reset, Since, Slice, SlowClose, Stall, Throttle, Timeout,
        Where,
    },
    units::{ByteRate, ByteSize, Probability},
};

/// A toxic of a proxy.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Toxic {
    pub(super) name: String,
    kind: &'static Type,
    /// As written, which is how it is shown.
    stream: String,
    pub(super) flow: Flow,
    toxicity: f32,
    values: Vec<Number>,
    /// Whether all connections share a `bandwidth`: an attribute of ours, which is shown only where it is set.
    shared: bool,
}

/// A type of toxic.
#[derive(Debug, PartialEq)]
struct Type {
    name: &'static str,
    attributes: &'static [Attribute],
}

/// An attribute of a type.
#[derive(Debug, PartialEq)]
struct Attribute {
    name: &'static str,
    may: May,
}

/// What a value may be. Toxiproxy checks none; what would end its whole process is refused here.
#[derive(Debug, PartialEq)]
enum May {
    /// Any whole number; below 0 means 0.
    Whole,
    /// A whole number of at least this.
    From(i64),
    /// A number, cut to lie from 0 to 1.
    Share,
}

const fn attribute(name: &'static str, may: May) -> Attribute {
    Attribute { name, may }
}

/// The type whose limit all connections can share, and the attribute of ours that says so.
const SHARING: &str = "bandwidth";
const SHARED: &str = "shared";

const TYPES: &[Type] = &[
    Type {
        name: "latency",
        attributes: &[attribute("latency", May::Whole), attribute("jitter", May::Whole)],
    },
    Type {
        name: "bandwidth",
        attributes: &[attribute("rate", May::From(0))],
    },
    Type {
        name: "slow_close",
        attributes: &[attribute("delay", May::From(0))],
    },
    Type {
        name: "timeout",
        attributes: &[attribute("timeout", May::From(0))],
    },
    Type {
        name: "reset_peer",
        attributes: &[attribute("timeout", May::From(0))],
    },
    Type {
        name: "slicer",
        attributes: &[
            attribute("average_size", May::From(1)),
            attribute("size_variation", May::From(0)),
            attribute("delay", May::From(0)),
        ],
    },
    Type {
        name: "limit_data",
        attributes: &[attribute("bytes", May::From(0))],
    },
    Type {
        name: "packet_loss",
        attributes: &[
            attribute("loss_rate", May::Share),
            attribute("correlation", May::Share),
        ],
    },
    Type {
        name: "noop",
        attributes: &[],
    },
];

/// The names of all types.
pub(super) fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|known| known.name)
}

/// What an attribute can hold; what differs from type to type has another name in each.
pub(super) fn holds(attribute: &str) -> Option<String> {
    let mut all = TYPES.iter().flat_map(|known| known.attributes);
    let known = all.find(|known| known.name == attribute)?;
    Some(match known.may {
        May::Whole => "a whole number".to_owned(),
        May::From(least) => format!("a whole number of at least {least}"),
        May::Share => "a number from 0 to 1".to_owned(),
    })
}

/// A toxic as asked for: everything that is checked before it is known whether its name is free.
pub(super) struct Wanted {
    pub(super) name: String,
    kind: &'static Type,
    stream: String,
    flow: Flow,
    toxicity: f32,
    pub(super) attributes: Fields,
}

impl Wanted {
    /// Reads what is asked for, in Toxiproxy's order of checks: the body, the stream, the type.
    pub(super) fn read(fields: &Fields) -> Result<Self, Refusal> {
        let name = fields.text("name")?.filter(|name| !name.is_empty());
        let kind = fields.text("type")?.unwrap_or_default();
        // One client says `direction`.
        let stream = match fields.text("stream")? {
            Some(stream) => stream,
            None => fields
                .text("direction")?
                .unwrap_or_else(|| "downstream".to_owned()),
        };
        let toxicity = toxicity(fields)?.unwrap_or(1.0);
        let attributes = fields.object("attributes")?.unwrap_or_default();
        let flow = match stream.to_ascii_lowercase().as_str() {
            "upstream" => Flow::Request,
            "downstream" => Flow::Reply,
            _ => {
                let message = "stream was invalid, can be either upstream or downstream";
                return Err(Refusal::new(400, message).about("stream"));
            }
        };
        let mut types = TYPES.iter();
        let kind = types
            .find(|known| known.name == kind)
            .ok_or_else(|| Refusal::new(400, "invalid toxic type").about("type"))?;
        Ok(Self {
            name: name.unwrap_or_else(|| format!("{}_{stream}", kind.name)),
            kind,
            stream,
            flow,
            toxicity,
            attributes,
        })
    }

    /// The attributes that its type has, ours among them.
    pub(super) fn known(&self) -> Vec<&'static str> {
        let ours = (self.kind.name == SHARING).then_some(SHARED);
        let attributes = self.kind.attributes.iter();
        attributes.map(|attribute| attribute.name).chain(ours).collect()
    }

    /// The toxic; its name is free.
    pub(super) fn make(self) -> Result<Toxic, Refusal> {
        let none = self.kind.attributes.iter().map(|attribute| match attribute.may {
            May::Share => Number::Share(0.0),
            _ => Number::Whole(0),
        });
        let mut toxic = Toxic {
            name: self.name,
            kind: self.kind,
            stream: self.stream,
            flow: self.flow,
            toxicity: self.toxicity,
            values: none.collect(),
            shared: false,
        };
        toxic.set(&self.attributes)?;
        Ok(toxic)
    }
}

fn toxicity(fields: &Fields) -> Result<Option<f32>, Refusal> {
    let Some(toxicity) = fields.number("toxicity")? else {
        return Ok(None);
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Toxiproxy keeps so many digits and no more"
    )]
    let toxicity = toxicity as f32;
    match toxicity.is_finite() {
        true => Ok(Some(toxicity)),
        false => Err(Refusal::bad("`toxicity` is too large").about("toxicity")),
    }
}

impl Toxic {
    /// The toxic as an update wants it: what is not named stays, and so does all of it if anything is wrong.
    pub(super) fn updated(&self, fields: &Fields) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.toxicity = toxicity(fields)?.unwrap_or(self.toxicity);
        next.set(&fields.object("attributes")?.unwrap_or_default())?;
        Ok(next)
    }

    fn set(&mut self, written: &Fields) -> Result<(), Refusal> {
        for (attribute, value) in self.kind.attributes.iter().zip(&mut self.values) {
            attribute.set(written, value)?;
        }
        if self.kind.name == SHARING {
            self.shared = written.truth(SHARED)?.unwrap_or(self.shared);
        }
        Ok(())
    }

    /// What it does to traffic of a listener; `None` where it does nothing.
    pub(super) fn fault(&self, listener: &str) -> Option<Entry> {
        let odds = Probability::new(f64::from(self.toxicity).clamp(0.0, 1.0)).ok()?;
        if odds == Probability::NEVER {
            return None;
        }
        Some(Entry {
            r#where: Where {
                listener: Some(listener.to_owned()),
                ..Where::default()
            },
            odds,
            ..Entry::new(self.does()?)
        })
    }

    fn does(&self) -> Option<Do> {
        let flow = self.flow;
        Some(match (self.kind.name, &self.values[..]) {
            ("latency", [add, jitter]) => {
                let latency = Latency::of_chunks(add.millis(), jitter.millis(), flow);
                Do::Latency((!latency.is_none()).then_some(latency)?)
            }
            ("bandwidth", [rate]) => match ByteRate::new(rate.size().saturating_mul(1000)) {
                Ok(rate) => Do::Throttle(Throttle {
                    rate,
                    shared: self.shared,
                    flow,
                }),
                Err(_) => Do::Stall(Stall {
                    flow,
                    ..Stall::default()
                }),
            },
            ("slow_close", [delay]) => Do::SlowClose(SlowClose {
                delay: delay.millis(),
                flow,
            }),
            ("timeout", [timeout]) => Do::Timeout(Timeout {
                after: timeout.millis(),
                // As documented. Toxiproxy itself begins anew with all that comes.
                since: Since::Start,
                flow,
            }),
            ("reset_peer", [timeout]) => Do::Reset(Reset {
                after: Some(timeout.millis()),
                after_bytes: None,
                since: Since::Data,
                flow,
            }),
            ("slicer", [size, vary, delay]) => Do::Slice(Slice {
                size: ByteSize(size.size()),
                vary: ByteSize(vary.size()),
                pause: delay.micros(),
                flow,
            }),
            ("limit_data", [bytes]) => Do::LimitData(LimitData {
                bytes: ByteSize(bytes.size()),
                flow,
            }),
            ("packet_loss", [share, correlation]) => Do::Lose(Lose {
                share: share.share(),
                correlation: correlation.share(),
                flow,
            }),
            _ => return None,
        })
    }
}

impl Attribute {
    fn set(&self, written: &Fields, value: &mut Number) -> Result<(), Refusal> {
        let name = self.name;
        let least = match self.may {
            May::Share => {
                let share = written.number(name)?.map(|share| share.clamp(0.0, 1.0));
                *value = share.map_or(*value, Number::Share);
                return Ok(());
            }
            May::Whole => i64::MIN,
            May::From(least) => least,
        };
        if let Some(whole) = written.whole(name)? {
            *value = Number::Whole(whole);
        }
        match value {
            Number::Whole(whole) if *whole < least => {
                Err(Refusal::bad(format!("`{name}` must be at least {least}")).about(name))
            }
            _ => Ok(()),
        }
    }
}

impl Serialize for Toxic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Attributes<'a>(&'a Toxic);
        impl Serialize for Attributes<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let names = self.0.kind.attributes.iter().map(|attribute| attribute.name);
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in names.zip(&self.0.values) {
                    map.serialize_entry(name, value)?;
                }
                if self.0.shared {
                    map.serialize_entry(SHARED, &true)?;
                }
                map.end()
            }
        }
        struct Toxicity(f32);
        impl Serialize for Toxicity {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                short(self.0.into(), serializer, |serializer| {
                    serializer.serialize_f32(self.0)
                })
            }
        }
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("attributes", &Attributes(self))?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("type", self.kind.name)?;
        map.serialize_entry("stream", &self.stream)?;
        map.serialize_entry("toxicity", &Toxicity(self.toxicity))?;
        map.end()
    }
}
