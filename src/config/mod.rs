//! The document: what the user wrote, parsed, with every error at once.

mod allow;
mod check;
mod circle;
mod document;
mod emit;
mod files;
mod grammar;
mod headers;
mod limit;
mod listener;
mod load;
mod named;
mod node;
mod once;
mod overlay;
mod path;
mod problem;
mod read;
mod refusal;
mod schema;
mod sight;
mod slip;
mod syntax;
mod tree;
mod without;
mod yaml;

pub use allow::{PublicHost, is_public};
pub use check::{Finding, Ground, check, check_fault, check_fault_by_hand, check_settings};
pub use circle::{Hop, way_back, way_back_by};
pub use document::{AccessLog, Admin, Document, Drain, Safety, Target};
pub use emit::to_yaml;
pub use files::{check_files, folder, load, load_text, plain_error, read_text};
pub use headers::{Forwarded, ForwardedAs, Headers, RequestId};
pub use limit::Limit;
pub use listener::{
    Bind, ClientCertificate, Encryption, Limits, Listener, Pair, Protocol, Timeouts, Tls, TlsVersion,
};
pub use load::{Loaded, read_document, read_fault, read_unchecked};
pub use named::Named;
pub use once::Once;
pub use path::{Path, Step};
pub use problem::{MOST, Place, Problem, Problems};
pub use read::{read, read_tree, salvage};
pub use schema::schema;
pub use sight::Sight;
pub use slip::misspelt;
pub use tree::{Node, Tree};
pub use without::without;
pub use yaml::{DEEPEST, LARGEST};

#[cfg(test)]
pub(crate) mod tests;
