//! PROXY protocol, versions 1 and 2, in and out.
