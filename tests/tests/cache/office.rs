//! A pipeline of which some outputs are cached, and what is needed to run it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use setl::commit::StagedFile;
use setl::prelude::*;
use setl::run::{Outcome, Report, Status};
use setl::{Error, RunBuilder};
use setl_tests::{Ends, runtime};

/// What happens in the factories, and what is to happen.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) root: PathBuf,
    ran: Arc<Mutex<Vec<String>>>,
    fails: Arc<Mutex<BTreeSet<String>>>,
    does: Arc<Mutex<BTreeMap<String, Does>>>,
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

    pub(crate) fn fail(&self, factories: &[&str]) {
        *self.fails.lock().unwrap() = factories.iter().map(|name| (*name).to_owned()).collect();
    }

    pub(crate) fn let_do(&self, factory: &str, does: impl Fn() + Send + Sync + 'static) {
        self.does.lock().unwrap().insert(factory.to_owned(), Arc::new(does));
    }

    /// Adds a line to a file when the run succeeds.
    pub(crate) fn stage(&self, context: &Context, file: &str, line: &str) -> Result<()> {
        let path = self.root.join(file);
        let old = fs::read_to_string(&path).unwrap_or_default();
        let staged = StagedFile::beside(path)?;
        fs::write(staged.path(), format!("{old}{line}\n"))?;
        context.enlist(Box::new(staged))
    }

    /// Adds a line to a file at once.
    pub(crate) fn append(&self, file: &str, line: &str) -> Result<()> {
        let path = self.root.join(file);
        let old = fs::read_to_string(&path).unwrap_or_default();
        Ok(fs::write(path, format!("{old}{line}\n"))?)
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Limit(pub(crate) u64);

macro_rules! payloads {
    ($($name:ident),*) => {
        $(
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub(crate) struct $name(pub(crate) u64);
        )*
    };
}

payloads!(Read, Clean, Late, Total, Logged);

/// Reads a file by itself.
#[factory(cache)]
pub(crate) fn read(desk: Desk, context: Context) -> Result<Read> {
    desk.begin("read")?;
    let file = desk.root.join("input.txt");
    context.depends_on(&file)?;
    Ok(Read(fs::read_to_string(file)?.trim().parse()?))
}

/// Is not cached.
#[factory]
pub(crate) async fn clean(read: Read, desk: Desk) -> Result<Clean> {
    desk.begin("clean")?;
    Ok(Clean(read.0 + 1))
}

#[factory(cache)]
pub(crate) fn late(clean: Clean, limit: Limit, desk: Desk) -> Result<Late> {
    desk.begin("late")?;
    Ok(Late(clean.0 * limit.0))
}

/// Its output is cached, and it writes, so that it never is.
#[factory(cache, output = Logged)]
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
        Ok(Logged(self.clean.0))
    }

    async fn write(&mut self, output: &Logged) -> Result<()> {
        self.desk.stage(&self.context, "log.txt", &format!("{}", output.0))
    }
}

#[factory(cache)]
pub(crate) fn total(late: Late, desk: Desk) -> Result<Total> {
    desk.begin("total")?;
    Ok(Total(late.0 + 100))
}

#[pipeline(extract(read), transform(clean, late), load(total))]
pub(crate) struct Daily {
    pub(crate) limit: Limit,
    #[delivery(opaque)]
    pub(crate) desk: Desk,
}

#[pipeline(extract(read), transform(clean, Log, late), load(total))]
pub(crate) struct Logging {
    pub(crate) limit: Limit,
    #[delivery(opaque)]
    pub(crate) desk: Desk,
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
    pub(crate) report: Option<Report>,
    pub(crate) error: Option<String>,
}

impl Went {
    pub(crate) fn with(&self, status: Status) -> Vec<&str> {
        let with = self.statuses.iter().filter(|(_, of)| **of == status);
        with.map(|(name, _)| &**name).collect()
    }

    pub(crate) fn remark(&self, factory: &str) -> &str {
        self.notes.get(factory).map_or("", String::as_str)
    }

    /// Hits and misses of a factory.
    pub(crate) fn counts(&self, factory: &str) -> (u32, u32) {
        let cache = self.report.as_ref().unwrap().cache();
        cache.iter().find(|of| of.factory == factory).map_or((0, 0), |of| (of.hits, of.misses))
    }
}

impl Office {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Desk { root: directory.path().to_owned(), ..Desk::default() };
        let this = Self { directory, desk, limit: 10 };
        this.write("input.txt", "3");
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

    pub(crate) fn daily(&self) -> RunBuilder<Daily> {
        Daily { limit: Limit(self.limit), desk: self.desk.clone() }.run()
    }

    pub(crate) fn logging(&self) -> RunBuilder<Logging> {
        Logging { limit: Limit(self.limit), desk: self.desk.clone() }.run()
    }

    /// Runs `Daily`.
    pub(crate) fn run(&self) -> Went {
        self.run_any(self.daily())
    }

    pub(crate) fn run_any<P: 'static>(&self, runner: RunBuilder<P>) -> Went {
        self.desk.ran.lock().unwrap().clear();
        let ends = Ends::default();
        let runner = runner.observe(ends.observer());
        let outcome = runtime(4).block_on(runner.state_dir(self.state()).outcome());
        ends.check(&outcome);
        self.went(&outcome)
    }

    fn went<P>(&self, outcome: &Outcome<P>) -> Went {
        let mut ran = self.desk.ran.lock().unwrap().clone();
        ran.sort();
        let entries = outcome.report().map(|report| report.entries()).unwrap_or_default();
        let noted = entries.iter().filter_map(|entry| Some((entry.factory.clone(), entry.note.clone()?)));
        Went {
            ran,
            statuses: entries.iter().map(|entry| (entry.factory.clone(), entry.status)).collect(),
            notes: noted.collect(),
            report: outcome.report().cloned(),
            error: outcome.error().map(|error| error.full()),
        }
    }

    /// The entries of the cache, by the names of their factories.
    pub(crate) fn cached(&self) -> Vec<String> {
        let mut names: Vec<_> = self.entries().into_iter().map(|entry| entry.factory).collect();
        names.sort();
        names
    }

    pub(crate) fn entries(&self) -> Vec<setl::cache::CacheEntry> {
        setl::cache::list(self.state()).unwrap()
    }

    /// The directory of the only entry of a factory.
    pub(crate) fn entry(&self, factory: &str) -> PathBuf {
        let mut of: Vec<_> = self.entries().into_iter().filter(|entry| entry.factory == factory).collect();
        assert_eq!(of.len(), 1, "{factory}");
        of.remove(0).path
    }
}

/// All files below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}
