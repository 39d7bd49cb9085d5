//! Outputs that are kept on disk, so that a run which did not succeed can be resumed.

use std::path::Path;

use crate::pipeline::AnyPayload;

/// How the output of a factory is kept on disk, whatever its type.
#[derive(Clone, Copy)]
pub struct Persistence {
    /// Writes the payload into a directory of its own, and gives what is delivered from now on. It blocks.
    pub store: fn(AnyPayload, &Path) -> crate::Result<AnyPayload>,
    /// Reads it back. It blocks.
    pub load: fn(&Path) -> crate::Result<AnyPayload>,
}
