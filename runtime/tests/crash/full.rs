//! There is no space left, at any step.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::targets::Targets;

/// A file system of its own, gone with this.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, size: &str) -> Option<Self> {
        // As directories of state have to be: the default lets everybody write.
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

const PAGE: usize = 4096;
/// Of the larger disk in these tests.
const PAGES: usize = 256;

/// Leaves so many pages of a disk free, by the size of this file.
fn fill(ballast: &Path, free: usize) {
    fs::write(ballast, "").unwrap();
    // What does not fit is not written, so this leaves nothing free.
    let _ = fs::write(ballast, vec![0; PAGES * PAGE]);
    let filled = fs::metadata(ballast).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(ballast).unwrap();
    file.set_len(filled.saturating_sub((free * PAGE) as u64)).unwrap();
}

/// With each page more, the write comes further.
#[test]
fn a_full_disk_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(directory.path(), "1m") else {
        println!(
            "SKIPPED: no tmpfs can be mounted here, so that no disk can be full; files of limited size are tried in any case"
        );
        return;
    };
    let targets = Targets::new(directory.path());
    targets.write(1).unwrap();
    let ballast = directory.path().join("ballast");
    let mut failures = 0;
    for free in 0..PAGES {
        fill(&ballast, free);
        let before = targets.generations()[0];
        let written = targets.write(before + 1);
        let after = targets.check_whole();
        assert_eq!(after, before + u32::from(written.is_ok()), "{free} pages free: {written:?}");
        let Err(error) = written else {
            break;
        };
        println!("{free} pages free: {error:#}");
        failures += 1;
    }
    println!("the disk was full in {failures} writes");
    assert!(failures > 3, "the disk was full only {failures} times");
    fs::remove_file(&ballast).unwrap();
    let before = targets.check_whole();
    targets.write(before + 1).unwrap();
    assert_eq!(targets.check_whole(), before + 1);
}

/// The state directory has a disk of its own, with no space for a journal, or for half of one.
#[test]
fn a_full_state_disk_changes_nothing() {
    const PAGES: usize = 16;
    let directory = tempfile::tempdir().unwrap();
    let targets = Targets::new(directory.path());
    let state = targets.state();
    fs::create_dir(&state).unwrap();
    let Some(_mount) = Mount::new(&state, "64k") else {
        println!("SKIPPED: no tmpfs can be mounted here, so that no disk can be full");
        return;
    };
    targets.write(1).unwrap();
    let ballast = state.join("ballast");
    let mut failures = 0;
    for free in 0..PAGES {
        fill(&ballast, free);
        let before = targets.generations()[0];
        let written = targets.write(before + 1);
        // No journal is left, not even one that says nothing.
        let after = targets.check_whole();
        assert_eq!(after, before + u32::from(written.is_ok()), "{free} pages free: {written:?}");
        if written.is_ok() {
            break;
        }
        failures += 1;
    }
    println!("the state disk was full in {failures} writes");
    assert!(failures > 0, "the state disk was never full");
}

/// Where no file can be larger than so many bytes, the merged log is the first that cannot be written.
#[test]
fn a_file_that_cannot_grow_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let targets = Targets::new(directory.path());
    for generation in 1..=20 {
        targets.write(generation).unwrap();
    }
    let child = targets.child(Some(1));
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8 && exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(child.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&limited.stdout);
    assert!(said.contains("failed: ") && !limited.status.success(), "{limited:?}");
    assert_eq!(targets.check_whole(), 20);
    assert!(targets.child(Some(1)).output().unwrap().status.success());
    assert_eq!(targets.check_whole(), 21);
}
