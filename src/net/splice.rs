//! splice(2)
