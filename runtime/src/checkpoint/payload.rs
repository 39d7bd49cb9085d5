//! Writing an output to disk and reading it back.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{BySerde, Fingerprint, Fingerprinted, codec};
use crate::Result;
use crate::base::AnyPayload;
use crate::base::panic::caught;
use crate::delivery::Payload;
use setl_commit::state;

/// The file that holds the value in the serde format.
const VALUE: &str = "value";

/// An output that can be kept on disk. `#[factory(checkpoint)]` and `#[factory(cache)]` require it.
///
/// Types that implement `serde::Serialize` and `serde::Deserialize` have this trait, and also `Dataset` and the Polars
/// `DataFrame`, which become a Parquet file. `Via` selects the implementation: see [`Fingerprinted`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept on disk: nothing is known of how to write it there and read it back",
    label = "cannot be kept on disk",
    note = "derive `serde::Serialize` and `serde::Deserialize` on `{Self}`, or take `checkpoint` or `cache` off the factory"
)]
pub trait Checkpoint<Via>: Sized {
    /// Writes the value into its own empty directory. Returns the value to deliver from then on, if it is another one: a
    /// query that was run for this need not be run again. This blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    fn store(&self, directory: &Path) -> Result<Option<Self>>;

    /// Reads the value back. The directory is not needed after that. This blocks.
    ///
    /// # Errors
    /// When the directory does not hold a value that was written.
    fn load(directory: &Path) -> Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Checkpoint<BySerde> for T {
    fn store(&self, directory: &Path) -> Result<Option<Self>> {
        write(self, directory)?;
        Ok(None)
    }

    fn load(directory: &Path) -> Result<Self> {
        read(directory)
    }
}

fn write(value: &impl Serialize, directory: &Path) -> Result<()> {
    let mut out = BufWriter::new(state::create_file(&directory.join(VALUE))?);
    codec::write(value, &mut out)?;
    Ok(out.flush()?)
}

fn read<T: Deserialize<'static>>(directory: &Path) -> Result<T> {
    Ok(codec::read(&fs::read(directory.join(VALUE))?)?)
}

/// The functions that keep the output of a factory on disk, for any type.
#[derive(Clone, Copy)]
pub struct Persistence {
    /// Writes the payload into its own directory, and returns the payload to deliver from now on. This blocks.
    pub store: fn(AnyPayload, &Path) -> Result<AnyPayload>,
    /// Reads the payload back. This blocks.
    pub load: fn(&Path) -> Result<AnyPayload>,
}

impl Persistence {
    /// Returns the functions for a `T`.
    pub const fn of<T: Payload + Checkpoint<Via>, Via>() -> Self {
        Self { store: store::<T, Via>, load: load::<T, Via> }
    }

    /// Returns the functions for a `T` through serde, for types of which it is unknown whether they can be read from
    /// temporary data.
    ///
    /// Rust selects an implementation without regard to lifetimes. With the bound `DeserializeOwned`, it would also
    /// select this one for a `&'static str`, and then report an error. A `&'static str` cannot be read back, which shows
    /// when it is tried.
    pub(super) const fn by_serde<T: Payload + Serialize + Deserialize<'static>>() -> Self {
        Self {
            store: |payload, directory| {
                guarded(|| write(typed::<T>(&payload)?, directory))?;
                Ok(payload)
            },
            load: |directory| Ok(Arc::new(guarded(|| read::<T>(directory))?)),
        }
    }
}

fn store<T: Payload + Checkpoint<Via>, Via>(payload: AnyPayload, directory: &Path) -> Result<AnyPayload> {
    let replacement = guarded(|| typed::<T>(&payload)?.store(directory))?;
    Ok(replacement.map_or(payload, |replacement| Arc::new(replacement)))
}

fn load<T: Payload + Checkpoint<Via>, Via>(directory: &Path) -> Result<AnyPayload> {
    Ok(Arc::new(guarded(|| T::load(directory))?))
}

/// Calls foreign code. A panic means only that the output cannot be kept. The run continues.
fn guarded<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    caught(call).unwrap_or_else(|panic| Err(anyhow::anyhow!("it panics: {}", panic)))
}

/// The function that returns the fingerprint of a payload, for any type. It blocks.
pub type FingerprintOf = fn(&AnyPayload) -> Result<Fingerprint>;

/// Returns the function that computes the fingerprint of a `T`.
pub const fn fingerprint_of<T: Payload + Fingerprinted<Via>, Via>() -> FingerprintOf {
    |payload| guarded(|| typed::<T>(payload)?.fingerprint())
}

fn typed<T: Payload>(payload: &AnyPayload) -> Result<&T> {
    payload.downcast_ref::<T>().ok_or_else(|| {
        let expected = std::any::type_name::<T>();
        anyhow::anyhow!("a payload is no `{expected}`; this is a mistake in setl, please report it")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let persistence = Persistence::of::<Vec<Option<Option<f64>>>, _>();
        let payload: AnyPayload = Arc::new(vec![None, Some(None), Some(Some(0.5))]);
        let delivered = (persistence.store)(Arc::clone(&payload), directory.path()).unwrap();
        assert!(Arc::ptr_eq(&delivered, &payload));
        let loaded = (persistence.load)(directory.path()).unwrap();
        assert_eq!(
            loaded.downcast_ref::<Vec<Option<Option<f64>>>>().unwrap(),
            &[None, Some(None), Some(Some(0.5))]
        );
    }

    #[test]
    fn a_payload_of_another_type_is_an_error() {
        let payload: AnyPayload = Arc::new(1u8);
        let error = fingerprint_of::<String, _>()(&payload).unwrap_err();
        assert!(error.to_string().contains("is no `alloc::string::String`"), "{error}");
        let same = fingerprint_of::<u8, _>()(&payload).unwrap();
        assert_eq!(same, 1u8.fingerprint().unwrap());
    }

    #[test]
    fn what_is_damaged_does_not_load() {
        let directory = tempfile::tempdir().unwrap();
        let persistence = Persistence::of::<String, _>();
        (persistence.store)(Arc::new("whole".to_owned()), directory.path()).unwrap();
        fs::write(directory.path().join(VALUE), b"part").unwrap();
        assert!((persistence.load)(directory.path()).is_err());
    }
}
