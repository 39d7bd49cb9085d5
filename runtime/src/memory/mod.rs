//! Limits the memory of the process while a run is in progress.
//!
//! | to stay below the limit | module |
//! |---|---|
//! | factories wait until the memory that they declare is free | `schedule` |
//! | materialized data goes to temporary files | `spill` |
//! | queries run one by one with the streaming engine, and share the data that fits | `queries` |
//!
//! A process that exceeds the limit nevertheless ends the run, before the system kills the process.

pub(crate) mod spill;

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{fmt, fs};

use crate::base::size::show;
use crate::base::sync::held;
use crate::memory::spill::Spill;
use crate::plan::Node;
use crate::policy::Policy;
use crate::run::extension::Extension;
use crate::run::hook::{Hook, Points, find};
use crate::run::report::Report;
use crate::run::request::Request;
use crate::run::run_plan::{Budget, RunPlan};
use crate::run::shared::{CancelReason, Launch, Shared};

/// The interval of the checks: a process that allocates one gibibyte per second gets 10 MiB more in it.
const INTERVAL: Duration = Duration::from_millis(10);

/// The memory limit of a run, and the peak so far.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    /// The memory of the process before the run.
    at_start: u64,
    /// The peak that was seen.
    peak: AtomicU64,
    spilling: Spilling,
}

/// The place of data that does not fit into memory.
#[derive(Debug)]
struct Spilling {
    state: std::path::PathBuf,
    /// Created when the first data is spilled.
    spill: std::sync::Mutex<Option<Arc<Spill>>>,
    /// The total size of small data that was kept in memory.
    kept: AtomicU64,
}

impl Memory {
    pub(crate) fn new(limit: u64, state: Option<&std::path::Path>) -> Self {
        let at_start = resident().unwrap_or_default();
        Self {
            limit,
            at_start,
            peak: AtomicU64::new(at_start),
            spilling: Spilling {
                state: setl_commit::state::state_directory(state),
                spill: std::sync::Mutex::default(),
                kept: AtomicU64::new(0),
            },
        }
    }

    /// The reasons why a run of these factories cannot stay below the limit, each in a sentence.
    pub(crate) fn objections(&self, launch: &Launch, policies: impl Fn(usize) -> Policy) -> Vec<String> {
        let limit = show(self.limit);
        if self.limit <= self.at_start {
            return vec![format!(
                "the memory limit is {limit}, and the process holds {} before anything has run: raise `memory_limit`",
                show(self.at_start)
            )];
        }
        let left = self.budget();
        let needs = launch.plan.factories.iter().enumerate();
        needs
            .map(|(node, factory)| (&factory.name, need(factory, &policies(node))))
            .filter(|(_, need)| *need > left)
            .map(|(name, need)| {
                format!(
                    "factory `{name}` needs {} (its `memory`), and the memory limit of {limit} leaves {} beside what the process \
                     holds already: raise `memory_limit`, or let the factory do with less",
                    show(need),
                    show(left)
                )
            })
            .collect()
    }

    /// The total memory for all factories.
    pub(crate) fn budget(&self) -> u64 {
        self.limit.saturating_sub(self.at_start)
    }

    /// The memory that is free now.
    pub(crate) fn free(&self) -> u64 {
        self.limit.saturating_sub(resident().unwrap_or(self.at_start))
    }

    /// The temporary files of the run. This function blocks.
    pub(crate) fn spill(&self) -> crate::Result<Arc<Spill>> {
        let mut spill = held(self.spilling.spill.lock());
        if let Some(spill) = &*spill {
            return Ok(Arc::clone(spill));
        }
        let made = Arc::new(Spill::create(&self.spilling.state, uuid::Uuid::now_v7())?);
        *spill = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The temporary files of the run, if there are any.
    pub(crate) fn spilled(&self) -> Option<Arc<Spill>> {
        held(self.spilling.spill.lock()).clone()
    }

    /// `true` if the data is small enough to stay in memory. The total size of such data is at most an eighth of the limit.
    pub(crate) fn keeps(&self, bytes: u64) -> bool {
        let kept = &self.spilling.kept;
        bytes <= self.limit / 64
            && kept.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes) <= self.limit / 8
    }

    pub(crate) fn report(&self) -> MemoryReport {
        let seen = resident().unwrap_or_default();
        MemoryReport {
            limit: self.limit,
            peak: self.peak.fetch_max(seen, Ordering::AcqRel).max(seen),
            spilled: self.spilled().map_or(0, |spill| spill.bytes()),
        }
    }
}

/// The memory use of a run with a [memory limit](crate::RunBuilder::memory_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The limit, in bytes.
    pub limit: u64,
    /// The peak memory of the process, in bytes: resident memory that is not part of a file, measured a hundred times per second.
    /// Zero if the system does not provide it.
    pub peak: u64,
    /// The size of the data in temporary files, in bytes.
    pub spilled: u64,
}

impl fmt::Display for MemoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory: at most {} of {}", show(self.peak), show(self.limit))?;
        match self.spilled {
            0 => Ok(()),
            spilled => write!(f, "; {} in temporary files", show(spilled)),
        }
    }
}

impl Report {
    /// The memory use of the run, if it had a [memory limit](crate::RunBuilder::memory_limit).
    pub fn memory(&self) -> Option<&MemoryReport> {
        self.section()
    }
}

/// The memory limit of runs, as an extension.
pub(crate) struct MemoryLimit;

impl Extension for MemoryLimit {
    fn prepare(&self, plan: &mut RunPlan, _: &Request) -> Result<(), Vec<String>> {
        let Some(limit) = plan.memory_limit else { return Ok(()) };
        let memory = Memory::new(limit, plan.state_dir.as_deref());
        let mistakes = memory.objections(&plan.launch, |node| plan.policy(node));
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        plan.hooks.push(Box::new(memory));
        Ok(())
    }

    fn attach(&self, plan: &mut RunPlan) {
        let Some(memory) = find::<Memory>(&plan.hooks) else { return };
        let total = memory.budget();
        let needs = plan.plan().factories.iter().enumerate();
        let needs = needs.map(|(node, factory)| need(factory, &plan.policy(node))).collect();
        plan.budget = Some(Budget { total, needs });
    }
}

impl Hook for Memory {
    fn points(&self) -> Points {
        Points::CANCEL
    }

    fn begin(&self, run: &Arc<Shared>) -> Option<Box<dyn Any + Send>> {
        watch(run).map(|watch| Box::new(watch) as Box<dyn Any + Send>)
    }

    fn report(&self, _: &Shared, report: &mut Report) {
        report.add(self.report());
    }
    fn remains(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.spilled().map(|spill| spill as Arc<dyn Any + Send + Sync>)
    }
}

/// The memory that a factory or its fallback declares.
pub(crate) fn need(factory: &Node, policy: &Policy) -> u64 {
    let of_fallback = factory.fallback.as_ref().and_then(|fallback| fallback.policy.memory);
    policy.memory.max(of_fallback).unwrap_or_default()
}

/// Ends the run when the process exceeds the limit, as long as the returned value exists.
///
/// A thread does the checks, because a task may not run while factories compute.
pub(crate) fn watch(shared: &Arc<Shared>) -> Option<Watch> {
    let memory = shared.hook::<Memory>()?;
    resident()?;
    let (limit, shared) = (memory.limit, Arc::downgrade(shared));
    let (sender, receiver) = channel::<()>();
    let look = move || {
        while receiver.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let Some(shared) = shared.upgrade() else { return };
            let (Some(memory), Some(held)) = (shared.hook::<Memory>(), resident()) else { return };
            memory.peak.fetch_max(held, Ordering::AcqRel);
            // The first reason for the end of a run counts.
            if held > limit && !shared.cancel.is_cancelled() {
                shared.set_cancel_reason(CancelReason::Memory);
                shared.cancel.cancel();
            }
        }
    };
    // Without a thread there is no check, which is better than no run.
    std::thread::Builder::new().name("setl-memory".to_owned()).spawn(look).ok()?;
    Some(Watch(sender))
}

/// Keeps the checks of the memory running.
pub(crate) struct Watch(#[expect(dead_code, reason = "whoever looks ends when it is dropped")] Sender<()>);

/// The current memory of the process, if the system provides it. It excludes file pages, which the system reclaims when it needs
/// them.
pub(crate) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    // Older kernels provide only the total.
    field(&status, "RssAnon:").or_else(|| field(&status, "VmRSS:"))
}

/// The peak memory of the process, if the system provides it.
pub(crate) fn peak() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// A field of the process status of Linux, in bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
