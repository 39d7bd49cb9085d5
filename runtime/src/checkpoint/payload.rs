//! How an output is written to disk and read back.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{BySerde, Fingerprint, Fingerprinted, codec};
use crate::Result;
use crate::base::panic::caught;
use crate::delivery::Payload;
use crate::pipeline::AnyPayload;
use setl_commit::state;

/// The file that holds what serde wrote.
const VALUE: &str = "value";

/// An output that can be kept on disk: what `#[factory(checkpoint)]` and `#[factory(cache)]` ask of it.
///
/// What implements `serde::Serialize` and `serde::Deserialize` can, and so can a `Dataset` and a Polars `DataFrame`, which
/// become a Parquet file. `Via` says how: see [`Fingerprinted`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept on disk: nothing is known of how to write it there and read it back",
    label = "cannot be kept on disk",
    note = "derive `serde::Serialize` and `serde::Deserialize` on `{Self}`, or take `checkpoint` or `cache` off the factory"
)]
pub trait Checkpoint<Via>: Sized {
    /// Writes it into a directory of its own, which is there and empty. Gives what is delivered in its place from then on,
    /// if that is something else: a query that has been run for it need not be run again. It blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    fn store(&self, directory: &Path) -> Result<Option<Self>>;

    /// Reads it back. From then on the directory can go away. It blocks.
    ///
    /// # Errors
    /// When what is there is not what was written.
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

/// How the output of a factory is kept on disk, whatever its type.
#[derive(Clone, Copy)]
pub struct Persistence {
    /// Writes the payload into a directory of its own, and gives what is delivered from now on. It blocks.
    pub store: fn(AnyPayload, &Path) -> Result<AnyPayload>,
    /// Reads it back. It blocks.
    pub load: fn(&Path) -> Result<AnyPayload>,
}

impl Persistence {
    /// How a `T` is kept.
    pub const fn of<T: Payload + Checkpoint<Via>, Via>() -> Self {
        Self { store: store::<T, Via>, load: load::<T, Via> }
    }

    /// How a `T` is kept by way of serde, of which it is not known whether it can be read back from what does not last.
    ///
    /// Which implementation there is, is chosen without regard to lifetimes. With `DeserializeOwned` as the bound, it would be
    /// chosen for a `&'static str` too, and be an error then. That cannot be read back, which turns out when it is tried.
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

/// Calls what others wrote: a panic makes an output one that cannot be kept, and not a run one that cannot go on.
fn guarded<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    caught(call).unwrap_or_else(|panic| Err(anyhow::anyhow!("it panics: {}", panic)))
}

/// How the fingerprint of a payload is taken, whatever its type. It blocks.
pub type FingerprintOf = fn(&AnyPayload) -> Result<Fingerprint>;

/// How the fingerprint of a `T` is taken.
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
