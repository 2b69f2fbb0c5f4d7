//! Which cluster a request goes to.

mod change;
pub mod command;
pub mod dialect;
mod edit;
mod glob;
mod hint;
mod many;
pub mod matcher;
pub mod name;
mod overlap;
pub mod pattern;
mod redis;
mod relations;
mod settings;
pub mod sql;
mod standby;
mod statement;
mod statuses;
mod table;
mod tables;
mod tag;
mod unicode;
pub mod wording;

pub use command::{Command, Session};
pub use dialect::Dialect;
pub use hint::{Glance, Hint};
pub use many::OneOrMany;
pub use matcher::{Facts, Match, Matcher, host, is_grpc};
pub use settings::{HeaderEdits, RetryOn, RetrySettings, Rewrite, RouteSettings};
pub use standby::OnStandby;
pub use statement::Sql;
pub use statuses::Statuses;
pub use table::Table;
pub use wording::Wording;
