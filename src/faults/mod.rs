//! What can go wrong, by decision only: the catalogue of fault kinds and what an exchange will suffer.
