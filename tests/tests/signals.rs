//! Ctrl-C once ends a run in good order, twice at once; what supervisors send does the same.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use setl::commit::StagedFile;
use setl::prelude::*;

/// Says to a child what it is, and where it works.
const ROLE: &str = "SETL_TESTS_SIGNALS_ROLE";
const PLACE: &str = "SETL_TESTS_SIGNALS_PLACE";

#[derive(Clone)]
struct Place(PathBuf);

/// Stages a file, which the run never comes to commit.
#[factory]
fn stages(place: Place, context: Context) -> Result<u8> {
    let file = StagedFile::beside(place.0.join("report.txt"))?;
    fs::write(file.path(), "new")?;
    context.enlist(Box::new(file))?;
    Ok(1)
}

#[factory]
async fn waits(_staged: u8) -> u16 {
    println!("ready");
    std::future::pending().await
}

/// Keeps its thread, whatever it is told.
#[factory]
fn does_not_listen(_staged: u8) -> u16 {
    println!("ready");
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
}

#[pipeline(extract(stages), load(waits))]
struct Waiting {
    place: Place,
}

#[pipeline(extract(stages), load(does_not_listen))]
struct Deaf {
    place: Place,
}

/// Not a test by itself: what a child does that a test has started.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let (Ok(role), Some(place)) = (std::env::var(ROLE), std::env::var_os(PLACE)) else { return };
    let place = Place(place.into());
    let code = match &*role {
        "waits" => Waiting { place }.run().cancel_on_ctrl_c().outcome().await.code(),
        _ => Deaf { place }.run().cancel_on_ctrl_c().outcome().await.code(),
    };
    std::process::exit(code.into());
}

struct Started {
    child: Child,
    output: Box<dyn BufRead>,
}

/// Starts a child, and waits until its last factory has begun.
fn start(role: &str, place: &Path) -> Started {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(ROLE, role)
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.ends_with("ready\n") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child has ended");
    }
    Started { child, output: Box::new(output) }
}

impl Started {
    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn code(mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        drop(self.output);
        code
    }
}

fn names(place: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn once_ends_in_good_order() {
    for signal in ["-INT", "-TERM"] {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("report.txt"), "old").unwrap();
        let started = start("waits", place.path());
        assert_eq!(names(place.path()).len(), 2, "the new file is staged beside the old one");
        started.signal(signal);
        assert_eq!(started.code(), Some(130), "{signal}");
        assert_eq!(names(place.path()), ["report.txt"]);
        assert_eq!(fs::read_to_string(place.path().join("report.txt")).unwrap(), "old");
    }
}

#[test]
fn twice_ends_at_once() {
    let place = tempfile::tempdir().unwrap();
    let mut started = start("deaf", place.path());
    started.signal("-INT");
    // Signals of one kind that are pending are one; the second is for when the first has been seen.
    while started.child.try_wait().unwrap().is_none() {
        started.signal("-INT");
        std::thread::yield_now();
    }
    assert_eq!(started.code(), Some(130));
    assert_eq!(names(place.path()), [""; 0], "what was staged is gone");
}
