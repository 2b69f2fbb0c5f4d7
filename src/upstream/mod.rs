//! Clusters, backends and the choice between them; no sockets.
