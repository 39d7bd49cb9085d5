//! A limit on the memory of the process while a run is in progress.
//!
//! | to stay below it | where |
//! |---|---|
//! | factories that say what they need wait until that is free | `schedule` |
//! | what is materialised lies in temporary files | `spill` |
//! | queries are run one by one, by the engine that streams, and share what fits | `optimize/queries` |
//!
//! What passes it nevertheless ends the run before the system ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{fmt, fs};

use super::shared::{Launch, Shared, Why};
#[cfg(feature = "polars")]
use super::spill::Spill;
use crate::base::size::show;
#[cfg(feature = "polars")]
use crate::base::sync::held;
use crate::plan::Node;
use crate::policy::Policy;

/// What is looked at this often: a process that allocates one gibibyte a second has 10 MiB more.
const INTERVAL: Duration = Duration::from_millis(10);

/// The limit of a run, and how near it has come.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    /// What the process held before anything ran.
    at_start: u64,
    /// The most that was seen.
    peak: AtomicU64,
    #[cfg(feature = "polars")]
    spilling: Spilling,
}

/// Where what has no room lies.
#[cfg(feature = "polars")]
#[derive(Debug)]
struct Spilling {
    state: std::path::PathBuf,
    /// Made when something is spilled.
    spill: std::sync::Mutex<Option<Arc<Spill>>>,
    /// What was kept in memory, since it is little.
    kept: AtomicU64,
}

impl Memory {
    #[cfg_attr(not(feature = "polars"), expect(unused_variables, reason = "nothing is spilled"))]
    pub(crate) fn new(limit: u64, state: Option<&std::path::Path>) -> Self {
        let at_start = resident().unwrap_or_default();
        Self {
            limit,
            at_start,
            peak: AtomicU64::new(at_start),
            #[cfg(feature = "polars")]
            spilling: Spilling {
                state: crate::checkpoint::state_directory(state),
                spill: std::sync::Mutex::default(),
                kept: AtomicU64::new(0),
            },
        }
    }

    /// Why a run of these factories cannot stay below the limit, each in a sentence.
    pub(super) fn objections(&self, launch: &Launch, policies: impl Fn(usize) -> Policy) -> Vec<String> {
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

    /// What factories may have together.
    pub(super) fn budget(&self) -> u64 {
        self.limit.saturating_sub(self.at_start)
    }

    /// What is free now.
    #[cfg(all(feature = "polars", feature = "optimize"))]
    pub(crate) fn free(&self) -> u64 {
        self.limit.saturating_sub(resident().unwrap_or(self.at_start))
    }

    /// The temporary files of the run. It blocks.
    #[cfg(feature = "polars")]
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
    #[cfg(feature = "polars")]
    pub(super) fn spilled(&self) -> Option<Arc<Spill>> {
        held(self.spilling.spill.lock()).clone()
    }

    /// Whether something is so little that it is kept in memory. All of that together is not more than an eighth of the limit.
    #[cfg(feature = "polars")]
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
            #[cfg(feature = "polars")]
            spilled: self.spilled().map_or(0, |spill| spill.bytes()),
            #[cfg(not(feature = "polars"))]
            spilled: 0,
        }
    }
}

/// How a run came along with its [limit of memory](crate::Runner::memory_limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryReport {
    /// The limit, in bytes.
    pub limit: u64,
    /// The most that the process was seen to hold, in bytes: what is resident and not part of a file, looked at a hundred times a
    /// second. Zero where the system does not tell.
    pub peak: u64,
    /// What was written to temporary files, in bytes.
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

/// What a factory says that it needs, or what stands in for it.
pub(super) fn need(factory: &Node, policy: &Policy) -> u64 {
    let of_fallback = factory.fallback.as_ref().and_then(|fallback| fallback.policy.memory);
    policy.memory.max(of_fallback).unwrap_or_default()
}

/// Ends the run when the process holds more than the limit, for as long as this is there.
///
/// A thread looks: where factories compute, no task is sure to get to it.
pub(super) fn watch(shared: &Arc<Shared>) -> Option<Watch> {
    let memory = shared.memory.as_ref()?;
    resident()?;
    let (limit, shared) = (memory.limit, Arc::downgrade(shared));
    let (sender, receiver) = channel::<()>();
    let look = move || {
        while receiver.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let Some(shared) = shared.upgrade() else { return };
            let (Some(memory), Some(held)) = (&shared.memory, resident()) else { return };
            memory.peak.fetch_max(held, Ordering::AcqRel);
            // A run that is about to end anyway ends because of what came first.
            if held > limit && !shared.cancel.is_cancelled() {
                shared.set_why(Why::Memory);
                shared.cancel.cancel();
            }
        }
    };
    // Without a thread nobody looks, which is better than no run.
    std::thread::Builder::new().name("setl-memory".to_owned()).spawn(look).ok()?;
    Some(Watch(sender))
}

/// Somebody looks how much memory the process holds.
pub(super) struct Watch(#[expect(dead_code, reason = "whoever looks ends when it is dropped")] Sender<()>);

/// What the process holds now, if the system tells: without the pages of files, which the system takes back when it needs them.
pub(super) fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    // Older kernels tell all of it only.
    field(&status, "RssAnon:").or_else(|| field(&status, "VmRSS:"))
}

/// The most that the process has ever held, if the system tells.
#[cfg(feature = "optimize")]
pub(super) fn peak() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// A line of what Linux says of a process, in bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
