//! Tests of `setl` from the outside: only what a user can reach.
