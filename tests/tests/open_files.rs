//! How many files a commit holds open: one for each of its targets.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use setl::commit::{StagedFile, StagedWrite, commit_together};

const DIRECTORY: &str = "SETL_TEST_OPEN_FILES";
/// More than half of the files that the process may open.
const TARGETS: usize = 80;
const OPEN_FILES: usize = 128;

fn targets(directory: &Path) -> impl Iterator<Item = PathBuf> {
    (0..TARGETS).map(move |index| directory.join(index.to_string()))
}

/// Does nothing, unless [`a_commit_needs_one_open_file_for_each_target`] has started it.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let mut writes: Vec<Box<dyn StagedWrite>> = Vec::new();
    for target in targets(&directory) {
        let staged = StagedFile::beside(&target).unwrap();
        fs::write(staged.path(), "new").unwrap();
        writes.push(Box::new(staged));
    }
    let committed = commit_together(&directory.join("state"), writes).unwrap();
    assert_eq!(committed.len(), TARGETS);
}

#[test]
fn a_commit_needs_one_open_file_for_each_target() {
    let directory = tempfile::tempdir().unwrap();
    for target in targets(directory.path()) {
        fs::write(target, "old").unwrap();
    }
    let limited = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -n {OPEN_FILES} && exec \"$0\" --exact child --nocapture --test-threads=1"),
        ])
        .arg(std::env::current_exe().unwrap())
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{limited:?}");
    for target in targets(directory.path()) {
        assert_eq!(fs::read_to_string(target).unwrap(), "new");
    }
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), TARGETS + 1, "the targets and the state: {left:?}");
}
