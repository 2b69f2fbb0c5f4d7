//! The last value of a response header that a backend sent, kept while somebody wants to know what the backend runs.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::{HeaderMap, HeaderName};

use crate::units::stable_hash;

/// What is kept of a value: versions are short, and a backend must not fill the memory.
const LONGEST: usize = 200;

/// The last value of one header of one backend.
///
/// An answer is compared by a hash; only one that says something new takes the lock, and only if nobody else has it: traffic
/// waits for nobody, and the next answer says the same again.
#[derive(Debug)]
pub struct LastValue {
    name: HeaderName,
    hash: AtomicU64,
    value: Mutex<Option<String>>,
}

impl LastValue {
    /// Nothing was sent yet.
    pub const fn new(name: HeaderName) -> Self {
        Self {
            name,
            hash: AtomicU64::new(0),
            value: Mutex::new(None),
        }
    }

    /// The header.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Looks at an answer. One without the header says nothing.
    pub fn note(&self, headers: &HeaderMap) {
        let Some(value) = headers.get(&self.name) else {
            return;
        };
        let bytes = value.as_bytes();
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let hash = stable_hash(bytes);
        if hash != self.hash.load(Relaxed)
            && let Ok(mut last) = self.value.try_lock()
        {
            *last = Some(String::from_utf8_lossy(bytes).into_owned());
            self.hash.store(hash, Relaxed);
        }
    }

    /// The last value; nothing before the first.
    pub fn value(&self) -> Option<String> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts_and_silence_says_nothing() {
        let said = |value: &str| HeaderMap::from_iter([(name(), value.parse().unwrap())]);
        let last = LastValue::new(name());
        assert_eq!(last.value(), None);
        for value in ["41", "42", "42", "41"] {
            last.note(&said(value));
            assert_eq!(last.value().as_deref(), Some(value));
        }
        last.note(&HeaderMap::new());
        assert_eq!(last.value().as_deref(), Some("41"));
        last.note(&said(&"x".repeat(1000)));
        assert_eq!(last.value().map(|value| value.len()), Some(LONGEST));
    }

    fn name() -> HeaderName {
        HeaderName::from_static("x-config-version")
    }
}
