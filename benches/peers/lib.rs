//! Nothing: what is measured stands in `main.rs`. A package needs a library or a program.
