//! Benchmarks of veraft: run them with `cargo bench`.
