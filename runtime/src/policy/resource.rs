//! The state that factories share when they depend on the same external resource.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use humantime::{FormattedDuration, format_duration};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::circuit::{Circuit, CircuitState, Ticket, Verdict};
use super::{Resource, Transience};
use crate::base::sync::held;

/// A resource admits no attempt, since earlier attempts have failed. The error is [transient](super::classify).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resource `{resource}` has failed too often, and is left alone{}", rest(*.retry_after))]
#[non_exhaustive]
pub struct CircuitOpen {
    /// The name of the resource.
    pub resource: &'static str,
    /// The time until the next attempt is admitted. Zero while a probing attempt is in progress.
    pub retry_after: Duration,
}

fn rest(retry_after: Duration) -> String {
    if retry_after.is_zero() {
        return " until the attempt that is under way has succeeded".to_owned();
    }
    format!(" for another {}", roughly(retry_after))
}

/// Rounds a duration for people: no nanoseconds, and no milliseconds after seconds.
pub(crate) fn roughly(duration: Duration) -> FormattedDuration {
    let whole = |unit: Duration| duration.as_nanos().div_ceil(unit.as_nanos()).try_into().unwrap_or(u64::MAX);
    format_duration(match duration < Duration::from_secs(10) {
        true => Duration::from_millis(whole(Duration::from_millis(1))),
        false => Duration::from_secs(whole(Duration::from_secs(1))),
    })
}

/// The resources that runs use: their attempts, waiting attempts and breakers.
///
/// A run has its own resources unless it is given others. Clones share their state. Resources with the same name are the same
/// resource, with the bounds of the first that is used. A run that is given these and has other bounds for one of them cannot
/// start.
///
/// ```
/// use std::time::Duration;
///
/// use setl::policy::{Resource, Resources, Transience};
///
/// static RATES: Resource = Resource::new("rates").max_concurrent(2).breaker(1, Duration::from_secs(30));
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> setl::Result<()> {
/// let resources = Resources::default();
/// let permit = resources.enter(&RATES).await?;
/// permit.failed(Transience::Transient);
///
/// let refused = resources.enter(&RATES).await.unwrap_err();
/// assert!(refused.to_string().starts_with("resource `rates` has failed too often"));
/// assert_eq!(resources.report()[0].rejected, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Resources {
    gates: Named<Gate>,
    /// The usage by one run. `None` if the usage of all runs is counted.
    run: Option<Named<Use>>,
}

type Named<T> = Arc<Mutex<BTreeMap<&'static str, Arc<T>>>>;

impl Resources {
    /// Returns a handle to the same resources, which reports only usage through itself and its clones.
    pub fn of_run(&self) -> Self {
        Self { gates: Arc::clone(&self.gates), run: Some(Arc::default()) }
    }

    /// Waits for a place in the order of requests, and admits the caller.
    ///
    /// The future can be dropped at any time, and then loses its turn.
    ///
    /// # Errors
    /// If the breaker is open, or opens while the caller waits.
    pub async fn enter(&self, resource: &Resource) -> Result<Permit, CircuitOpen> {
        let user = self.user(resource);
        let gate = &user.gate;
        let place = {
            let mut place = pin!(gate.place());
            loop {
                let turned = gate.turned.notified();
                let open = held(gate.circuit.lock())
                    .as_ref()
                    .and_then(|circuit| circuit.check(Instant::now()).err());
                if let Some(rest) = open {
                    return Err(user.refuse(rest));
                }
                tokio::select! {
                    biased;
                    place = &mut place => break place,
                    () = turned => {}
                }
            }
        };
        let admitted = gate.turn(|circuit| circuit.admit(Instant::now())).transpose();
        let ticket = admitted.map_err(|rest| user.refuse(rest))?;
        user.count(|tally| {
            tally.attempts += 1;
            tally.now += 1;
            tally.peak_concurrent = tally.peak_concurrent.max(tally.now);
        });
        Ok(Permit { user, ticket, settled: false, _place: place })
    }

    /// Returns the usage of each resource that was used, by name.
    pub fn report(&self) -> Vec<ResourceReport> {
        match &self.run {
            Some(run) => {
                let of = |user: &Arc<Use>| user.gate.report(&user.tally);
                held(run.lock()).values().map(of).collect()
            }
            None => {
                let gates = held(self.gates.lock());
                let reports = gates.values().map(|gate| gate.report(&gate.tally));
                reports.filter(|report| report.attempts > 0 || report.rejected > 0).collect()
            }
        }
    }

    /// Claims these bounds for a resource.
    ///
    /// # Errors
    /// If the resource already has other bounds. The text names both.
    pub(crate) fn claim(&self, resource: &Resource) -> Result<(), String> {
        let gate = self.gate(resource);
        if gate.bounds == *resource {
            return Ok(());
        }
        Err(format!(
            "resource `{}` is shared with runs in which it has {}, and in this one it has {}: give it the same bounds in all of \
             them, or this run resources of its own",
            resource.name,
            gate.bounds.bounds(),
            resource.bounds()
        ))
    }

    fn gate(&self, resource: &Resource) -> Arc<Gate> {
        let mut gates = held(self.gates.lock());
        Arc::clone(gates.entry(resource.name).or_insert_with(|| Arc::new(Gate::new(resource))))
    }

    fn user(&self, resource: &Resource) -> Arc<Use> {
        let user = || Use::of(self.gate(resource));
        match &self.run {
            Some(run) => Arc::clone(held(run.lock()).entry(resource.name).or_insert_with(user)),
            None => user(),
        }
    }
}

/// A place at a resource. Report the result of the attempt; a dropped permit reports none.
#[must_use = "a place is free again when its permit is dropped"]
#[derive(Debug)]
pub struct Permit {
    user: Arc<Use>,
    /// `None` if there is no breaker.
    ticket: Option<Ticket>,
    /// `true` if the result of the attempt is known.
    settled: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Permit {
    /// Records that the attempt succeeded.
    pub fn succeeded(mut self) {
        self.settle(Verdict::Answers);
    }

    /// Records that the attempt failed. A permanent failure shows that the resource answers, and counts as an answer.
    pub fn failed(mut self, how: Transience) {
        match how {
            Transience::Transient => self.settle(Verdict::Fails),
            Transience::Permanent => self.settle(Verdict::Answers),
        }
    }

    fn settle(&mut self, verdict: Verdict) {
        self.settled = true;
        // The attempt is counted as ended before the next one is admitted.
        self.user.count(|tally| {
            tally.now -= 1;
            tally.failures += u64::from(verdict == Verdict::Fails);
        });
        let Some(ticket) = self.ticket else { return };
        let opened = self.user.gate.turn(|circuit| circuit.settle(ticket, verdict, Instant::now()));
        if opened == Some(true) {
            self.user.count(|tally| tally.opened += 1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The breaker is updated before the place is free.
        if !self.settled {
            self.settle(Verdict::Unknown);
        }
    }
}

/// The usage of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourceReport {
    /// Its name.
    pub name: &'static str,
    /// The number of attempts that were admitted.
    pub attempts: u64,
    /// The maximum number of attempts at the same time.
    pub peak_concurrent: u32,
    /// The number of attempts with a transient failure.
    pub failures: u64,
    /// The number of times that its breaker opened.
    pub opened: u32,
    /// The number of attempts that were rejected.
    pub rejected: u64,
    /// The current state of its breaker; closed if it has none.
    pub state: CircuitState,
}

impl fmt::Display for ResourceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attempts, peak_concurrent, failures, opened, rejected, state } = self;
        let attempts = times(*attempts, "1 attempt", "attempts");
        write!(f, "resource {name}: {attempts}, at most {peak_concurrent} at once, {failures} failed")?;
        if *opened > 0 || *rejected > 0 {
            let state = match state {
                CircuitState::Closed => "closed",
                CircuitState::Open => "open",
                CircuitState::HalfOpen => "half-open",
            };
            let opened = times(u64::from(*opened), "once", "times");
            write!(f, "; breaker opened {opened}, {rejected} turned away, now {state}")?;
        }
        Ok(())
    }
}

fn times(number: u64, once: &str, often: &str) -> String {
    if number == 1 { once.to_owned() } else { format!("{number} {often}") }
}

/// One resource, as shared by all runs.
#[derive(Debug)]
struct Gate {
    /// The bounds at the time of creation.
    bounds: Resource,
    places: Option<Arc<Semaphore>>,
    circuit: Mutex<Option<Circuit>>,
    /// Notified whenever the breaker changes its state, so that waiting attempts check again.
    turned: Notify,
    tally: Mutex<Tally>,
}

impl Gate {
    fn new(resource: &Resource) -> Self {
        // The fields are public, so the limit may be zero.
        let places = |max_concurrent: u32| (max_concurrent.max(1) as usize).min(Semaphore::MAX_PERMITS);
        Self {
            bounds: *resource,
            places: resource
                .max_concurrent
                .map(|max_concurrent| Arc::new(Semaphore::new(places(max_concurrent)))),
            circuit: Mutex::new(resource.breaker.map(Circuit::new)),
            turned: Notify::new(),
            tally: Mutex::default(),
        }
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(self.places.as_ref()?).acquire_owned().await.ok()
    }

    fn turn<R>(&self, change: impl FnOnce(&mut Circuit) -> R) -> Option<R> {
        let (result, turned) = {
            let mut circuit = held(self.circuit.lock());
            let circuit = circuit.as_mut()?;
            let before = circuit.generation();
            (change(circuit), circuit.generation() != before)
        };
        if turned {
            self.turned.notify_waiters();
        }
        Some(result)
    }

    fn report(&self, tally: &Mutex<Tally>) -> ResourceReport {
        let tally = held(tally.lock());
        let circuit = held(self.circuit.lock());
        let state = circuit.as_ref().map_or(CircuitState::Closed, |circuit| circuit.state(Instant::now()));
        let Tally { attempts, now: _, peak_concurrent, failures, opened, rejected } = *tally;
        ResourceReport {
            name: self.bounds.name,
            attempts,
            peak_concurrent,
            failures,
            opened,
            rejected,
            state,
        }
    }
}

/// One resource, as used by one run.
#[derive(Debug)]
struct Use {
    gate: Arc<Gate>,
    tally: Mutex<Tally>,
}

impl Use {
    fn of(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate, tally: Mutex::default() })
    }

    fn refuse(&self, retry_after: Duration) -> CircuitOpen {
        self.count(|tally| tally.rejected += 1);
        CircuitOpen { resource: self.gate.bounds.name, retry_after }
    }

    fn count(&self, count: impl Fn(&mut Tally)) {
        for tally in [&self.tally, &self.gate.tally] {
            let mut tally = held(tally.lock());
            count(&mut tally);
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    attempts: u64,
    now: u32,
    peak_concurrent: u32,
    failures: u64,
    opened: u32,
    rejected: u64,
}

#[cfg(test)]
mod tests;
