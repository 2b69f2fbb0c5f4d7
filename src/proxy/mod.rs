//! Traffic: accepts, sends on, answers.
