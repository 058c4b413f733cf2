//! What was shown, told: a summary, a table, a page; a trace as a diagram or as a test.

pub mod mermaid;
pub mod recovery;
pub mod regression;
pub mod report;
pub mod summary;
pub mod table;
