//! Random pipelines against a reference that computes one factory after another.
//!
//! Up to 200 factories with up to four deliveries each, asynchronous and blocking, that take by value and share, in
//! stages with and without options, under random bounds; with errors, panics and cancellations at random places.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use proptest::prelude::*;
use setl::plan::dynamic::{Builder, Wiring};
use setl::prelude::*;
use setl::run::{Cause, Report, RunStatus, Status};
use setl::{CancellationToken, Error, RunError};
use setl_tests::{
    Latch, Ledger, Log, Meter, Parcel, Seen, finished, not_run, runtime, started, until, watched,
};

/// How a factory ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Delivers,
    Fails,
    Panics,
    /// Cancels the run, and delivers.
    Cancels,
}

/// One factory.
#[derive(Clone, Debug)]
struct Node {
    blocking: bool,
    /// How often it gives way.
    yields: usize,
    end: End,
    /// By position; all come before it.
    sources: Vec<usize>,
    /// How many of the sources it takes by value; it shares the rest.
    owned: usize,
    kept: bool,
}

#[derive(Clone, Debug)]
struct StageOf {
    factories: usize,
    barrier: bool,
    sequential: bool,
}

/// A pipeline and how to run it.
#[derive(Clone, Debug)]
struct Case {
    nodes: Vec<Node>,
    /// Without them, all factories are in one stage, in the opposite order.
    stages: Vec<StageOf>,
    concurrency: Option<usize>,
    blocking_threads: usize,
    threads: usize,
    /// Cancels the run when so many events have been seen.
    cancel_at: Option<usize>,
}

/// What all factories of a run share.
struct World {
    nodes: Vec<Node>,
    runs: Vec<AtomicUsize>,
    /// What each came to; zero if it did not.
    values: Vec<AtomicU64>,
    all: Meter,
    blocking: Meter,
    token: CancellationToken,
    ledger: Arc<Ledger>,
}

fn combine(node: usize, sources: &[u64]) -> u64 {
    sources.iter().fold(node as u64 + 1, |value, source| value.wrapping_mul(31).wrapping_add(*source) | 1)
}

impl World {
    fn begin(&self, context: &Context) -> usize {
        let node: usize = context.factory().parse().unwrap();
        self.runs[node].fetch_add(1, Ordering::SeqCst);
        node
    }

    fn end(&self, node: usize, sources: &[u64]) -> Result<Parcel> {
        match self.nodes[node].end {
            End::Fails => return Err(Error::msg("injected")),
            // Without the hook, which would print it.
            End::Panics => std::panic::resume_unwind(Box::new("injected")),
            End::Cancels => self.token.cancel(),
            End::Delivers => {}
        }
        let value = combine(node, sources);
        self.values[node].store(value, Ordering::SeqCst);
        Ok(self.ledger.parcel(value, 1))
    }
}

/// Factories of every kind, and how to list one of them.
macro_rules! factories {
    ($($asynchronous:ident $blocking:ident ($owned_count:literal, $shared_count:literal): $($owned:ident)* | $($shared:ident)*;)*) => {
        $(
            #[factory]
            async fn $asynchronous(
                world: Arc<World>,
                context: Context,
                $($owned: Parcel,)*
                $(#[delivery(shared)] $shared: Arc<Parcel>,)*
            ) -> Result<Parcel> {
                let _inside = world.all.enter();
                let node = world.begin(&context);
                for _ in 0..world.nodes[node].yields {
                    tokio::task::yield_now().await;
                }
                world.end(node, &[$($owned.value,)* $($shared.value,)*])
            }

            #[factory]
            fn $blocking(
                world: Arc<World>,
                context: Context,
                $($owned: Parcel,)*
                $(#[delivery(shared)] $shared: Arc<Parcel>,)*
            ) -> Result<Parcel> {
                let (_inside, _blocking) = (world.all.enter(), world.blocking.enter());
                let node = world.begin(&context);
                for _ in 0..world.nodes[node].yields {
                    std::thread::yield_now();
                }
                world.end(node, &[$($owned.value,)* $($shared.value,)*])
            }
        )*

        fn list(builder: Builder, index: usize, node: &Node) -> Builder {
            let name = index.to_string();
            let wire = |mut wiring: Wiring| {
                // Deliveries are called `o0`, `o1`, …, `s0`, `s1`, ….
                for (at, source) in node.sources.iter().enumerate() {
                    let (kind, at) = if at < node.owned { ("o", at) } else { ("s", at - node.owned) };
                    wiring = wiring.take(format!("{kind}{at}"), source.to_string());
                }
                wiring
            };
            match (node.blocking, node.owned, node.sources.len() - node.owned) {
                $(
                    (false, $owned_count, $shared_count) => builder.factory_named::<$asynchronous>(name, wire),
                    (true, $owned_count, $shared_count) => builder.factory_named::<$blocking>(name, wire),
                )*
                kind => unreachable!("no factory is {kind:?}"),
            }
        }
    };
}

factories! {
    async_0_0 blocking_0_0 (0, 0): |;
    async_0_1 blocking_0_1 (0, 1): | s0;
    async_0_2 blocking_0_2 (0, 2): | s0 s1;
    async_0_3 blocking_0_3 (0, 3): | s0 s1 s2;
    async_0_4 blocking_0_4 (0, 4): | s0 s1 s2 s3;
    async_1_0 blocking_1_0 (1, 0): o0 |;
    async_1_1 blocking_1_1 (1, 1): o0 | s0;
    async_1_2 blocking_1_2 (1, 2): o0 | s0 s1;
    async_1_3 blocking_1_3 (1, 3): o0 | s0 s1 s2;
    async_2_0 blocking_2_0 (2, 0): o0 o1 |;
    async_2_1 blocking_2_1 (2, 1): o0 o1 | s0;
    async_2_2 blocking_2_2 (2, 2): o0 o1 | s0 s1;
    async_3_0 blocking_3_0 (3, 0): o0 o1 o2 |;
    async_3_1 blocking_3_1 (3, 1): o0 o1 o2 | s0;
    async_4_0 blocking_4_0 (4, 0): o0 o1 o2 o3 |;
}

/// How likely it is that something goes wrong.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Good,
    Bad,
    Awful,
}

fn node(mood: Mood) -> impl Strategy<Value = (Node, [prop::sample::Index; 4])> {
    let wrong = match mood {
        Mood::Good => 0,
        Mood::Bad => 1,
        Mood::Awful => 15,
    };
    let end = prop_oneof![
        100 => Just(End::Delivers),
        wrong => Just(End::Fails),
        wrong => Just(End::Panics),
        wrong => Just(End::Cancels),
    ];
    let sources = (any::<[prop::sample::Index; 4]>(), 0..=4usize, 0..=4usize);
    (prop::bool::weighted(0.3), 0..4usize, end, sources, prop::bool::weighted(0.1)).prop_map(
        |(blocking, yields, end, (picks, taken, owned), kept)| {
            let node = Node { blocking, yields, end, sources: vec![0; taken], owned: owned.min(taken), kept };
            (node, picks)
        },
    )
}

/// Takers come at most `reach` after what they take: with a small one, pipelines are long, else they are broad.
fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let mood = prop_oneof![2 => Just(Mood::Good), 1 => Just(Mood::Bad), 1 => Just(Mood::Awful)];
    let size = prop_oneof![1..10usize, 10..60usize, 60..=200usize];
    let reach = prop_oneof![1..4usize, 4..20usize, Just(200usize)];
    let drafts =
        (mood, size).prop_flat_map(|(mood, size)| prop::collection::vec(node(mood), size.div_ceil(2)..=size));
    (drafts, reach).prop_map(|(drafts, reach)| {
        let mut nodes = Vec::with_capacity(drafts.len());
        for (index, (mut node, picks)) in drafts.into_iter().enumerate() {
            if index == 0 {
                node.sources.clear();
                node.owned = 0;
            }
            for (source, pick) in node.sources.iter_mut().zip(picks) {
                *source = index - 1 - pick.index(index.min(reach));
            }
            nodes.push(node);
        }
        nodes
    })
}

fn stages() -> impl Strategy<Value = Vec<StageOf>> {
    let stage = (1..40usize, prop::bool::weighted(0.3), prop::bool::weighted(0.2))
        .prop_map(|(factories, barrier, sequential)| StageOf { factories, barrier, sequential });
    prop_oneof![Just(Vec::new()), prop::collection::vec(stage, 1..8)]
}

fn case() -> impl Strategy<Value = Case> {
    (
        nodes(),
        stages(),
        prop::option::of(1..6usize),
        1..5usize,
        prop_oneof![Just(1), Just(4)],
        prop::option::weighted(0.2, 0..100usize),
    )
        .prop_map(|(nodes, stages, concurrency, blocking_threads, threads, cancel_at)| Case {
            nodes,
            stages,
            concurrency,
            blocking_threads,
            threads,
            cancel_at,
        })
}

impl Case {
    /// The value of every factory, computed one after another.
    fn reference(&self) -> Vec<u64> {
        let mut values: Vec<u64> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let sources: Vec<_> = node.sources.iter().map(|source| values[*source]).collect();
            values.push(combine(index, &sources));
        }
        values
    }

    fn world(&self) -> World {
        World {
            runs: self.nodes.iter().map(|_| AtomicUsize::new(0)).collect(),
            values: self.nodes.iter().map(|_| AtomicU64::new(0)).collect(),
            nodes: self.nodes.clone(),
            all: Meter::default(),
            blocking: Meter::default(),
            token: CancellationToken::new(),
            ledger: Arc::default(),
        }
    }

    /// The stage of each factory, where there are stages.
    fn stage_of(&self, node: usize) -> Option<usize> {
        let mut end = 0;
        let fits = self.stages.iter().position(|stage| {
            end += stage.factories;
            node < end
        });
        fits.or(self.stages.len().checked_sub(1))
    }

    fn pipeline(&self, world: &Arc<World>) -> Pipeline {
        let mut builder = Pipeline::builder("random").input("world", Arc::clone(world));
        if self.stages.is_empty() {
            builder = builder.stage("all");
            for (index, node) in self.nodes.iter().enumerate().rev() {
                builder = list(builder, index, node);
            }
        }
        for (at, stage) in self.stages.iter().enumerate() {
            builder = builder.stage(at.to_string());
            if stage.barrier {
                builder = builder.barrier();
            }
            if stage.sequential {
                builder = builder.sequential();
            }
            for (index, node) in self.nodes.iter().enumerate() {
                if self.stage_of(index) == Some(at) {
                    builder = list(builder, index, node);
                }
            }
        }
        for (index, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.kept) {
            builder = builder.keep(index.to_string());
        }
        builder.build().unwrap()
    }

    fn goes_well(&self) -> bool {
        self.cancel_at.is_none() && self.nodes.iter().all(|node| node.end == End::Delivers)
    }

    /// What holds of every run, however it ends.
    fn check_world(&self, world: &World, log: &Log) {
        let reference = self.reference();
        for (node, expected) in reference.into_iter().enumerate() {
            assert!(world.runs[node].load(Ordering::SeqCst) <= 1, "{node} ran twice");
            let value = world.values[node].load(Ordering::SeqCst);
            assert!(value == 0 || value == expected, "{node} is {value}, not {expected}");
        }
        assert!(world.all.most() <= self.concurrency.unwrap_or(usize::MAX));
        assert!(world.blocking.most() <= self.blocking_threads);
        self.check_events(&log.all());
        self.check_ends(&log.all());
    }

    /// There is one event at the start of the run, one at its end, and between them one at the end of each factory.
    fn check_ends(&self, events: &[Seen]) {
        let [Seen::RunStarted(factories), between @ .., Seen::RunEnded(_)] = events else {
            panic!("an event is missing: {events:?}");
        };
        assert_eq!(*factories, self.nodes.len());
        let mut started = vec![false; self.nodes.len()];
        let mut ended = vec![false; self.nodes.len()];
        for event in between {
            let node = |factory: &str| factory.parse::<usize>().unwrap();
            let factory = match event {
                Seen::Started(factory) => {
                    let node = node(factory);
                    assert!(!started[node] && !ended[node], "{node} starts late: {events:?}");
                    started[node] = true;
                    continue;
                }
                Seen::Finished(factory) | Seen::Failed(factory) | Seen::Cancelled(factory) => {
                    assert!(started[node(factory)], "{factory} ends without a start: {events:?}");
                    factory
                }
                Seen::NotRun(factory, _) => {
                    assert!(!started[node(factory)], "{factory} has run: {events:?}");
                    factory
                }
                other => panic!("{other:?} in {events:?}"),
            };
            assert!(!std::mem::replace(&mut ended[node(factory)], true), "{factory} ends twice: {events:?}");
        }
        assert!(ended.iter().all(|ended| *ended), "the end of a factory is missing: {events:?}");
    }

    /// Each happens once, and after all that it waits for.
    fn check_events(&self, events: &[Seen]) {
        let at: HashMap<_, _> = events.iter().zip(0..).collect();
        assert_eq!(at.len(), events.len(), "nothing happens twice: {events:?}");
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(start) = at.get(&started(&index.to_string())) else { continue };
            let after = |before: usize| {
                let end = at.get(&finished(&before.to_string()));
                assert!(end.is_some_and(|end| end < start), "{index} started before {before} finished");
            };
            node.sources.iter().copied().for_each(after);
            let Some(stage) = self.stage_of(index) else { continue };
            if self.stages[stage].sequential && index > 0 && self.stage_of(index - 1) == Some(stage) {
                after(index - 1);
            }
            if let Some(barrier) = self.stages[..stage].iter().rposition(|stage| stage.barrier) {
                (0..index).filter(|before| self.stage_of(*before) <= Some(barrier)).for_each(after);
            }
        }
    }

    /// The report, what the factories did, and what was observed tell the same.
    fn check_report(&self, world: &World, report: &Report, log: &Log) {
        let events = log.all();
        assert_eq!(report.entries().len(), self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let name = index.to_string();
            let entry = report.entry(&name).unwrap();
            let status = entry.status;
            let runs = world.runs[index].load(Ordering::SeqCst);
            let delivered = world.values[index].load(Ordering::SeqCst) != 0;
            assert_eq!(delivered, status == Status::Succeeded, "{index} is {status:?}");
            let last = match status {
                Status::Succeeded => finished(&name),
                Status::Failed => Seen::Failed(name.clone()),
                Status::Cancelled => Seen::Cancelled(name.clone()),
                _ => {
                    let last = not_run(&name, entry.failed_upstream.as_deref());
                    assert!(events.contains(&last), "{last:?} was not told");
                    assert_eq!(runs, 0, "{index} ran, but is said not to have");
                    assert!(!events.contains(&started(&name)));
                    continue;
                }
            };
            assert!(events.contains(&last), "{last:?} was not told");
            assert!(status == Status::Cancelled || runs == 1, "{index} is {status:?} and ran {runs} times");
            if status == Status::Failed {
                assert!([End::Fails, End::Panics].contains(&node.end));
            }
            for source in &node.sources {
                let before = report.entry(&source.to_string()).unwrap().status;
                assert_eq!(before, Status::Succeeded, "{index} ran without {source}");
            }
        }
    }

    /// Every failure was asked for.
    fn check_failures(&self, error: &RunError) {
        for failure in error.failures() {
            let end = self.nodes[failure.factory.parse::<usize>().unwrap()].end;
            match &failure.cause {
                Cause::Error(error) => {
                    assert_eq!((end, error.to_string().as_str()), (End::Fails, "injected"));
                }
                Cause::Panic { message, .. } => {
                    assert_eq!((end, message.as_str()), (End::Panics, "injected"))
                }
                other => panic!("{other:?}"),
            }
        }
        let report = error.report().unwrap();
        let failed = report.entries().iter().filter(|entry| entry.status == Status::Failed);
        assert_eq!(failed.count(), error.failures().len());
    }

    async fn run_and_check(self) {
        let (world, log) = (Arc::new(self.world()), Log::default());
        let ledger = Arc::clone(&world.ledger);
        let mut run = self.pipeline(&world).run();
        run = run.blocking_threads(self.blocking_threads).observe(log.observer());
        run = run.cancel_on(world.token.clone());
        if let Some(concurrency) = self.concurrency {
            run = run.concurrency(concurrency);
        }
        if let Some(cancel_at) = self.cancel_at {
            let (token, events) = (world.token.clone(), AtomicUsize::new(0));
            run = run.observe(move |_| {
                if events.fetch_add(1, Ordering::SeqCst) == cancel_at {
                    token.cancel();
                }
            });
        }
        match run.await {
            Ok(run) => {
                for (index, value) in self.reference().into_iter().enumerate() {
                    assert_eq!(world.values[index].load(Ordering::SeqCst), value);
                    let mut takers = self.nodes.iter().flat_map(|node| &node.sources);
                    let stays = self.nodes[index].kept || !takers.any(|source| *source == index);
                    let output = run.find_named::<Parcel>(&index.to_string()).map(|parcel| parcel.value);
                    assert_eq!(output, stays.then_some(value));
                }
                self.check_report(&world, run.report(), &log);
                assert_eq!(log.all().last(), Some(&Seen::RunEnded(RunStatus::Succeeded)));
                let taken: usize = self.nodes.iter().map(|node| node.owned).sum();
                assert!(ledger.clones() <= taken, "{} clones for {taken} deliveries", ledger.clones());
            }
            Err(error) => {
                assert!(!self.goes_well(), "{error}");
                assert!(error.is_cancelled() || !error.failures().is_empty());
                assert!(!error.is_cancelled() || world.token.is_cancelled());
                self.check_failures(&error);
                self.check_report(&world, error.report().unwrap(), &log);
                let status = if error.is_cancelled() { RunStatus::Cancelled } else { RunStatus::Failed };
                assert_eq!(log.all().last(), Some(&Seen::RunEnded(status)));
            }
        }
        self.check_world(&world, &log);
        assert_eq!(ledger.live(), 0, "a payload is left");
    }

    /// Drops the run when so many events have been seen, or when it is over.
    async fn drop_and_check(self, events: usize) {
        let (world, log) = (Arc::new(self.world()), Log::default());
        let (enough, seen) = (Latch::default(), AtomicUsize::new(0));
        let mut run = self.pipeline(&world).run();
        run = run.blocking_threads(self.blocking_threads).observe(log.observer());
        if let Some(concurrency) = self.concurrency {
            run = run.concurrency(concurrency);
        }
        let opens = enough.clone();
        run = run.observe(move |_| {
            if seen.fetch_add(1, Ordering::SeqCst) == events {
                opens.open();
            }
        });
        let is_dropped = tokio::select! {
            run = run.into_future() => {
                drop(run);
                false
            }
            () = enough.opened() => true,
        };
        // The world is an input: when it is gone, so are all payloads, or they never will be.
        until(|| Arc::strong_count(&world) == 1 && world.ledger.live() == 0).await;
        self.check_world(&world, &log);
        let last = log.all().pop();
        assert_eq!(last == Some(Seen::RunEnded(RunStatus::Dropped)), is_dropped, "{last:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_run_is_the_reference(case in case()) {
        let threads = case.threads;
        watched(move || runtime(threads).block_on(case.run_and_check()));
    }

    #[test]
    fn a_dropped_run_leaves_nothing(case in case(), events in 0..200usize) {
        let threads = case.threads;
        watched(move || runtime(threads).block_on(case.drop_and_check(events)));
    }
}
