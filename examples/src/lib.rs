//! Examples of `setl`; see the files beside `Cargo.toml`.
