//! What one run of the proxy is to be: read and proved before anything is bound.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use crate::{
    config::Document,
    drill::{Autopilot, Mode, profile::Profile},
    units::Span,
};

/// One run of the proxy.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is served; without one, the built-in services are.
    pub document: Option<Written>,
    /// The incident that is run.
    pub incident: Option<Incident>,
    /// The seed of all dice; a new one where none is asked for.
    pub seed: Option<u64>,
    /// How many threads carry traffic; as many as there are CPUs where none is asked for.
    pub workers: Option<NonZeroUsize>,
    /// Where the admin API listens, whatever the document says.
    pub admin: Option<SocketAddr>,
    /// Who may do what at the admin API, whatever the document says.
    pub tokens: Option<PathBuf>,
    /// Where history and journals are kept, whatever the document says.
    pub state: Option<PathBuf>,
    /// Where reports are written, a folder for each drill.
    pub reports: PathBuf,
    /// Whether programs read what is written to standard output.
    pub json: bool,
    /// How it takes Toxiproxy's place, if it does.
    pub toxiproxy: Option<InPlace>,
}

/// A document and where it came from.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file, to be watched for changes; none where the document was made from the command line or read from standard
    /// input.
    pub file: Option<PathBuf>,
    /// What it is called in messages and history.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it says.
    pub document: Document,
}

/// An incident and how it is run.
#[derive(Clone, Debug)]
pub struct Incident {
    /// The incident.
    pub profile: Profile,
    /// Who drives it.
    pub mode: Mode,
    /// Minutes of the story in a minute on the wall; the profile's own where none is asked for.
    pub compression: Option<NonZeroU32>,
    /// A tighter limit on how long it may last on the wall than the profile's own.
    pub max_wall: Option<Span>,
    /// Who acts in the team's place; in a replay the original team does unless this says otherwise.
    pub autopilot: Option<Autopilot>,
    /// The seed of what is varied, where those who take part must not know what it is about.
    pub blind: Option<u64>,
    /// What it is called as long as nobody may know more, where its profile was under seal.
    pub sealed: Option<String>,
    /// Whether the process ends with it.
    pub exit: bool,
    /// Where the verdict is also written as JUnit XML.
    pub junit: Option<PathBuf>,
}

/// How the proxy takes Toxiproxy's place.
#[derive(Clone, Debug)]
pub struct InPlace {
    /// Where the API listens: host and port.
    pub listen: String,
    /// The file of proxies to begin with.
    pub config: Option<PathBuf>,
    /// Whether `/metrics` shows Toxiproxy's numbers.
    pub metrics: bool,
}
