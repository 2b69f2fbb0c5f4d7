//! What traffic may know: the document and the active leases, compiled, immutable.
