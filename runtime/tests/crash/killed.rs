//! A process is killed at any moment.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use crate::random::{Random, seed};
use crate::targets::Targets;

const KILLS: u32 = 100;

/// The longest time that a process has, in which it writes a few generations.
const MICROSECONDS: u64 = 120_000;

#[test]
fn every_target_is_old_or_new_and_the_next_run_finishes() {
    let directory = tempfile::tempdir().unwrap();
    let targets = Targets::new(directory.path());
    let seed = seed();
    println!("SETL_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let (mut journals, mut halves, mut last) = (0, 0, 0);
    for kill in 1..=KILLS {
        let mut child = targets.child(None).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let started = output.lines().map_while(Result::ok).any(|line| line.contains("ready"));
        assert!(started, "kill {kill}: the process has failed before it could be killed");
        std::thread::sleep(Duration::from_micros(random.next() % MICROSECONDS));
        child.kill().unwrap();
        child.wait().unwrap();

        let killed = targets.generations();
        let newest = killed.into_iter().max().unwrap();
        assert!(killed.iter().all(|one| *one + 1 >= newest && *one >= last), "kill {kill}: {killed:?}");
        let (journal, before) = (targets.has_journal(), halves);
        journals += u32::from(journal);
        halves += u32::from(killed.iter().any(|one| *one != newest));

        let next = targets.child(Some(1)).output().unwrap();
        assert!(next.status.success(), "kill {kill}: {}", String::from_utf8_lossy(&next.stderr));
        let generation = targets.check_whole();
        // Whether a journal says that it is decided before anything is new, cannot be seen from outside.
        let decided = u32::from(journal && halves == before);
        assert!(
            (newest + 1..=newest + 1 + decided).contains(&generation),
            "kill {kill}: {killed:?}, then {generation}"
        );
        last = generation;
    }
    println!(
        "{KILLS} kills, {last} generations; {journals} kills left a journal, {halves} some targets new and some old"
    );
}
