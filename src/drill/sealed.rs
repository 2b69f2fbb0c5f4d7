//! A profile that cannot be read by eye, under a name that tells nothing: it may stand in a command line, in a unit or in a
//! ConfigMap. A curtain and no lock: whoever has the file and this program can open it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    journal::hex,
    profile::{Profile, proof},
};
use crate::config::{self, Problem, Problems};

/// A profile under seal, as its file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The grammar that this file is written in.
    pub schema: Grammar,
    /// What the drill is called as long as nobody may know more.
    pub id: String,
    /// Makes two seals of one profile differ, so that nobody finds out by sealing those that ship.
    pub salt: String,
    /// The profile, scrambled.
    pub text: String,
}

/// The grammar that a sealed profile is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grammar {
    /// The first, and so far the only one.
    #[serde(rename = "chaosproxy.sealed/v1")]
    V1,
}

/// The line by which such a file is known, among its first few.
const BEGINS: &str = "schema: chaosproxy.sealed/v1";

/// So many lines are looked at to tell what a file is.
const FIRST_LINES: usize = 8;

/// How many characters an id has: enough to tell a shelf of them apart, few enough to be said aloud.
const ID: usize = 8;

impl Sealed {
    /// Seals a profile; the salt must be another one each time.
    ///
    /// # Errors
    /// When the profile cannot be written down.
    pub fn new(profile: &Profile, salt: u64) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_vec(profile)?;
        let salt = format!("{salt:016x}");
        Ok(Self {
            schema: Grammar::V1,
            id: id(&salt, &text),
            text: BASE64_STANDARD.encode(scrambled(&salt, text)),
            salt,
        })
    }

    /// Reads the text of a file, if it is one of these; or says what is wrong with it.
    pub fn read(file: &str, text: &str) -> Option<Result<Self, Problems>> {
        let mut first = text.lines().take(FIRST_LINES);
        first
            .any(|line| line.trim_end() == BEGINS)
            .then(|| config::read(file, text))
    }

    /// Reads a file, if there is one and it is one of these; or says what is wrong with it.
    pub fn load(file: &str) -> Option<Result<Self, Problems>> {
        let text = std::fs::read_to_string(file).ok()?;
        Self::read(file, &text)
    }

    /// Opens it. What is wrong with the profile is not said: whoever reads that must not know what is in it.
    ///
    /// # Errors
    /// When it was changed, or this version cannot run what is in it.
    pub fn open(&self, file: &str) -> Result<Profile, Problems> {
        let wrong = |what: &str, mend: &str| Problems::from(Problem::whole(file, what, mend));
        let damaged = || {
            wrong(
                "the sealed profile was changed, or a part of it is missing",
                "copy its file again, or seal the profile again",
            )
        };
        let text = BASE64_STANDARD.decode(&self.text).map_err(|_| damaged())?;
        let text = scrambled(&self.salt, text);
        if id(&self.salt, &text) != self.id {
            return Err(damaged());
        }
        let profile: Option<Profile> = serde_json::from_slice(&text).ok();
        profile
            .filter(|profile| proof::prove(profile).is_empty())
            .ok_or_else(|| {
                wrong(
                    "what is under the seal cannot be run by this version",
                    "seal the profile again, with this version",
                )
            })
    }
}

/// What a text is called under this salt.
fn id(salt: &str, text: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(text);
    let mut id = hex(&hash.finalize());
    id.truncate(ID);
    id
}

/// Scrambles a text, or puts a scrambled one right: each byte is crossed with one that the salt gives.
fn scrambled(salt: &str, mut text: Vec<u8>) -> Vec<u8> {
    for (place, block) in text.chunks_mut(<Sha256 as Digest>::output_size()).enumerate() {
        let key = Sha256::digest(format!("{salt}/{place}"));
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::profiles::{self, SHIPPED};

    fn orm_break() -> Profile {
        profiles::load("orm-break").unwrap()
    }

    #[test]
    fn what_is_sealed_can_be_opened_and_not_read() {
        for shipped in SHIPPED {
            let profile = profiles::load(shipped.name).unwrap();
            let sealed = Sealed::new(&profile, 7).unwrap();
            let file = config::to_yaml(&sealed).unwrap();
            let back = Sealed::read("a", &file).unwrap().unwrap();
            assert_eq!(back.open("a").unwrap(), profile);
            assert!(!file.contains(shipped.name) && !file.contains("phase"), "{file}");
        }
    }

    #[test]
    fn two_seals_of_one_profile_have_nothing_in_common() {
        let [one, other] = [1, 2].map(|salt| Sealed::new(&orm_break(), salt).unwrap());
        assert_ne!(one.id, other.id);
        assert_ne!(one.text[..16], other.text[..16]);
    }

    #[test]
    fn a_seal_that_was_tampered_with_says_so_and_nothing_more() {
        let sealed = Sealed::new(&orm_break(), 7).unwrap();
        let check = |sealed: &Sealed, words: &str| {
            let problems = sealed.open("7.sealed").unwrap_err().to_string();
            assert!(
                problems.contains(words) && !problems.contains("orm"),
                "{problems}"
            );
        };
        let text = sealed.text.replacen(&sealed.text[..4], "AAAA", 1);
        check(
            &Sealed {
                text,
                ..sealed.clone()
            },
            "was changed",
        );
        let mut broken = orm_break();
        broken.phases.pop();
        check(&Sealed::new(&broken, 7).unwrap(), "cannot be run");
    }

    #[test]
    fn another_file_is_none_of_these() {
        assert!(Sealed::read("a", profiles::find("orm-break").unwrap().text).is_none());
        assert!(
            Sealed::read("a", "schema: chaosproxy.sealed/v1\nid: 1\n")
                .unwrap()
                .is_err()
        );
    }
}
