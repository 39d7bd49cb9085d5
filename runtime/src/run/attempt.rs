//! Runs a factory under its policy: attempts, waits between them, and the action after the last failure.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use tokio::time;
use tokio_util::sync::CancellationToken;

use super::current::enter;
use super::error::{Cause, NoTime};
use super::event::Event;
use super::executor::replaced;
use super::finish::undone;
use super::hook::{Attempt, Points};
use super::report::{Phase, nanos};
use super::shared::{Replacement, Shared};
use super::step::{BoxFuture, Completed, Failure, Job, Outcome, Step, Trial, Undone, Unfinished};
use crate::base::panic::{caught, contained};
use crate::plan::Source;
use crate::policy::{CircuitOpen, OnFailure, Permit, Policy, Retry, TimedOut, find, transient};
use setl_commit::Owner;

/// Runs a factory under this policy.
pub(crate) fn supervised(
    shared: Arc<Shared>,
    node: usize,
    policy: Policy,
    replacement: Option<Replacement>,
    started: Instant,
) -> BoxFuture<Outcome> {
    Box::pin(supervise(shared, node, policy, replacement, started))
}

async fn supervise(
    shared: Arc<Shared>,
    node: usize,
    policy: Policy,
    replacement: Option<Replacement>,
    started: Instant,
) -> Outcome {
    let mut attempts = Attempts { shared: &shared, node, started, made: 0, of_others: 0, stands_in: false };
    match attempts.under(policy, replacement).await {
        Err(Unfinished::Cancelled(_)) => Err(Unfinished::Cancelled(attempts.made)),
        other => other,
    }
}

fn unused_fallback(fallback: &Option<crate::plan::FallbackNode>) -> &[Source] {
    fallback.as_ref().map_or(&[], |fallback| &fallback.sources)
}

/// The attempts of a factory, and then of its fallback.
struct Attempts<'run> {
    shared: &'run Arc<Shared>,
    node: usize,
    /// The start of the first attempt.
    started: Instant,
    made: u32,
    /// The number of attempts of the factory, once its fallback runs.
    of_others: u32,
    stands_in: bool,
}

/// The end of an attempt without an output.
enum Ended {
    Failed(Cause),
    Unfinished(Unfinished),
}

impl Attempts<'_> {
    async fn under(&mut self, policy: Policy, replacement: Option<Replacement>) -> Outcome {
        let shared = self.shared;
        let step = shared.steps[self.node];
        let factory = &shared.plan.factories[self.node];
        let fallback = factory.fallback.as_ref().filter(|_| policy.on_failure == OnFailure::Fallback);
        let emit_started = || shared.emit(|| Event::Started { factory: &factory.name });
        for hook in shared.hooks.at(Points::RESOLVE) {
            if let Some(ended) = hook.resolve(shared, self.node).await {
                // An output of an earlier run, or one that is not needed, is no work of this run.
                if !matches!(ended, Ok(_) | Err(Unfinished::LeftOut)) {
                    emit_started();
                }
                return ended;
            }
        }
        if shared.hooks.has(Points::RESOLVE) {
            emit_started();
        }
        let first = match replacement {
            Some(replacement) => self.replaced(replacement).await,
            None => self.make(step, &policy, &factory.sources).await,
        };
        let failure = match first {
            Err(Unfinished::Failed(failure)) => failure,
            other => {
                self.release(unused_fallback(&factory.fallback));
                return other;
            }
        };
        match (policy.on_failure, fallback, step.fallback) {
            // A cancelled factory often ends with an error. Such an error does not start a fallback.
            (OnFailure::Skip | OnFailure::Fallback, ..) if shared.cancel.is_cancelled() => {
                self.release(unused_fallback(&factory.fallback));
                Err(Unfinished::Cancelled(self.made))
            }
            (OnFailure::Skip, ..) => Err(Unfinished::Skipped(Some(failure))),
            // In a run that keeps going, an upstream factory of the fallback may have failed.
            (OnFailure::Fallback, Some(fallback), Some(stand_in))
                if shared.has_all(&fallback.sources, fallback.deliveries) =>
            {
                shared.emit(|| Event::FellBack { factory: &factory.name, to: fallback.name });
                self.stands_in = true;
                self.of_others = self.made;
                let policy = stand_in.step.policy.or(&shared.plan.defaults);
                match self.make(stand_in.step, &policy, &fallback.sources).await {
                    Ok(mut completed) => {
                        completed.besides().instead_of = Some(failure);
                        Ok(completed)
                    }
                    Err(Unfinished::Failed(second)) => Err(Unfinished::Failed(Box::new(Failure {
                        fallback: Some((fallback.name, second)),
                        ..*failure
                    }))),
                    Err(other) => Err(other),
                }
            }
            _ => {
                self.release(unused_fallback(&factory.fallback));
                Err(Unfinished::Failed(failure))
            }
        }
    }

    /// Runs the only attempt of the replacement that a test has set.
    async fn replaced(&mut self, replacement: Replacement) -> Outcome {
        self.made = 1;
        let owner = Owner { node: self.node, attempt: 1 };
        let future = replaced(Arc::clone(self.shared), self.node, replacement);
        match self.within(Live { owner, future: Some(future) }, None, None).await {
            Ok(completed) => Ok(completed),
            Err(Ended::Unfinished(unfinished)) => Err(unfinished),
            Err(Ended::Failed(cause)) => Err(self.failed(cause, None)),
        }
    }

    fn failed(&self, cause: Cause, no_time: Option<NoTime>) -> Unfinished {
        let phase = self.shared.phases[self.node].get();
        Unfinished::Failed(Box::new(Failure {
            phase,
            cause,
            attempts: self.made - self.of_others,
            no_time,
            fallback: None,
        }))
    }

    /// Makes attempts until one succeeds, or no further attempt is allowed.
    async fn make(&mut self, step: Step, policy: &Policy, sources: &[Source]) -> Outcome {
        let shared = self.shared;
        let deadline = policy.total_timeout.and_then(|total| after(total, TimedOut::total(total)));
        let mut delays = policy.retry.map(|retry| retry.waits()).into_iter().flatten();
        let retries = policy.retry.map_or(0, |retry| retry.times);
        // The last failure before the resource opened its circuit breaker.
        let mut reason = None;
        for tried in 0.. {
            if shared.cancel.is_cancelled() {
                self.release(sources);
                return Err(Unfinished::Cancelled(self.made));
            }
            self.made += 1;
            let leaves = tried < retries;
            let owner = Owner { node: self.node, attempt: self.made };
            let begun = Instant::now();
            let ended = self.attempt(step, policy, sources, (owner, leaves), deadline).await;
            if ended.is_err() {
                shared.discard(owner).await;
            }
            let cause = match ended {
                Ok(mut completed) => {
                    if leaves {
                        self.release(sources);
                    }
                    completed.timing.retry_time = nanos(begun - self.started);
                    completed.timing.start = nanos(self.started - shared.started);
                    return Ok(completed);
                }
                Err(Ended::Unfinished(unfinished)) => {
                    if leaves {
                        self.release(sources);
                    }
                    return Err(unfinished);
                }
                Err(Ended::Failed(cause)) => cause,
            };
            let alone = left_alone(&cause);
            // A fallback or a skip can happen immediately, without waiting for the resource.
            let is_pointless =
                |delay| alone > delay && !self.stands_in && policy.on_failure != OnFailure::Fail;
            let delay = match (&policy.retry, delays.next()) {
                (Some(retry), Some(delay))
                    if leaves && !is_pointless(delay) && self.may_retry(retry, &cause) =>
                {
                    delay.max(alone)
                }
                _ => {
                    if leaves {
                        self.release(sources);
                    }
                    return Err(self.failed(with_reason(cause, reason), None));
                }
            };
            // A wait beyond the time limit would only lose the cause.
            let left = |deadline: time::Instant| (deadline + shared.waited(self.node)).duration_since(now());
            if let Some((_, timed_out)) = deadline.filter(|(deadline, _)| delay >= left(*deadline)) {
                self.release(sources);
                let no_time = NoTime { wait: delay, total: timed_out.limit };
                return Err(self.failed(with_reason(cause, reason), Some(no_time)));
            }
            self.tell_of_retry(&cause, delay);
            tokio::select! {
                biased;
                () = shared.cancel.cancelled() => {
                    self.release(sources);
                    return Err(Unfinished::Cancelled(self.made));
                }
                () = time::sleep(delay) => {}
            }
            let spent = if is_turned_away(&cause) { Some(cause) } else { reason.replace(cause) };
            contained(|| drop(spent));
        }
        unreachable!("the last attempt returns")
    }

    /// Runs one attempt within its time limit.
    async fn attempt(
        &self,
        step: Step,
        policy: &Policy,
        sources: &[Source],
        (owner, leaves): (Owner, bool),
        deadline: Option<(time::Instant, TimedOut)>,
    ) -> Result<Completed, Ended> {
        let shared = self.shared;
        shared.phases[self.node].set(Phase::Assemble);
        let permit = match self.permit(policy, deadline).await {
            Ok(permit) => permit,
            Err(ended) => {
                // The attempt has taken nothing, and no other attempt will.
                if !leaves {
                    self.release(sources);
                }
                return Err(ended);
            }
        };
        let token = step.blocking.then(|| shared.cancel.child_token());
        let job = Job {
            shared: Arc::clone(shared),
            node: owner.node,
            started: Instant::now(),
            trial: Some(Box::new(Trial {
                attempt: owner.attempt,
                leaves,
                stands_in: self.stands_in,
                cancel: token.clone(),
            })),
        };
        let live = Live { owner, future: Some((step.run)(job)) };
        let limit = policy.timeout.and_then(|limit| after(limit, TimedOut::attempt(limit)));
        let limit = match (limit, deadline) {
            (Some(limit), Some(deadline)) => Some(if limit.0 <= deadline.0 { limit } else { deadline }),
            (limit, deadline) => limit.or(deadline),
        };
        // The limit of all attempts has been running since the first attempt.
        let waited = match (limit, deadline) {
            (Some((limit, _)), Some((deadline, _))) if limit == deadline => Duration::ZERO,
            _ => self.shared.waited(self.node),
        };
        let ended = match self.within(live, token, limit.map(|limit| (limit, waited))).await {
            Ok(completed) => self.kept(owner, completed).await.map_err(Ended::Failed),
            ended => ended,
        };
        if let Some(permit) = permit {
            match &ended {
                Ok(_) => permit.succeeded(),
                Err(Ended::Failed(cause)) => permit.failed(shared.class_of(cause)),
                Err(Ended::Unfinished(_)) => drop(permit),
            }
        }
        ended
    }

    /// Completes when the time limit has passed, or never without a limit. Time that the factory waits for the queries of others
    /// does not count. `before` is the part of this time that had passed when the limit began.
    async fn time_is_up(&self, limit: Option<((time::Instant, TimedOut), Duration)>) -> TimedOut {
        let Some(((until, timed_out), before)) = limit else { return pending().await };
        let mut wake = until;
        loop {
            time::sleep_until(wake).await;
            let own = until + self.shared.waited(self.node).saturating_sub(before);
            let now = now();
            if own <= now {
                return timed_out;
            }
            wake = own.max(now + Duration::from_millis(5));
        }
    }

    /// Waits for an attempt until its time limit.
    ///
    /// After that, an asynchronous attempt is dropped. A blocking attempt is cancelled through its context, and the executor
    /// waits for its end.
    async fn within(
        &self,
        mut live: Live,
        token: Option<CancellationToken>,
        limit: Option<((time::Instant, TimedOut), Duration)>,
    ) -> Result<Completed, Ended> {
        let timed_out = match token {
            Some(token) => tokio::select! {
                biased;
                ended = &mut live => return ended,
                timed_out = self.time_is_up(limit) => {
                    let phase = &self.shared.phases[self.node];
                    let late_in = phase.get();
                    token.cancel();
                    // The time limit has passed: this result does not count.
                    if let Ok(completed) = (&mut live).await {
                        self.undo(completed.besides.and_then(|besides| besides.undo)).await;
                    }
                    phase.set(late_in);
                    timed_out
                }
            },
            None => tokio::select! {
                biased;
                ended = &mut live => return ended,
                () = self.shared.cancel.cancelled() => return Err(Ended::Unfinished(Unfinished::Cancelled(1))),
                timed_out = self.time_is_up(limit) => timed_out,
            },
        };
        Err(Ended::Failed(Cause::TimedOut(timed_out)))
    }

    /// Lets the hooks keep the output. If one of them cannot, the attempt has failed and is undone.
    async fn kept(&self, owner: Owner, mut completed: Completed) -> Result<Completed, Cause> {
        if !self.shared.hooks.has(Points::KEEP) {
            return Ok(completed);
        }
        let undo = completed.besides.as_mut().and_then(|besides| besides.undo.take());
        let attempt = Attempt { owner, by_fallback: self.stands_in, wrote: undo.is_some() };
        for hook in self.shared.hooks.at(Points::KEEP) {
            completed = match hook.keep(self.shared, attempt, completed).await {
                Ok(completed) => completed,
                Err(cause) => {
                    self.undo(undo).await;
                    return Err(cause);
                }
            };
        }
        if undo.is_some() {
            completed.besides().undo = undo;
        }
        Ok(completed)
    }

    /// Undoes the effects of an attempt that does not count.
    async fn undo(&self, undo: Option<Undone>) {
        let Some(undo) = undo else { return };
        let factory = &self.shared.plan.factories[self.node].name;
        self.shared.emit(|| Event::RollingBack { factory });
        if let Some(cause) = undone(self.shared, self.node, undo).await {
            let note = format!("what a late attempt did could not be undone: {}", cause.line());
            self.shared.note(self.node, note);
        }
    }

    /// Waits for a permit of the resource, if the policy names one.
    async fn permit(
        &self,
        policy: &Policy,
        deadline: Option<(time::Instant, TimedOut)>,
    ) -> Result<Option<Permit>, Ended> {
        let Some(resource) = policy.resource else { return Ok(None) };
        tokio::select! {
            biased;
            () = self.shared.cancel.cancelled() => Err(Ended::Unfinished(Unfinished::Cancelled(self.made))),
            permit = self.shared.resources().enter(self.shared.bounds(resource)) => {
                permit.map(Some).map_err(|open| Ended::Failed(Cause::Error(open.into())))
            }
            timed_out = self.time_is_up(deadline.map(|limit| (limit, Duration::ZERO))) => {
                let waited = TimedOut { resource: Some(resource.name), ..timed_out };
                Err(Ended::Failed(Cause::TimedOut(waited)))
            }
        }
    }

    fn may_retry(&self, retry: &Retry, cause: &Cause) -> bool {
        match cause {
            Cause::Error(error) => caught(|| retry.on.covers(error, self.shared.classifier)).unwrap_or(false),
            Cause::TimedOut(_) => true,
            Cause::Panic { .. } => false,
        }
    }

    fn tell_of_retry(&self, cause: &Cause, delay: Duration) {
        self.shared.emit_with(|emit| {
            let error = cause.line();
            emit(&Event::Retrying {
                factory: &self.shared.plan.factories[self.node].name,
                attempt: self.made,
                error: &error,
                delay,
            });
        });
    }

    /// Releases the claims on the inputs that attempts have left in place.
    fn release(&self, sources: &[Source]) {
        self.shared.release(sources);
    }
}

fn is_turned_away(cause: &Cause) -> bool {
    matches!(cause, Cause::Error(error) if error.is::<CircuitOpen>())
}

/// Adds the cause of the open circuit breaker to the error, because the error itself does not have it.
fn with_reason(cause: Cause, reason: Option<Cause>) -> Cause {
    let Cause::Error(error) = cause else { return cause };
    let reason = match (error.downcast_ref::<CircuitOpen>(), reason) {
        (Some(open), Some(Cause::Error(reason))) => reason.context(*open),
        (Some(open), Some(Cause::TimedOut(reason))) => crate::Error::new(reason).context(*open),
        (_, reason) => {
            contained(|| drop(reason));
            return Cause::Error(error);
        }
    };
    // The circuit breaker closes after some time, so the error is transient, even if the cause is not.
    Cause::Error(transient(reason))
}

/// The time until the circuit breaker of the resource lets an attempt through, if it has refused this one.
fn left_alone(cause: &Cause) -> Duration {
    match cause {
        Cause::Error(error) => find::<CircuitOpen>(error).map_or(Duration::ZERO, |open| open.retry_after),
        _ => Duration::ZERO,
    }
}

fn now() -> time::Instant {
    time::Instant::now()
}

/// The end of the time limit. `None` if it is beyond the range of `Instant`.
fn after(limit: Duration, timed_out: TimedOut) -> Option<(time::Instant, TimedOut)> {
    Some((now().checked_add(limit)?, timed_out))
}

/// A running attempt. Its panics become causes of failure.
struct Live {
    owner: Owner,
    future: Option<BoxFuture<Outcome>>,
}

impl Future for Live {
    type Output = Result<Completed, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        enter(self.owner);
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = caught(|| future.as_mut().poll(cx));
        let ended = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(completed))) => Ok(completed),
            Ok(Poll::Ready(Err(Unfinished::Error(error)))) => Err(Ended::Failed(Cause::of_error(error))),
            Ok(Poll::Ready(Err(unfinished))) => Err(Ended::Unfinished(unfinished)),
            Err(panic) => Err(Ended::Failed(panic.into())),
        };
        self.clear();
        Poll::Ready(ended)
    }
}

impl Live {
    /// Contains a panic of the destructor.
    fn clear(&mut self) {
        let future = self.future.take();
        contained(|| drop(future));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.clear();
    }
}
