//! Collects the queries for which the factories of a run wait until no factory can proceed, and then runs them together.
//!
//! A factory that collects or saves a dataset waits here. Queries of other factories join the same batch, so that equal parts of
//! them are found. A batch is run when it cannot grow any more: all running factories wait for it, and none is ready. If a
//! running factory waits for something else, or computes, the batch waits for it only for a limited time.
//!
//! Each factory resumes as soon as its own query is done, unless there is a memory limit. The time that it waits for the queries
//! of others does not count against its timeout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::base::sync::held;
use crate::memory::Memory;
use crate::optimize::together::QueriesSection;
use crate::optimize::{GathersQueries, Optimizer, Pass};
use crate::queries::{self, Answer, Asker, Explained, Fault, Origins, Query};
use crate::run::blocking::BlockingPool;
use crate::run::current::Current;
use crate::run::extension::Extension;
use crate::run::hook::{BoxFutureOf, Hook, Points, find};
use crate::run::report::Report;
use crate::run::request::Request;
use crate::run::run_plan::RunPlan;
use crate::run::shared::Shared;
use setl_learn::advisor::Advisor;

/// The waiting queries of a run.
pub(crate) struct Gather {
    optimizer: Optimizer,
    /// The runtime of the run: a query may come from a thread that belongs to no runtime.
    runtime: Handle,
    state: Mutex<State>,
    /// The lazy outputs that factories have delivered.
    origins: Mutex<Origins>,
    /// The pool that runs batches: the run does not end before they have ended.
    pool: BlockingPool,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// For each factory, its queries without a result, and `known` if the schedule knows that it waits.
    factories: BTreeMap<usize, Outstanding>,
    /// The time that each factory has waited for the queries of others.
    waited: BTreeMap<usize, Duration>,
    /// The factories whose queries were not run because the run ended.
    ended: BTreeSet<usize>,
    /// The number of blocking threads whose factory waits here.
    threads: usize,
    /// The number of batches so far, by which a waiting task recognises whether its batch has started.
    batch: u64,
    next: u64,
    explained: Vec<Explained>,
}

#[derive(Default)]
struct Outstanding {
    queries: Vec<u64>,
    known: bool,
    /// The queries among them that are running.
    begun: Vec<u64>,
    /// The time since which none of them is running.
    waits: Option<Instant>,
}

struct Waiting {
    id: u64,
    node: usize,
    query: Query,
    answer: Sender,
}

type Sender = oneshot::Sender<Result<Answer, Fault>>;

impl Gather {
    /// `None` if each query is run on its own. This never happens under a memory limit.
    fn of(optimizer: &Optimizer, is_limited: bool) -> Option<Self> {
        let gathers = is_limited || optimizer.has(Pass::Gather);
        let runtime = Handle::try_current().ok().filter(|_| gathers)?;
        // A factory that has its result may ask for another query, and must not wait for the rest of the batch.
        let batches = if is_limited || optimizer.runs_one_by_one() { 1 } else { 2 };
        Some(Self {
            optimizer: optimizer.clone(),
            runtime,
            state: Mutex::default(),
            origins: Mutex::default(),
            pool: BlockingPool::new(Some(batches), None),
        })
    }

    /// `true` if any factory has waited for the queries of others.
    fn has_waited(&self) -> bool {
        !held(self.state.lock()).waited.is_empty()
    }
}

/// Gathering of queries, as an extension.
pub(crate) struct Gathering;

impl Extension for Gathering {
    fn prepare(&self, plan: &mut RunPlan, _: &Request) -> Result<(), Vec<String>> {
        plan.options.set(GathersQueries);
        Ok(())
    }

    fn attach(&self, plan: &mut RunPlan) {
        let Some(optimizer) = plan.options.get::<Optimizer>() else { return };
        if let Some(gather) = Gather::of(optimizer, find::<Memory>(&plan.hooks).is_some()) {
            plan.hooks.push(Box::new(gather));
        }
    }
}

impl Hook for Gather {
    fn points(&self) -> Points {
        Points::WAIT
    }

    fn parked(&self, run: &Arc<Shared>, node: usize) {
        settle(run, node, false);
    }

    fn stalled(&self, run: &Arc<Shared>) {
        run_batch(run);
    }

    fn waited(&self, node: usize) -> Duration {
        let state = held(self.state.lock());
        let now = state.factories.get(&node).and_then(|outstanding| outstanding.waits);
        state.waited.get(&node).copied().unwrap_or_default()
            + now.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn abandoned(&self, node: usize) -> bool {
        held(self.state.lock()).ended.contains(&node)
    }

    fn idle(&self) -> BoxFutureOf<'_, ()> {
        Box::pin(self.pool.idle())
    }

    fn report(&self, run: &Shared, report: &mut Report) {
        if self.has_waited() {
            report.waiting = (0..run.plan.factories.len()).map(|node| self.waited(node)).collect();
        }
        report.computed.clone_from(held(self.origins.lock()).computed());
        report.add(QueriesSection(std::mem::take(&mut held(self.state.lock()).explained)));
    }
}

/// Records that the current factory delivers a query that has not run yet.
pub(crate) fn delivers(query: &Query) {
    let Some(current) = Current::get() else { return };
    if let Some(gather) = current.shared.hook::<Gather>() {
        held(gather.origins.lock()).delivers(current.owner.node, query);
    }
}

/// Runs a query of the current factory together with those of other factories of its run. Returns the query if there is no
/// current run, or if its optimiser does not gather queries.
pub(crate) async fn gathered(query: Query) -> Result<Result<Answer, Fault>, Box<Query>> {
    let Some(current) = Current::get() else { return Err(Box::new(query)) };
    if current.shared.hook::<Gather>().is_none() || current.shared.is_stopped() {
        return Err(Box::new(query));
    }
    let shared = Arc::clone(&current.shared);
    let mut ticket = enter(&current, query);
    if crate::run::blocking::is_inside() {
        // The executor does not see a future that is polled here.
        settle(&shared, current.owner.node, false);
    }
    Ok(ticket.answer().await)
}

/// Does the same as [`gathered`] on a thread for blocking work, which waits.
pub(crate) fn gathered_blocking(query: Query) -> Result<Result<Answer, Fault>, Box<Query>> {
    if !crate::run::blocking::is_inside() {
        return Err(Box::new(query));
    }
    let Some(current) = Current::get() else { return Err(Box::new(query)) };
    let shared = Arc::clone(&current.shared);
    let Some(gather) = shared.hook::<Gather>().filter(|_| !shared.is_stopped()) else {
        return Err(Box::new(query));
    };
    let mut ticket = enter(&current, query);
    held(gather.state.lock()).threads += 1;
    settle(&shared, current.owner.node, true);
    let (sender, receiver) = std::sync::mpsc::channel();
    let cancel = shared.cancel.clone();
    // The runtime may be polling a factory on this thread, where nothing else can be awaited.
    gather.runtime.spawn(async move {
        let answer = tokio::select! {
            biased;
            answer = ticket.answer() => answer,
            () = cancel.cancelled() => ticket.ended(),
        };
        drop(ticket);
        // The receiver waits without a time limit.
        let _ = sender.send(answer);
    });
    let answer = receiver.recv().unwrap_or(Err(Fault::Ended));
    held(gather.state.lock()).threads -= 1;
    Ok(answer)
}

/// Adds a query to the waiting ones.
fn enter(current: &Current, query: Query) -> Ticket {
    let (answer, receiver) = oneshot::channel();
    let node = current.owner.node;
    let shared = Arc::clone(&current.shared);
    shared.hooks.at(Points::MEASURE).for_each(|hook| hook.waits(node));
    let mut id = 0;
    let mut first = None;
    if let Some(gather) = shared.hook::<Gather>() {
        let mut state = held(gather.state.lock());
        id = state.next;
        state.next += 1;
        first = state.waiting.is_empty().then_some((state.batch, gather.optimizer.longest_wait()));
        let outstanding = state.factories.entry(node).or_default();
        outstanding.queries.push(id);
        if outstanding.begun.is_empty() {
            outstanding.waits.get_or_insert_with(Instant::now);
        }
        state.waiting.push(Waiting { id, node, query, answer });
    }
    if let Some((batch, longest)) = first {
        run_after(Arc::clone(&shared), batch, longest);
    }
    Ticket { shared, node, id, receiver }
}

/// Runs a batch after this time, if it has not started before.
fn run_after(shared: Arc<Shared>, batch: u64, longest: Duration) {
    let Some(runtime) = shared.hook::<Gather>().map(|gather| gather.runtime.clone()) else { return };
    runtime.spawn(async move {
        tokio::time::sleep(longest).await;
        let is_there = shared.hook::<Gather>().is_some_and(|gather| held(gather.state.lock()).batch == batch);
        if is_there {
            run_batch(&shared);
        }
    });
}

/// Is called after a factory was polled and is pending. If the factory waits for queries, the schedule is informed, and the batch
/// is run if no factory is left that could add to it.
fn settle(shared: &Arc<Shared>, node: usize, blocks: bool) {
    let Some(gather) = shared.hook::<Gather>() else { return };
    let mut state = held(gather.state.lock());
    let Some(outstanding) = state.factories.get_mut(&node) else { return };
    if outstanding.known {
        return;
    }
    outstanding.known = true;
    let no_threads = blocks && state.threads >= shared.pool.size();
    drop(state);
    if shared.schedule.wait() || no_threads {
        run_batch(shared);
    }
}

/// Runs the waiting queries on a separate thread.
fn run_batch(shared: &Arc<Shared>) {
    let Some(gather) = shared.hook::<Gather>() else { return };
    let batch = {
        let mut state = held(gather.state.lock());
        state.batch += 1;
        std::mem::take(&mut state.waiting)
    };
    if batch.is_empty() || shared.is_stopped() {
        // The waiting factories learn that there is no result.
        return;
    }
    let runtime = gather.runtime.clone();
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        let Some(gather) = shared.hook::<Gather>() else { return };
        let of_run = Arc::clone(&shared);
        gather.pool.run(move || answer(&of_run, batch)).await;
    });
}

fn answer(shared: &Shared, batch: Vec<Waiting>) {
    let Some(gather) = shared.hook::<Gather>() else { return };
    if shared.is_stopped() {
        return;
    }
    let mut askers = Vec::with_capacity(batch.len());
    let mut queries = Vec::with_capacity(batch.len());
    for Waiting { id, node, query, answer } in batch {
        askers.push((id, node, Mutex::new(Some(answer))));
        queries.push((&*shared.plan.factories[node].name, query));
    }
    {
        let mut origins = held(gather.origins.lock());
        askers.iter().zip(&queries).for_each(|((_, node, _), (_, query))| origins.runs(*node, query));
    }
    let began = Instant::now();
    let batch = Batch { shared, gather, askers, later: Mutex::default() };
    let mut explained =
        queries::run(&gather.optimizer, advisor(shared), queries, shared.hook::<Memory>(), &batch);
    explained.wall = began.elapsed();
    held(gather.state.lock()).explained.push(explained);
    batch.end();
}

/// The evidence of earlier runs about queries, if there is any.
fn advisor(run: &Shared) -> Option<&Advisor> {
    run.hooks.at(Points::MEASURE).find_map(|hook| hook.advice()?.downcast_ref())
}

/// The factories that wait for the queries of a batch.
struct Batch<'run> {
    shared: &'run Shared,
    gather: &'run Gather,
    askers: Vec<(u64, usize, Mutex<Option<Sender>>)>,
    /// Results that are held back until the whole batch has ended.
    later: Mutex<Vec<(usize, Result<Answer, Fault>)>>,
}

impl Batch<'_> {
    fn give(&self, query: usize, answer: Result<Answer, Fault>) {
        let (id, node, sender) = &self.askers[query];
        // The factory counts as busy from now on, even before it has noticed its result.
        held(self.gather.state.lock()).answered(self.shared, *node, *id);
        if let Some(sender) = held(sender.lock()).take() {
            // The factory may have ended meanwhile.
            let _ = sender.send(answer);
        }
    }

    fn end(self) {
        let later = std::mem::take(&mut *held(self.later.lock()));
        later.into_iter().for_each(|(query, answer)| self.give(query, answer));
    }
}

impl Asker for Batch<'_> {
    fn is_stopped(&self) -> bool {
        self.shared.is_stopped()
    }

    fn origin(&self, part: &[u8; 32]) -> Option<(String, bool)> {
        let (factory, is_whole) = held(self.gather.origins.lock()).of(part)?;
        Some((self.shared.plan.factories[factory].name.to_string(), is_whole))
    }

    fn begins(&self, query: usize) {
        self.shared.threads.add_this();
        let (id, node, _) = &self.askers[query];
        held(self.gather.state.lock()).begins(*node, *id);
    }

    fn answers(&self, query: usize, answer: Result<Answer, Fault>) {
        if self.shared.hook::<Memory>().is_none() {
            return self.give(query, answer);
        }
        // Under a memory limit, no factory may compute while other queries run, because its memory is not accounted for.
        let (id, node, _) = &self.askers[query];
        held(self.gather.state.lock()).ran(*node, *id);
        held(self.later.lock()).push((query, answer));
    }
}

impl State {
    /// Records that a query starts.
    fn begins(&mut self, node: usize, id: u64) {
        let Some(outstanding) = self.factories.get_mut(&node) else { return };
        if outstanding.queries.contains(&id) {
            outstanding.begun.push(id);
            let waited = outstanding.waits.take().map(|since| since.elapsed());
            *self.waited.entry(node).or_default() += waited.unwrap_or_default();
        }
    }

    /// Records that a query has run, while its result is held back.
    fn ran(&mut self, node: usize, id: u64) {
        let Some(outstanding) = self.factories.get_mut(&node) else { return };
        outstanding.begun.retain(|query| *query != id);
        if outstanding.begun.is_empty() {
            outstanding.waits.get_or_insert_with(Instant::now);
        }
    }

    /// Records that a query has its result. Does nothing if it already had one.
    fn answered(&mut self, shared: &Shared, node: usize, id: u64) {
        let Some(outstanding) = self.factories.get_mut(&node) else { return };
        outstanding.queries.retain(|query| *query != id);
        outstanding.begun.retain(|query| *query != id);
        if outstanding.queries.is_empty() {
            let waited = outstanding.waits.take().map(|since| since.elapsed());
            *self.waited.entry(node).or_default() += waited.unwrap_or_default();
        } else if outstanding.begun.is_empty() {
            outstanding.waits.get_or_insert_with(Instant::now);
        }
        if outstanding.queries.is_empty() && self.factories.remove(&node).is_some_and(|all| all.known) {
            shared.schedule.go_on();
        }
    }
}

/// A query that waits or runs.
struct Ticket {
    shared: Arc<Shared>,
    node: usize,
    id: u64,
    receiver: oneshot::Receiver<Result<Answer, Fault>>,
}

impl Ticket {
    /// Records that there will be no result.
    fn ended(&self) -> Result<Answer, Fault> {
        if let Some(gather) = self.shared.hook::<Gather>() {
            held(gather.state.lock()).ended.insert(self.node);
        }
        Err(Fault::Ended)
    }

    async fn answer(&mut self) -> Result<Answer, Fault> {
        match (&mut self.receiver).await {
            Ok(Err(Fault::Ended)) | Err(_) => self.ended(),
            Ok(answer) => answer,
        }
    }
}

impl Drop for Ticket {
    /// Records that the factory has its result, or no longer wants it.
    fn drop(&mut self) {
        let Some(gather) = self.shared.hook::<Gather>() else { return };
        self.shared.hooks.at(Points::MEASURE).for_each(|hook| hook.resumes(self.node));
        let mut state = held(gather.state.lock());
        state.waiting.retain(|waiting| waiting.id != self.id);
        state.answered(&self.shared, self.node, self.id);
    }
}
