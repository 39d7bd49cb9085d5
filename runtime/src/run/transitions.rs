//! The state transitions of factories.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::error::{Cause, FactoryError};
use super::event::Event;
use super::hook::Points;
use super::report::{Nanos, Record, Status, failed_upstream};
use super::rows::Rows;
use super::shared::Shared;
use super::slot::Slot;
use super::step::{Besides, Completed, Failure, From};
use crate::base::panic::contained;
use crate::base::sync::held;
use crate::plan::{Delivery, Source};
use crate::policy::{Policy, Transience, unmark};

/// The prefix of a note about a failure that does not end the run.
pub(crate) const IT_FAILED: &str = "it failed: ";

impl Shared {
    /// `true` if a factory may start. Otherwise its final status is determined here.
    #[inline]
    pub(crate) fn may_begin(&self, node: usize) -> bool {
        let plain = self.configs.is_empty() && !self.has_failure.load(Ordering::Acquire);
        plain || self.may_begin_though(node)
    }

    /// The slow path of [`Shared::may_begin`].
    #[cold]
    fn may_begin_though(&self, node: usize) -> bool {
        let factory = &self.plan.factories[node];
        if let Some(config) = self.configs.get(node) {
            if !config.selected {
                self.left_out(node);
                return false;
            }
            if !config.enabled {
                self.release_all(node);
                self.note(node, "switched off in the settings".to_owned());
                self.skipped(node, None, Instant::now());
                return false;
            }
        }
        if self.has_failure.load(Ordering::Acquire) && !self.has_all(&factory.sources, factory.deliveries) {
            self.release_all(node);
            self.tell_not_run([node]);
            return false;
        }
        if let Some(other) = self.configs.get(node).and_then(|config| config.merged_into) {
            self.merged(node, other);
            return false;
        }
        true
    }

    /// Uses the output of an equal factory as the output of this one.
    fn merged(&self, node: usize, other: usize) {
        // The output is missing if the run was stopped in the meantime.
        let Some(output) = self.slot(Source::Factory(other)).and_then(Slot::share) else {
            return self.tell_not_run([node]);
        };
        let (name, other_name) = (&self.plan.factories[node].name, &self.plan.factories[other].name);
        self.slots[self.plan.inputs.len() + node].put(output);
        self.note(node, format!("as `{other_name}`"));
        self.emit(|| Event::Merged { factory: name, into: other_name });
        let rows = self.records[other].get().map_or(Rows::Unknown, |record| record.rows);
        let timing = Nanos::unfinished(self.started.elapsed(), std::time::Duration::ZERO);
        self.record(node, Record { status: Status::Merged, timing, rows, attempts: 0, delivered_by: 0 });
    }

    /// `true` if all required deliveries are available, although a factory has failed.
    pub(crate) fn has_all(&self, sources: &[Source], deliveries: &[Delivery]) -> bool {
        let is_there = |source: &Source, optional: bool| match *source {
            Source::Factory(above) => self.records[above].get().is_some_and(|record| match record.status {
                Status::Succeeded
                | Status::Restored
                | Status::Cached
                | Status::Merged
                | Status::NotSelected => true,
                Status::Skipped => optional,
                _ => false,
            }),
            Source::Input(_) | Source::Context => true,
        };
        sources.iter().zip(deliveries).all(|(source, delivery)| is_there(source, delivery.optional))
    }

    pub(crate) fn release_all(&self, node: usize) {
        let factory = &self.plan.factories[node];
        self.release(&factory.sources);
        if let Some(fallback) = &factory.fallback {
            self.release(&fallback.sources);
        }
    }

    pub(crate) fn left_out(&self, node: usize) {
        self.emit(|| Event::NotSelected { factory: &self.plan.factories[node].name });
        self.record(node, Record::without_run(Status::NotSelected));
    }

    /// Tells observers that these factories never start, except for those that have a final status.
    #[cold]
    pub(crate) fn tell_not_run(&self, nodes: impl IntoIterator<Item = usize>) {
        if self.observers.is_empty() {
            return;
        }
        let mut roots = None;
        for node in nodes {
            if self.has_ended(node) {
                continue;
            }
            let roots = roots.get_or_insert_with(|| {
                let records: Vec<_> = self.records().collect();
                failed_upstream(&self.plan, |node| records[node].map(|record| record.status))
            });
            let name = |node: usize| &*self.plan.factories[node].name;
            self.emit(|| Event::NotRun { factory: name(node), failed_upstream: roots[node].map(name) });
            // For this event only: to all others, a factory without a record never started.
            let _ = self.records[node].set(Record::without_run(Status::NotRun));
        }
    }

    #[inline]
    pub(crate) fn completed(&self, node: usize, completed: Completed) {
        let Completed { output, timing, rows, besides, .. } = completed;
        let name = &self.plan.factories[node].name;
        let (mut attempts, mut delivered_by, mut status) = (1, 1, Status::Succeeded);
        if let Some(besides) = besides {
            let Besides { undo, attempt, instead_of, earlier, .. } = *besides;
            (attempts, delivered_by) = (attempt, attempt);
            status = match earlier {
                None => Status::Succeeded,
                Some(From::Checkpoint) => Status::Restored,
                Some(From::Cache) => Status::Cached,
            };
            if let Some(undo) = undo {
                held(self.undone.lock()).push((node, undo));
            }
            if let Some(failure) = instead_of {
                // The attempts of the factory itself: the fallback has its own.
                attempts = failure.attempts;
                let by = self.plan.factories[node].fallback.as_ref().map_or("", |fallback| fallback.name);
                self.note(node, format!("by `{by}`, since {IT_FAILED}{}", failure.cause.line()));
                contained(|| drop(failure));
            }
        }
        self.slots[self.plan.inputs.len() + node].put(output);
        self.emit(|| match status {
            Status::Restored => Event::Restored { factory: name },
            Status::Cached => Event::Cached { factory: name },
            _ => Event::Finished { factory: name, total: timing.total(), rows: rows.known() },
        });
        self.record(node, Record { status, timing, rows, attempts, delivered_by });
    }

    pub(crate) fn skipped(&self, node: usize, failure: Option<Box<Failure>>, started: Instant) {
        let attempts = failure.as_ref().map_or(0, |failure| failure.attempts);
        match failure {
            Some(failure) => {
                self.note(node, format!("{IT_FAILED}{}", failure.cause.line()));
                contained(|| drop(failure));
            }
            // A factory that the settings switch off already has a note.
            None if self.configs.get(node).is_none_or(|config| config.enabled) => {
                self.note(node, "its condition does not hold".to_owned());
            }
            None => {}
        }
        self.ended_early(node, Status::Skipped, started, attempts);
        self.emit(|| Event::Skipped { factory: &self.plan.factories[node].name });
    }

    pub(crate) fn cancelled(&self, node: usize, started: Instant, attempts: u32) {
        self.ended_early(node, Status::Cancelled, started, attempts);
        self.emit(|| Event::Cancelled { factory: &self.plan.factories[node].name });
    }

    pub(crate) fn failed(&self, node: usize, failure: Failure, started: Instant) {
        let attempts = failure.attempts;
        if self.is_stopped() && self.hooks.at(Points::WAIT).any(|hook| hook.abandoned(node)) {
            // The query was not run any more, which is not a failure of the factory.
            return self.cancelled(node, started, attempts);
        }
        let error = self.error_of(node, failure);
        let name = &self.plan.factories[node].name;
        {
            let mut failures = held(self.failures.lock());
            // Cancelled work often ends with an error.
            let may_be_because_of_it = failures.is_empty() || self.keep_going;
            if may_be_because_of_it && self.linked && self.cancel.is_cancelled() {
                self.interrupted.store(true, Ordering::Release);
            }
            failures.push(error);
        }
        self.has_failure.store(true, Ordering::Release);
        self.ended_early(node, Status::Failed, started, attempts);
        if self.keep_going {
            self.emit(|| Event::Failed { factory: name });
            return;
        }
        // Nothing starts after the event, and factories that this failure cancels are reported after it.
        self.schedule.stop();
        self.emit(|| Event::Failed { factory: name });
        self.cancel.cancel();
    }

    /// Completes a failure with the names of the pipeline, the stage and the factory.
    pub(crate) fn error_of(&self, node: usize, failure: Failure) -> FactoryError {
        let Failure { phase, cause, attempts, no_time, fallback } = failure;
        let factory = &self.plan.factories[node];
        let says = |policy: &Policy| policy.or(&self.plan.defaults).retry.is_some();
        let fallback = fallback.map(|(name, failure)| {
            let says_of_retries = factory.fallback.as_ref().is_some_and(|fallback| says(fallback.policy));
            let error = self.error_of(node, *failure);
            Box::new(FactoryError { factory: name.to_owned(), says_of_retries, ..error })
        });
        let by_settings = self.configs.get(node).is_some_and(|config| config.policy.retry.is_some());
        let transient = self.class_of(&cause) == Transience::Transient;
        let cause = match cause {
            Cause::Error(error) => Cause::Error(unmark(error)),
            other => other,
        };
        FactoryError {
            pipeline: self.plan.pipeline.to_string(),
            stage: self.plan.stages[factory.stage].name.to_string(),
            factory: factory.name.to_string(),
            phase,
            attempts,
            cause,
            transient,
            fallback,
            says_of_retries: by_settings || says(factory.policy),
            no_time,
        }
    }

    fn ended_early(&self, node: usize, status: Status, started: Instant, attempts: u32) {
        let timing = Nanos::unfinished(started - self.started, started.elapsed());
        self.record(node, Record { status, timing, rows: Rows::Unknown, attempts, delivered_by: 0 });
    }

    #[inline]
    fn record(&self, node: usize, record: Record) {
        // Every node runs once.
        let _ = self.records[node].set(record);
        self.hooks.at(Points::ENDED).for_each(|hook| hook.ended(self, node, &record));
    }
}
