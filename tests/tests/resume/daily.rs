//! A pipeline of which some factories are kept, and some write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use setl::commit::StagedFile;
use setl::prelude::*;
use setl::run::{Outcome, Phase, Status};
use setl::{Error, RunBuilder, RunError};
use setl_tests::{Ends, runtime};

/// What happens in the factories, and what is to happen.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) root: PathBuf,
    ran: Arc<Mutex<Vec<String>>>,
    fails: Arc<Mutex<BTreeSet<String>>>,
    does: Arc<Mutex<BTreeMap<String, Does>>>,
    /// What the volatile factory delivers.
    pub(crate) rate: Arc<Mutex<u64>>,
}

/// What a factory does besides.
type Does = Arc<dyn Fn() + Send + Sync>;

impl Desk {
    /// A factory computes.
    pub(crate) fn begin(&self, factory: &str) -> Result<()> {
        self.ran.lock().unwrap().push(factory.to_owned());
        let does = self.does.lock().unwrap().get(factory).cloned();
        if let Some(does) = does {
            does();
        }
        match self.fails.lock().unwrap().contains(factory) {
            true => Err(Error::msg("enough")),
            false => Ok(()),
        }
    }

    pub(crate) fn forget(&self) {
        self.ran.lock().unwrap().clear();
    }

    pub(crate) fn fail(&self, factories: &[&str]) {
        *self.fails.lock().unwrap() = factories.iter().map(|name| (*name).to_owned()).collect();
    }

    pub(crate) fn let_do(&self, factory: &str, does: impl Fn() + Send + Sync + 'static) {
        self.does.lock().unwrap().insert(factory.to_owned(), Arc::new(does));
    }

    fn stage(&self, context: &Context, file: &str, content: &str) -> Result<()> {
        let staged = StagedFile::beside(self.root.join(file))?;
        fs::write(staged.path(), content)?;
        context.enlist(Box::new(staged))
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Limit(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flights(Vec<u64>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Clean(pub(crate) Vec<u64>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Late(pub(crate) Vec<u64>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Logged(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Total(pub(crate) u64);

/// Reads a file by itself.
#[factory(checkpoint)]
pub(crate) fn flights(desk: Desk, context: Context) -> Result<Flights> {
    desk.begin("flights")?;
    let file = desk.root.join("flights.txt");
    context.depends_on(&file)?;
    Ok(Flights(fs::read_to_string(file)?.lines().map(|line| line.parse()).collect::<Result<_, _>>()?))
}

/// Is not kept.
#[factory]
pub(crate) async fn clean(flights: Flights, desk: Desk) -> Result<Clean> {
    desk.begin("clean")?;
    Ok(Clean(flights.0.into_iter().filter(|delay| *delay < 1000).collect()))
}

/// Replaces a file.
#[factory(checkpoint, output = Late)]
pub(crate) struct FindLate {
    #[delivery]
    clean: Clean,
    #[delivery]
    limit: Limit,
    #[delivery]
    desk: Desk,
    #[delivery]
    context: Context,
}

impl Factory for FindLate {
    async fn process(&mut self) -> Result<Late> {
        self.desk.begin("FindLate")?;
        Ok(Late(self.clean.0.iter().copied().filter(|delay| *delay > self.limit.0).collect()))
    }

    async fn write(&mut self, output: &Late) -> Result<()> {
        self.desk.stage(&self.context, "late.txt", &format!("{:?}\n", output.0))
    }
}

/// Adds a line to a file: would be there twice if it were done twice.
#[factory(checkpoint, output = Logged)]
pub(crate) struct Log {
    #[delivery]
    clean: Clean,
    #[delivery]
    desk: Desk,
    #[delivery]
    context: Context,
}

impl Factory for Log {
    async fn process(&mut self) -> Result<Logged> {
        self.desk.begin("Log")?;
        Ok(Logged(self.clean.0.len() as u64))
    }

    async fn write(&mut self, output: &Logged) -> Result<()> {
        let old = fs::read_to_string(self.desk.root.join("log.txt")).unwrap_or_default();
        self.desk.stage(&self.context, "log.txt", &format!("{old}{} flights\n", output.0))
    }
}

#[factory]
fn total(late: Late, logged: Logged, desk: Desk) -> Result<Total> {
    desk.begin("total")?;
    Ok(Total(late.0.iter().sum::<u64>() + logged.0))
}

#[pipeline(extract(flights), transform(clean, FindLate, Log), load(total))]
pub(crate) struct Daily {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

impl Daily {
    pub(crate) fn of(limit: u64, desk: Desk) -> Self {
        Self { limit: Limit(limit), desk }
    }
}

/// A directory to work in, and what a run needs.
pub(crate) struct Office {
    directory: tempfile::TempDir,
    pub(crate) desk: Desk,
    pub(crate) limit: u64,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Went {
    /// What was computed, sorted.
    pub(crate) ran: Vec<String>,
    pub(crate) statuses: BTreeMap<String, Status>,
    pub(crate) notes: BTreeMap<String, String>,
    pub(crate) committed: Vec<String>,
    pub(crate) error: Option<String>,
    pub(crate) phase: Option<Phase>,
}

impl Went {
    pub(crate) fn with(&self, status: Status) -> Vec<&str> {
        let with = self.statuses.iter().filter(|(_, of)| **of == status);
        with.map(|(name, _)| &**name).collect()
    }

    pub(crate) fn remark(&self, factory: &str) -> &str {
        self.notes.get(factory).map_or("", String::as_str)
    }
}

impl Office {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Desk { root: directory.path().to_owned(), ..Desk::default() };
        let this = Self { directory, desk, limit: 10 };
        this.write("flights.txt", "5\n15\n2000\n25\n");
        this
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        fs::write(self.path(file), content).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path(file)).ok()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Runs `Daily` as `how` says.
    pub(crate) fn run<P: 'static>(&self, how: impl FnOnce(RunBuilder<Daily>) -> RunBuilder<P>) -> Went {
        let daily = Daily::of(self.limit, self.desk.clone());
        self.run_any(how(daily.run()))
    }

    pub(crate) fn resume(&self) -> Went {
        self.run(RunBuilder::resume)
    }

    pub(crate) fn run_any<P: 'static>(&self, runner: RunBuilder<P>) -> Went {
        self.desk.forget();
        let ends = Ends::default();
        let runner = runner.observe(ends.observer());
        let outcome = runtime(4).block_on(runner.state_dir(self.state()).outcome());
        ends.check(&outcome);
        self.went(&outcome)
    }

    pub(crate) fn went<P>(&self, outcome: &Outcome<P>) -> Went {
        let mut ran = self.desk.ran.lock().unwrap().clone();
        ran.sort();
        let entries = outcome.report().map(|report| report.entries()).unwrap_or_default();
        Went {
            ran,
            statuses: entries.iter().map(|entry| (entry.factory.clone(), entry.status)).collect(),
            notes: entries
                .iter()
                .filter_map(|entry| Some((entry.factory.clone(), entry.note.clone()?)))
                .collect(),
            committed: outcome.report().map(|report| report.committed().to_vec()).unwrap_or_default(),
            error: outcome.error().map(text),
            phase: outcome.failures().first().map(|failure| failure.phase),
        }
    }

    /// The directories of the checkpoints of `Daily`, by the factory's name.
    pub(crate) fn kept(&self) -> BTreeMap<String, PathBuf> {
        kept(&self.state())
    }

    /// Nothing is left of checkpoints but their directory with its lock, and nothing of staged writes.
    #[track_caller]
    pub(crate) fn check_clean(&self) {
        check_clean(self.directory.path());
    }
}

/// What is kept in a state directory, by the factory's name.
pub(crate) fn kept(state: &Path) -> BTreeMap<String, PathBuf> {
    let mut kept = BTreeMap::new();
    for pipeline in fs::read_dir(state.join("checkpoints")).into_iter().flatten() {
        for entry in fs::read_dir(pipeline.unwrap().path()).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.join("manifest").exists() && !name.starts_with('.') {
                let (name, _) = name.rsplit_once('-').unwrap();
                kept.insert(name.to_owned(), path);
            }
        }
    }
    kept
}

/// All that is below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        }
        all.push(path);
    }
    all
}

#[track_caller]
pub(crate) fn check_clean(root: &Path) {
    let left: Vec<_> = files(root)
        .into_iter()
        .filter(|path| {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy();
            let in_state = relative.starts_with("state/") && path.is_file() && !path.ends_with("lock");
            relative.contains(".setl-") || in_state
        })
        .collect();
    assert!(left.is_empty(), "left: {left:?}");
    assert_eq!(kept(&root.join("state")), BTreeMap::new());
}

/// The whole text of an error, with what it is because of.
pub(crate) fn text(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
