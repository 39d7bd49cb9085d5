//! The list of kept writes, which is independent of the checkpoints that name them.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Fingerprint;
use super::manifest::sync_directory;
use crate::Result;
use setl_commit::state;

/// The name of the list among the checkpoints of a pipeline.
pub(super) const KEPT: &str = "kept";

/// A file with a line for each kept write. The line is added before the write is kept, because a run may be killed in
/// between, or a manifest may be damaged later. A listed write that no checkpoint names is removed.
///
/// A line is a checksum and JSON. The checksum reveals an incomplete line, whose write was not kept yet.
#[derive(Debug)]
pub(super) struct KeptList {
    path: PathBuf,
}

impl KeptList {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Adds writes durably.
    pub(super) fn add(&self, writes: &[Value]) -> io::Result<()> {
        // The preceding line may be torn.
        let text: String = writes.iter().map(|write| format!("\n{}\n", line(write))).collect();
        let mut file = state::open(File::options().append(true).create(true), &self.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        sync_directory(self.path.parent().unwrap_or(&self.path))
    }

    /// Removes the writes that are not needed, by calling `discard`. Writes that cannot be removed now stay in the list.
    pub(super) fn discard(
        &self,
        unneeded: impl Fn(&Value) -> bool,
        discard: &dyn Fn(&Value) -> Result<()>,
    ) -> io::Result<()> {
        let text = match state::open_to_read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => {
                let mut text = Vec::new();
                file?.read_to_end(&mut text)?;
                String::from_utf8_lossy(&text).into_owned()
            }
        };
        let all: Vec<_> = text.lines().filter_map(write).collect();
        let left: Vec<_> = all.iter().filter(|write| !unneeded(write) || discard(write).is_err()).collect();
        if left.is_empty() {
            return fs::remove_file(&self.path);
        }
        if left.len() < all.len() {
            let text: String = left.into_iter().map(|write| format!("{}\n", line(write))).collect();
            let new = self.path.with_file_name(".new-kept");
            let mut file = state::create_file(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
        }
        Ok(())
    }
}

fn line(write: &Value) -> String {
    let json = write.to_string();
    format!("{:#} {json}", Fingerprint::of_bytes(json.as_bytes()))
}

fn write(line: &str) -> Option<Value> {
    let (checksum, json) = line.split_once(' ')?;
    let whole = checksum.parse() == Ok(Fingerprint::of_bytes(json.as_bytes()));
    whole.then(|| serde_json::from_str(json).ok())?
}
