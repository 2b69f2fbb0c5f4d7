//! The document: what the user wrote, parsed, with every error at once.

mod access;
mod emit;
mod named;
mod node;
mod path;
mod problem;
mod read;
mod refusal;
mod syntax;
mod tree;
mod yaml;

pub use emit::to_yaml;
pub use named::Named;
pub use path::{Path, Step};
pub use problem::{Place, Problem, Problems};
pub use read::{MOST, read, read_tree, salvage};
pub use tree::{Node, Tree};
pub use yaml::{DEEPEST, LARGEST};
