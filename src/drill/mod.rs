//! One run of a profile: phases, acts, gates, checks and the journal.
