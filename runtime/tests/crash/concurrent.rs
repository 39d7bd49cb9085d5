//! Several processes run pipelines on the same targets, with two state directories and a cache, and are killed at any moment.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use setl::prelude::*;
use setl::storage::Parquet;

use crate::random::{Random, seed};
use crate::targets::walk;

const PROCESSES: usize = 4;

/// In which directory, with which number, and how often a process is to run.
const CHILD: &str = "SETL_CRASH_CONCURRENT";
const NUMBER: &str = "SETL_CRASH_NUMBER";
const ROUNDS: &str = "SETL_CRASH_ROUNDS_LEFT";

/// How many runs each process makes: more of them by hand.
fn rounds() -> u32 {
    std::env::var("SETL_TEST_ROUNDS").map_or(25, |rounds| rounds.parse().unwrap())
}

#[derive(Row, Clone, Debug, PartialEq)]
struct Line {
    run: String,
    number: u32,
}

const ROWS: u32 = 4;

/// The rows of each run, apart from its id. It is the same for all, so that all may take it from the cache.
#[factory(cache)]
fn numbers() -> Vec<u32> {
    (0..ROWS).collect()
}

#[factory]
fn lines(numbers: Vec<u32>, context: Context) -> Result<Dataset<Line>> {
    assert_eq!(numbers, (0..ROWS).collect::<Vec<_>>());
    let run = context.run_id().to_string();
    let rows: Vec<_> = numbers.into_iter().map(|number| Line { run: run.clone(), number }).collect();
    Dataset::from_rows(&rows)
}

/// Where all of it is saved.
#[derive(Clone)]
struct Targets(Vec<Repository<Line>>);

macro_rules! save {
    ($factory:ident, $index:literal) => {
        #[factory]
        async fn $factory(lines: Dataset<Line>, targets: Targets) -> Result<()> {
            targets.0[$index].save(&lines).await.map(drop)
        }
    };
}

save!(save_first, 0);
save!(save_second, 1);
save!(save_third, 2);
save!(append_csv, 3);
save!(append_parquet, 4);

/// Overwrites and appends: who appends to what another one has appended to meanwhile has to run again.
#[pipeline(
    extract(numbers),
    transform(lines),
    load(save_first, save_second, save_third, append_csv, append_parquet)
)]
struct Appending {
    targets: Targets,
}

/// Overwrites alone: nobody has to run again.
#[pipeline(extract(numbers), transform(lines), load(save_first, save_second, save_third))]
struct Overwriting {
    targets: Targets,
}

struct Office(PathBuf);

impl Office {
    fn targets(&self, folder: &str) -> Targets {
        let root = self.0.join(folder);
        Targets(vec![
            Parquet::create(root.join("first.parquet")).unwrap(),
            Parquet::at(root.join("second")).rows_per_file(2).create().unwrap(),
            Csv::create(root.join("third.csv")).unwrap(),
            Csv::create(root.join("log.csv")).unwrap().append(),
            Parquet::create(root.join("log.parquet")).unwrap().append(),
        ])
    }

    fn state(&self, number: usize) -> PathBuf {
        self.0.join(format!("state-{}", number % 2))
    }

    async fn run(&self, number: usize) {
        for appends in [false, true] {
            let (id, code, error) = if appends {
                let targets = self.targets("appended");
                ended(Appending { targets }.run().state_dir(self.state(number)).outcome().await)
            } else {
                let targets = self.targets("overwritten");
                ended(Overwriting { targets }.run().state_dir(self.state(number)).outcome().await)
            };
            println!("run: {appends} {code} {id} {error}");
        }
    }

    fn child(&self, number: usize, rounds: u32) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "concurrent::child", "--nocapture"]).stdout(Stdio::piped());
        command.env(CHILD, &self.0).env(NUMBER, number.to_string()).env(ROUNDS, rounds.to_string());
        command
    }

    /// The runs whose rows are in a target, in order. Each has all of its rows, one after the other.
    fn runs(&self, target: &Repository<Line>) -> Vec<String> {
        let rows = target.load().unwrap().to_rows_blocking().unwrap();
        assert_eq!(rows.len() % ROWS as usize, 0, "{target}: {rows:?}");
        let chunks = rows.chunks(ROWS as usize).map(|rows| {
            let run = &rows[0].run;
            let expected: Vec<_> = (0..ROWS).map(|number| Line { run: run.clone(), number }).collect();
            assert_eq!(rows, expected, "{target}");
            run.clone()
        });
        chunks.collect()
    }

    /// All targets that a run replaces are of one run.
    fn last(&self, folder: &str) -> String {
        let targets = self.targets(folder);
        let runs: Vec<_> = targets.0[..3].iter().map(|target| self.runs(target)).collect();
        assert!(
            runs.iter().all(|of_target| of_target.len() == 1 && *of_target == runs[0]),
            "mixed: {runs:?}"
        );
        runs[0][0].clone()
    }
}

fn ended<P>(outcome: setl::run::Outcome<P>) -> (String, u8, String) {
    let id = outcome.report().map(|report| report.run_id().to_string()).unwrap_or_default();
    (id, outcome.code(), outcome.error().map(setl::RunError::line).unwrap_or_default())
}

/// What the test below runs in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let office = Office(root.into());
    for _ in 0..number(ROUNDS) {
        runtime.block_on(office.run(number(NUMBER)));
    }
}

/// What became of the runs of one process, and how often it was killed.
#[derive(Default)]
struct Told {
    /// The runs that appended and have committed.
    committed: Vec<String>,
    /// The runs that appended and were refused.
    refused: Vec<String>,
    kills: u32,
}

/// Runs a process until it has made its rounds, however often it is killed.
fn make_rounds(office: &Office, number: usize, mut random: Random) -> Told {
    let mut told = Told::default();
    let mut left = rounds();
    while left > 0 {
        let mut child = office.child(number, left).spawn().unwrap();
        let id = child.id();
        let output = BufReader::new(child.stdout.take().unwrap());
        // Each is killed after a few of its runs, at any moment of the next.
        let until = 1 + random.next() % 12;
        let mut runs = 0;
        for line in output.lines().map_while(Result::ok) {
            let Some((_, ended)) = line.split_once("run: ") else { continue };
            let mut words = ended.splitn(4, ' ');
            let mut next = || words.next().unwrap().to_owned();
            let (appends, code, run, error) = (next() == "true", next(), next(), next());
            match (&*code, appends) {
                ("0", true) => told.committed.push(run),
                ("0", false) => {}
                ("75", true) => told.refused.push(run),
                _ => panic!("process {number} ended a run with code {code}: {error}"),
            }
            left -= u32::from(appends);
            runs += 1;
            if runs == until {
                std::thread::sleep(Duration::from_micros(random.next() % 60_000));
                child.kill().unwrap();
                told.kills += 1;
            }
        }
        let status = child.wait().unwrap();
        let was_killed = runs >= until;
        assert!(status.success() || was_killed, "process {number} ({id}) ended with {status}");
        if was_killed && left > 0 {
            // Not all would come to an end if each was killed at its first run.
            left -= 1;
        }
    }
    told
}

/// No run is stopped for good, no targets are of different runs, no rows are lost or there twice, and nothing is left.
#[test]
fn several_processes_on_the_same_targets() {
    let directory = tempfile::tempdir().unwrap();
    let office = Office(directory.path().to_owned());
    let seed = seed();
    println!("SETL_CRASH_SEED={seed}");
    let told: Vec<_> = std::thread::scope(|scope| {
        let office = &office;
        let start =
            |number| scope.spawn(move || make_rounds(office, number, Random(seed ^ (number as u64) << 32)));
        let threads: Vec<_> = (0..PROCESSES).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // Whatever was left, a run with each state directory puts it in order.
    for number in 0..2 {
        let last = make_last_round(&office, number);
        assert_eq!(office.last("appended"), last);
    }
    office.last("overwritten");

    let targets = office.targets("appended");
    let (csv, parquet) = (office.runs(&targets.0[3]), office.runs(&targets.0[4]));
    assert_eq!(csv, parquet, "both logs are of the same runs, in the same order");
    assert_eq!(csv.last(), Some(&office.last("appended")), "who came last has replaced the others");
    let mut times = BTreeMap::new();
    for run in &csv {
        *times.entry(run).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times == 1), "appended twice: {times:?}");
    for run in told.iter().flat_map(|told| &told.committed) {
        assert!(times.contains_key(run), "the rows of {run} are lost");
    }
    for run in told.iter().flat_map(|told| &told.refused) {
        assert!(!times.contains_key(run), "the rows of {run} are there, although it failed");
    }
    let mut left = Vec::new();
    walk(directory.path(), &mut |path| {
        let name = path.to_string_lossy();
        if name.contains(".setl-") || name.ends_with(".journal") {
            left.push(path.to_owned());
        }
    });
    assert!(left.is_empty(), "left: {left:?}");
    let count = |of: fn(&Told) -> usize| told.iter().map(of).sum::<usize>();
    println!(
        "{PROCESSES} processes, {} rounds each, {} kills: {} appended, {} had to run again",
        rounds(),
        count(|told| told.kills as usize),
        count(|told| told.committed.len()),
        count(|told| told.refused.len()),
    );
}

/// A round by a process that nobody disturbs; gives the run that has appended.
fn make_last_round(office: &Office, number: usize) -> String {
    let output = office.child(number, 1).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let ended = |appends: &str| {
        let line = said.lines().find_map(|line| line.split_once(&format!("run: {appends} 0 ")));
        line.map(|(_, run)| run.trim_end().to_owned())
    };
    assert!(ended("false").is_some(), "{said}");
    ended("true").unwrap_or_else(|| panic!("{said}"))
}
