//! Built-in services, database and visitors, for a first run with nothing else installed.
