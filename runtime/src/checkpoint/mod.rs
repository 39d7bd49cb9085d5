//! Outputs that are kept on disk, so that a failed run can be resumed. It also has the parts that [caches](crate::cache)
//! share: storing and comparing outputs.
//!
//! The output of a factory under `#[factory(checkpoint)]` is written to disk when the factory has finished. If the run
//! fails or is killed, the next run can take the output from there instead of running the factory. This requires that
//! everything it depends on is the same: its code, its inputs, its deliveries and the files that it has read.

mod code;
mod codec;
pub(crate) mod entry;
mod fingerprint;
#[cfg(feature = "polars")]
mod frame;
pub(crate) mod in_run;
mod kept;
mod key;
mod manifest;
mod payload;
pub(crate) mod probe;
mod program;
mod reads;
mod session;
mod store;

pub(crate) use code::Code;
pub use fingerprint::{ByFrame, BySerde, Fingerprint, Fingerprinted, Fingerprinter, NoFingerprint};
pub(crate) use key::{Components, Key};
pub(crate) use manifest::{Made, Manifest, Validity, seconds, sync_directory};
pub use payload::{Checkpoint, FingerprintOf, Persistence, fingerprint_of};
pub(crate) use reads::{Contents, Read, Reads};
pub(crate) use session::{CacheFor, Ended, From, How, Kept, Part, Session, Setup, fingerprints_of_inputs};
pub use setl_commit::state::state_directory;
#[cfg(test)]
pub(crate) use store::tests as store_tests;
pub(crate) use store::{Store, StoreError};
