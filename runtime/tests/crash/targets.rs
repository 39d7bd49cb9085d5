//! The targets, and what must be true of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Csv, Parquet, Repository};

/// In which directory, and how often, a process is to write.
const CHILD: &str = "SETL_CRASH_CHILD";
const ROUNDS: &str = "SETL_CRASH_ROUNDS";

#[derive(Row, Clone, Debug, PartialEq)]
struct Line {
    generation: u32,
    text: String,
}

pub(crate) struct Targets {
    root: PathBuf,
    file: Repository<Line>,
    parts: Repository<Line>,
    log: Repository<Line>,
}

/// Rows of one generation in each target.
const ROWS: usize = 6;

impl Targets {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            file: Parquet::create(root.join("file.parquet")).unwrap(),
            parts: Parquet::at(root.join("parts")).rows_per_file(2).create().unwrap(),
            log: Csv::create(root.join("log.csv")).unwrap().append(),
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// What a run does: recover, stage, commit.
    pub(crate) fn write(&self, generation: u32) -> setl::Result<()> {
        recover(&self.state())?;
        let text = "x".repeat(200);
        let rows = vec![Line { generation, text }; ROWS];
        let rows = Dataset::from_rows(&rows)?;
        let mut writes = Vec::new();
        for target in [&self.file, &self.parts, &self.log] {
            writes.push(target.stage_blocking(&rows)?.into_write());
        }
        setl::commit::commit_together(&self.state(), writes)?;
        Ok(())
    }

    /// Each target for itself is of one generation; 0 where nothing was written yet.
    pub(crate) fn generations(&self) -> [u32; 3] {
        let load = |target: &Repository<Line>, name: &str| -> Vec<u32> {
            if !self.root.join(name).exists() {
                return Vec::new();
            }
            let rows = target.load().unwrap().to_rows_blocking().unwrap();
            assert!(rows.iter().all(|row| row.text.len() == 200));
            rows.into_iter().map(|row| row.generation).collect()
        };
        let one = |target, name| {
            let found = load(target, name);
            let first = found.first().copied().unwrap_or_default();
            assert!(found.iter().all(|generation| *generation == first), "{name} is mixed: {found:?}");
            assert!(found.is_empty() || found.len() == ROWS, "{name}: {found:?}");
            first
        };
        let log = load(&self.log, "log.csv");
        let last = (log.len() / ROWS) as u32;
        let expected: Vec<_> = (1..=last).flat_map(|generation| [generation; ROWS]).collect();
        assert_eq!(log, expected, "rows of the log are lost or there twice");
        [one(&self.file, "file.parquet"), one(&self.parts, "parts"), last]
    }

    /// All targets are of one generation, and nothing else is there.
    pub(crate) fn check_whole(&self) -> u32 {
        let [generation, parts, log] = self.generations();
        assert_eq!([parts, log], [generation; 2], "the targets are of different generations");
        let mut left = Vec::new();
        walk(&self.root, &mut |path| {
            let name = path.to_string_lossy();
            if name.contains(".setl-") || name.ends_with(".journal") {
                left.push(path.to_owned());
            }
        });
        assert!(left.is_empty(), "left: {left:?}");
        generation
    }

    pub(crate) fn has_journal(&self) -> bool {
        fs::read_dir(self.state().join("runs")).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// This binary again, as a process that writes `rounds` generations, or without end.
    pub(crate) fn child(&self, rounds: Option<u32>) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "targets::child", "--nocapture"]).env(CHILD, &self.root);
        if let Some(rounds) = rounds {
            command.env(ROUNDS, rounds.to_string());
        }
        command
    }
}

/// Nothing that this test does keeps a commit from being recovered.
fn recover(state: &Path) -> setl::Result<()> {
    let recovered = setl::commit::recover(state)?;
    assert!(recovered.kept.is_empty() && recovered.lost.is_empty(), "{recovered:?}");
    Ok(())
}

pub(crate) fn walk(path: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        see(&path);
        if path.is_dir() {
            walk(&path, see);
        }
    }
}

/// What the other tests run in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD) else {
        return;
    };
    let targets = Targets::new(Path::new(&root));
    recover(&targets.state()).unwrap();
    let generations = targets.generations();
    assert_eq!(generations, [generations[0]; 3], "recovery has not made the targets one generation");
    println!("ready");
    let rounds = std::env::var(ROUNDS).map_or(u32::MAX, |rounds| rounds.parse().unwrap());
    for round in 1..=rounds {
        if let Err(error) = targets.write(generations[0] + round) {
            println!("failed: {error:#}");
            std::process::exit(3);
        }
    }
}
