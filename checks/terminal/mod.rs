//! The terminal: results on stdout, remarks on stderr, and a line that shows how far a search has
//! come.

pub mod printer;
pub mod progress;
