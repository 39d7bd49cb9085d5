//! Queries that the factories of a run wait for, gathered until nothing else can go on, and then run together.
//!
//! A factory that collects a dataset, or saves it, waits here. What others collect meanwhile comes to the same batch, so that
//! it is seen which parts of their queries are the same. A batch is run when it cannot grow any more: all factories that are
//! in progress wait for it, and none is ready. Where one of them waits for something else, or computes, the batch does not
//! wait for it longer than a moment.
//!
//! Each goes on as soon as its own query is done, unless there is a limit of memory. The time that it waits for the queries of
//! others is not its own: it does not count against its timeout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::blocking::BlockingPool;
use super::current::Current;
use super::shared::Shared;
use crate::base::sync::held;
use crate::optimize::queries::{self, Answer, Asker, Explained, Fault, Origins, Query};
use crate::optimize::{Optimizer, Pass};

/// The queries of a run that wait.
pub(crate) struct Gather {
    optimizer: Optimizer,
    /// That of the run: who waits may be on a thread that belongs to none.
    runtime: Handle,
    state: Mutex<State>,
    /// The lazy outputs that factories have delivered.
    origins: Mutex<Origins>,
    /// Where batches are run: the run does not end before they are.
    pool: BlockingPool,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Of each factory, its queries that have no answer yet, and whether the schedule knows that it waits.
    factories: BTreeMap<usize, Outstanding>,
    /// How long each has waited for the queries of others.
    waited: BTreeMap<usize, Duration>,
    /// Those whose queries were not run, since the run came to its end.
    ended: BTreeSet<usize>,
    /// Threads for blocking work whose factory waits here.
    threads: usize,
    /// Counts batches, so that who waits for one knows whether it has gone.
    batch: u64,
    next: u64,
    explained: Vec<Explained>,
}

#[derive(Default)]
struct Outstanding {
    queries: Vec<u64>,
    known: bool,
    /// Those of them that are being run.
    begun: Vec<u64>,
    /// Since when none is.
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
    /// None where each query is run by itself: under a limit of memory it never is.
    pub(super) fn of(optimizer: &Optimizer, is_limited: bool) -> Option<Box<Self>> {
        let gathers = is_limited || optimizer.has(Pass::Gather);
        let runtime = Handle::try_current().ok().filter(|_| gathers)?;
        // Who has an answer already may ask for something else, and is not to wait for all that is run.
        let batches = if is_limited || optimizer.runs_one_by_one() { 1 } else { 2 };
        let pool = BlockingPool::new(Some(batches), None);
        Some(Box::new(Self {
            optimizer: optimizer.clone(),
            runtime,
            state: Mutex::default(),
            origins: Mutex::default(),
            pool,
        }))
    }

    /// Waits until no batch is run any more.
    pub(super) async fn idle(&self) {
        self.pool.idle().await;
    }

    /// How long a factory has waited for the queries of others, until now.
    pub(super) fn waited(&self, node: usize) -> Duration {
        let state = held(self.state.lock());
        let now = state.factories.get(&node).and_then(|outstanding| outstanding.waits);
        state.waited.get(&node).copied().unwrap_or_default()
            + now.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Whether a factory has waited for the queries of others.
    pub(super) fn has_waited(&self) -> bool {
        !held(self.state.lock()).waited.is_empty()
    }

    /// Whether a query of this factory was not run, since the run came to its end.
    pub(super) fn has_ended(&self, node: usize) -> bool {
        held(self.state.lock()).ended.contains(&node)
    }

    /// The factories in whose queries each lazy output was computed, as far as that can be told.
    pub(super) fn computed(&self) -> BTreeMap<usize, BTreeSet<usize>> {
        held(self.origins.lock()).computed().clone()
    }

    /// What was decided about the batches that have been run.
    pub(super) fn take_explained(&self) -> Vec<Explained> {
        std::mem::take(&mut held(self.state.lock()).explained)
    }
}

/// The factory that this thread works for delivers a query that is not run yet.
pub(crate) fn delivers(query: &Query) {
    let Some(current) = Current::get() else { return };
    if let Some(gather) = &current.shared.gather {
        held(gather.origins.lock()).delivers(current.owner.node, query);
    }
}

/// Runs a query of the factory that this thread works for, together with those of other factories of its run; gives it back
/// where there is no such run, or its optimiser leaves queries alone.
pub(crate) async fn gathered(query: Query) -> Result<Result<Answer, Fault>, Box<Query>> {
    let Some(current) = Current::get() else { return Err(Box::new(query)) };
    if current.shared.gather.is_none() || current.shared.is_stopped() {
        return Err(Box::new(query));
    }
    let shared = Arc::clone(&current.shared);
    let mut ticket = enter(&current, query);
    if super::blocking::is_inside() {
        // Nobody looks after a future that is polled here.
        settle(&shared, current.owner.node, false);
    }
    Ok(ticket.answer().await)
}

/// As [`gathered`], on a thread for blocking work, which waits.
pub(crate) fn gathered_blocking(query: Query) -> Result<Result<Answer, Fault>, Box<Query>> {
    if !super::blocking::is_inside() {
        return Err(Box::new(query));
    }
    let Some(current) = Current::get() else { return Err(Box::new(query)) };
    let shared = Arc::clone(&current.shared);
    let Some(gather) = shared.gather.as_ref().filter(|_| !shared.is_stopped()) else {
        return Err(Box::new(query));
    };
    let mut ticket = enter(&current, query);
    held(gather.state.lock()).threads += 1;
    settle(&shared, current.owner.node, true);
    let (sender, receiver) = std::sync::mpsc::channel();
    let cancel = shared.cancel.clone();
    // This thread may be one that the runtime polls a factory on, where nothing else can be waited for.
    gather.runtime.spawn(async move {
        let answer = tokio::select! {
            biased;
            answer = ticket.answer() => answer,
            () = cancel.cancelled() => ticket.ended(),
        };
        drop(ticket);
        // It waits for as long as it takes.
        let _ = sender.send(answer);
    });
    let answer = receiver.recv().unwrap_or(Err(Fault::Ended));
    held(gather.state.lock()).threads -= 1;
    Ok(answer)
}

/// Lets a query wait.
fn enter(current: &Current, query: Query) -> Ticket {
    let (answer, receiver) = oneshot::channel();
    let node = current.owner.node;
    let shared = Arc::clone(&current.shared);
    super::learn::waits(&shared, node);
    let mut id = 0;
    let mut first = None;
    if let Some(gather) = &shared.gather {
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

/// Runs a batch when this time is over, if it has not been run before.
fn run_after(shared: Arc<Shared>, batch: u64, longest: Duration) {
    let Some(runtime) = shared.gather.as_ref().map(|gather| gather.runtime.clone()) else { return };
    runtime.spawn(async move {
        tokio::time::sleep(longest).await;
        let is_there = shared.gather.as_ref().is_some_and(|gather| held(gather.state.lock()).batch == batch);
        if is_there {
            run_batch(&shared);
        }
    });
}

/// A factory has been polled, and does not go on: if it waits for queries, the schedule is to know, and the batch is run
/// if nobody is left who could add to it.
pub(super) fn settle(shared: &Arc<Shared>, node: usize, blocks: bool) {
    let Some(gather) = &shared.gather else { return };
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

/// Runs what waits, on a thread of its own.
pub(super) fn run_batch(shared: &Arc<Shared>) {
    let Some(gather) = &shared.gather else { return };
    let batch = {
        let mut state = held(gather.state.lock());
        state.batch += 1;
        std::mem::take(&mut state.waiting)
    };
    if batch.is_empty() || shared.is_stopped() {
        // Who waits learns that nobody answers.
        return;
    }
    let runtime = gather.runtime.clone();
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        let Some(gather) = &shared.gather else { return };
        let of_run = Arc::clone(&shared);
        gather.pool.run(move || answer(&of_run, batch)).await;
    });
}

fn answer(shared: &Shared, batch: Vec<Waiting>) {
    let Some(gather) = &shared.gather else { return };
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
        queries::run(&gather.optimizer, shared.advisor(), queries, shared.memory.as_deref(), &batch);
    explained.wall = began.elapsed();
    held(gather.state.lock()).explained.push(explained);
    batch.end();
}

/// Those who wait for the queries of a batch.
struct Batch<'run> {
    shared: &'run Shared,
    gather: &'run Gather,
    askers: Vec<(u64, usize, Mutex<Option<Sender>>)>,
    /// Answers that are not given before all are there.
    later: Mutex<Vec<(usize, Result<Answer, Fault>)>>,
}

impl Batch<'_> {
    fn give(&self, query: usize, answer: Result<Answer, Fault>) {
        let (id, node, sender) = &self.askers[query];
        // Who goes on is busy from now on, and not only when it has noticed.
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
        if self.shared.memory.is_none() {
            return self.give(query, answer);
        }
        // Under a limit of memory, nobody computes beside a query what nobody has counted.
        let (id, node, _) = &self.askers[query];
        held(self.gather.state.lock()).ran(*node, *id);
        held(self.later.lock()).push((query, answer));
    }
}

impl State {
    /// A query is run from now on.
    fn begins(&mut self, node: usize, id: u64) {
        let Some(outstanding) = self.factories.get_mut(&node) else { return };
        if outstanding.queries.contains(&id) {
            outstanding.begun.push(id);
            let waited = outstanding.waits.take().map(|since| since.elapsed());
            *self.waited.entry(node).or_default() += waited.unwrap_or_default();
        }
    }

    /// A query has been run, whose answer is given later.
    fn ran(&mut self, node: usize, id: u64) {
        let Some(outstanding) = self.factories.get_mut(&node) else { return };
        outstanding.begun.retain(|query| *query != id);
        if outstanding.begun.is_empty() {
            outstanding.waits.get_or_insert_with(Instant::now);
        }
    }

    /// Counts a query as answered, if it was not.
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

/// A query that waits, or is run.
struct Ticket {
    shared: Arc<Shared>,
    node: usize,
    id: u64,
    receiver: oneshot::Receiver<Result<Answer, Fault>>,
}

impl Ticket {
    /// There will be no answer.
    fn ended(&self) -> Result<Answer, Fault> {
        if let Some(gather) = &self.shared.gather {
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
    /// The factory has its answer, or does not want it any more.
    fn drop(&mut self) {
        let Some(gather) = &self.shared.gather else { return };
        super::learn::goes_on(&self.shared, self.node);
        let mut state = held(gather.state.lock());
        state.waiting.retain(|waiting| waiting.id != self.id);
        state.answered(&self.shared, self.node, self.id);
    }
}
