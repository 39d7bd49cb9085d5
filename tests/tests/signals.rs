//! Ctrl-C once ends a run in good order, twice at once; what supervisors send does the same. Between runs and after them, a
//! signal does what it did before.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use setl::Event;
use setl::commit::StagedFile;
use setl::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

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

#[factory]
fn answer() -> u32 {
    42
}

#[pipeline(only(answer))]
struct Quick;

#[pipeline(only(stages))]
struct Staging {
    place: Place,
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
        "deaf" => Deaf { place }.run().cancel_on_ctrl_c().outcome().await.code(),
        "between" => {
            quick().await;
            println!("ready");
            std::future::pending().await
        }
        "dropped" => {
            let run = Waiting { place }.run().cancel_on_ctrl_c().outcome();
            tokio::select! {
                biased;
                _ = run => unreachable!("it waits"),
                () = tokio::task::yield_now() => {}
            }
            quick().await;
            println!("ready");
            std::future::pending().await
        }
        "loop" => {
            println!("ready");
            loop {
                quick().await;
            }
        }
        "listens" => {
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            quick().await;
            println!("ready");
            terminate.recv().await;
            quick().await;
            7
        }
        "late" => {
            let kill = |event: &Event<'_>| {
                if matches!(event, Event::Committing { .. }) {
                    kill("-TERM", std::process::id());
                }
            };
            println!("ready");
            Staging { place }.run().cancel_on_ctrl_c().observe(kill).outcome().await.code();
            8
        }
        role => panic!("there is no role {role}"),
    };
    std::process::exit(code.into());
}

/// A run that is soon over; ends the process when it was cancelled.
async fn quick() {
    let code = Quick.run().cancel_on_ctrl_c().outcome().await.code();
    if code != 0 {
        std::process::exit(code.into());
    }
}

fn kill(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

struct Started {
    child: Child,
    output: Box<dyn BufRead>,
}

/// Starts a child, and waits until its last factory has begun.
fn start(role: &str, place: &Path) -> Started {
    start_by("exec \"$0\" \"$@\"", role, place)
}

/// As [`start`], by a shell that runs this script with the child as its arguments.
fn start_by(script: &str, role: &str, place: &Path) -> Started {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
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
        kill(signal, self.child.id());
    }

    fn status(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        drop(self.output);
        status
    }

    fn code(self) -> Option<i32> {
        self.status().code()
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

const INT: i32 = 2;
const TERM: i32 = 15;

#[test]
fn after_a_run_a_signal_ends_the_process() {
    for role in ["between", "dropped"] {
        for (signal, number) in [("-INT", INT), ("-TERM", TERM)] {
            let place = tempfile::tempdir().unwrap();
            let started = start(role, place.path());
            started.signal(signal);
            assert_eq!(started.status().signal(), Some(number), "{role}, {signal}");
        }
    }
}

/// Whenever it comes, it ends a run, or else the process.
#[test]
fn no_signal_is_lost_in_a_loop_of_runs() {
    for round in 0..24 {
        let place = tempfile::tempdir().unwrap();
        let (signal, number) = [("-INT", INT), ("-TERM", TERM)][round % 2];
        let started = start("loop", place.path());
        (0..round * 50).for_each(|_| std::thread::yield_now());
        started.signal(signal);
        let status = started.status();
        assert!(status.code() == Some(130) || status.signal() == Some(number), "round {round}: {status}");
    }
}

#[test]
fn a_program_that_listens_by_itself_goes_on_to() {
    let place = tempfile::tempdir().unwrap();
    let started = start("listens", place.path());
    started.signal("-TERM");
    assert_eq!(started.code(), Some(7));
}

#[test]
fn an_ignored_signal_is_ignored_after_a_run() {
    let place = tempfile::tempdir().unwrap();
    let started = start_by("trap '' INT; exec \"$0\" \"$@\"", "between", place.path());
    started.signal("-INT");
    started.signal("-TERM");
    assert_eq!(started.status().signal(), Some(TERM));
}

/// What is being committed is committed, and then the process ends.
#[test]
fn a_signal_that_comes_too_late_for_a_run_is_for_the_process() {
    let place = tempfile::tempdir().unwrap();
    let status = start("late", place.path()).status();
    // Whether it comes before the commit is decided is a matter of time.
    match status.signal() {
        Some(signal) => assert_eq!((signal, &*names(place.path())), (TERM, &["report.txt".to_owned()][..])),
        None => assert_eq!(status.code(), Some(8)),
    }
}
