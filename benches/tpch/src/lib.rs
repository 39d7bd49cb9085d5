//! The 22 queries of TPC-H, over Parquet files, in Polars.

pub mod answers;
pub mod by_hand;
pub mod measure;
pub mod reads;
pub mod shared;
pub mod tables;

/// Memory is freed by threads that did not allocate it, which costs glibc more than others.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
