//! The document: what the user wrote, parsed, with every error at once.
