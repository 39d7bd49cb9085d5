//! Targets that the system does not let anybody replace. They are found before the decision, so that none of the others is new.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::targets::Targets;

/// What a command has changed, until this is dropped. Files that a query has mapped are let go of a little later than it ends.
struct Changed(&'static [&'static str], PathBuf);

impl Changed {
    /// `None` where the command cannot be run.
    fn by<S: AsRef<OsStr>>(command: &[S], undo: &'static [&'static str], path: PathBuf) -> Option<Self> {
        let name = command[0].as_ref();
        let done = run(command, &path);
        if !done {
            println!("SKIPPED: {} cannot be used here", name.display());
        }
        done.then(|| Self(undo, path))
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        run(self.0, &self.1);
    }
}

fn run<S: AsRef<OsStr>>(command: &[S], path: &PathBuf) -> bool {
    let mut run = Command::new(&command[0]);
    run.args(&command[1..]).arg(path).stdout(Stdio::null()).stderr(Stdio::null());
    run.status().is_ok_and(|status| status.success())
}

#[track_caller]
fn check_refused(targets: &Targets, name: &str, because: &str) {
    let error = format!("{:#}", targets.write(2).unwrap_err());
    assert!(error.contains(&format!("/{name}: {because}")), "{error}");
    assert_eq!(targets.check_whole(), 1);
}

#[test]
fn a_file_that_is_mounted() {
    let directory = tempfile::tempdir().unwrap();
    let targets = Targets::new(directory.path());
    targets.write(1).unwrap();
    let copies = tempfile::tempdir().unwrap();
    for name in ["file.parquet", "log.csv"] {
        let (target, source) = (directory.path().join(name), copies.path().join(name));
        fs::copy(&target, &source).unwrap();
        let mount = ["mount".as_ref(), "--bind".as_ref(), source.as_os_str()];
        let Some(_mounted) = Changed::by(&mount, &["umount", "-l"], target) else { return };
        check_refused(&targets, name, "something is mounted there");
    }
    targets.write(2).unwrap();
}

#[test]
fn what_must_not_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let targets = Targets::new(directory.path());
    targets.write(1).unwrap();
    for name in ["file.parquet", "log.csv", "parts"] {
        let target = directory.path().join(name);
        let Some(_marked) = Changed::by(&["chattr", "+i"], &["chattr", "-i"], target) else { return };
        check_refused(&targets, name, "it must not be changed");
    }
    targets.write(2).unwrap();
}

/// As in a container, where the layer below is the image.
#[test]
fn a_directory_of_a_layer_below() {
    let layers = tempfile::tempdir().unwrap();
    let tmpfs = ["mount", "-t", "tmpfs", "layers"];
    let Some(_tmpfs) = Changed::by(&tmpfs, &["umount", "-l"], layers.path().to_owned()) else { return };
    let [below, above, work] = ["below", "above", "work"].map(|name| layers.path().join(name));
    for layer in [&below, &above, &work] {
        fs::create_dir(layer).unwrap();
    }
    Targets::new(&below).write(1).unwrap();
    fs::remove_dir_all(below.join("state")).unwrap();

    let directory = tempfile::tempdir().unwrap();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", below.display(), above.display(), work.display());
    let overlay = ["mount", "-t", "overlay", "-o", &options, "layers"];
    let Some(_overlay) = Changed::by(&overlay, &["umount", "-l"], directory.path().to_owned()) else {
        return;
    };
    let targets = Targets::new(directory.path());
    check_refused(&targets, "parts", "it is a directory of a layer below");
    // What is made above is replaced as elsewhere.
    let parts = directory.path().join("parts");
    let copy = directory.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for part in fs::read_dir(&parts).unwrap() {
        let part = part.unwrap();
        fs::copy(part.path(), copy.join(part.file_name())).unwrap();
    }
    fs::remove_dir_all(&parts).unwrap();
    fs::rename(copy, parts).unwrap();
    targets.write(2).unwrap();
    assert_eq!(targets.check_whole(), 2);
}
