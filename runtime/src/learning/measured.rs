//! Measures factories while they run, for the history.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use crate::base::sync::held;
use crate::optimize::FileRecord;

/// The measurements of the factories of a run, by their places in the plan.
pub(super) struct Measured {
    factories: Box<[Mutex<OfFactory>]>,
    /// The CPU time of the process at the start of the run.
    cpu: Option<Duration>,
}

/// The measurements of one factory, over all its attempts.
#[derive(Clone, Default)]
pub(super) struct OfFactory {
    pub(super) files: BTreeMap<PathBuf, u64>,
    pub(super) bytes_out: Option<u64>,
    /// The time that it has waited for queries that go through [gathering](crate::queries::gather).
    pub(super) waited: Duration,
    /// The number of queries for which it waits, and the time since which it waits for any.
    queries: usize,
    since: Option<Instant>,
}

impl Measured {
    pub(super) fn new(factories: usize) -> Self {
        let factories = (0..factories).map(|_| Mutex::default()).collect();
        Self { factories, cpu: cpu_of_process() }
    }

    pub(super) fn of(&self, node: usize) -> OfFactory {
        self.factories.get(node).map(|factory| held(factory.lock()).clone()).unwrap_or_default()
    }

    /// The CPU time of the process since the start of the run.
    pub(super) fn cpu(&self) -> Option<Duration> {
        Some(cpu_of_process()?.saturating_sub(self.cpu?))
    }

    fn change(&self, node: usize, change: impl FnOnce(&mut OfFactory)) {
        if let Some(factory) = self.factories.get(node) {
            let mut factory = held(factory.lock());
            change(&mut factory);
        }
    }

    /// Records that a factory is about to read a file, or all files in a directory. This function blocks.
    pub(super) fn reads(&self, node: usize, path: &Path) {
        let Ok(path) = absolute(path) else { return };
        // A file that cannot be read fails later, when it is read.
        if let Some(FileRecord { path, bytes }) = FileRecord::at(path) {
            self.change(node, |factory| {
                factory.files.insert(path, bytes);
            });
        }
    }

    /// Records the size of the output of a factory, in bytes.
    pub(super) fn delivers(&self, node: usize, bytes: Option<u64>) {
        self.change(node, |factory| factory.bytes_out = bytes);
    }

    /// Records that a factory starts to wait for a query.
    pub(super) fn waits(&self, node: usize) {
        self.change(node, |factory| {
            factory.queries += 1;
            factory.since.get_or_insert_with(Instant::now);
        });
    }

    /// Records that a factory no longer waits for a query.
    pub(super) fn resumes(&self, node: usize) {
        self.change(node, |factory| {
            factory.queries = factory.queries.saturating_sub(1);
            if factory.queries == 0
                && let Some(since) = factory.since.take()
            {
                factory.waited += since.elapsed();
            }
        });
    }
}

/// The CPU time of all threads of the process so far, to a hundredth of a second, if the system provides it.
fn cpu_of_process() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in parentheses and may contain spaces. User and system time are fields 14 and 15. Linux reports
    // both in hundredths of a second, whatever the frequency of its clock.
    let fields = stat.rsplit_once(')')?.1;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse);
    let ticks: u64 = ticks.collect::<Result<Vec<u64>, _>>().ok()?.iter().sum();
    Some(Duration::from_millis(ticks * 10))
}
