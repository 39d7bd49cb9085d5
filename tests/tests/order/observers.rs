use std::sync::Mutex;
use std::time::Duration;

use setl::{Event, Observer, RunError, RunInfo};

use super::*;

/// The events of several runs.
#[derive(Default)]
struct Runs(Mutex<Vec<OfRun>>);

/// An event, with what its observer knows of the run.
struct OfRun {
    run: String,
    pipeline: String,
    /// The run and the factory that have started this one.
    outer: Option<(String, String)>,
    seen: Seen,
}

impl Observer for Runs {
    fn observe(&self, run: &RunInfo<'_>, event: &Event<'_>) {
        let outer = run.outer.map(|outer| (outer.run_id.to_string(), outer.factory.to_owned()));
        self.0.lock().unwrap().push(OfRun {
            run: run.run_id.to_string(),
            pipeline: run.pipeline.to_owned(),
            outer,
            seen: event.into(),
        });
    }
}

impl Runs {
    /// The events of one run.
    fn of(&self, run: &str) -> Vec<Seen> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|of| of.run == run).map(|of| of.seen.clone()).collect()
    }
}

#[pipeline(only(second))]
struct Within;

#[factory]
async fn starts(runs: Arc<Runs>, context: Context) -> Result<String> {
    let run = tokio::spawn(context.scope(Within.run().observer(runs).into_future()));
    Ok(run.await??.run_id().to_string())
}

#[pipeline(only(starts))]
struct Around {
    runs: Arc<Runs>,
}

#[test]
fn an_observer_of_several_runs_tells_them_apart() {
    on_each_runtime(async || {
        let runs = Arc::new(Runs::default());
        let run = || Around { runs: Arc::clone(&runs) }.run().observer(Arc::clone(&runs)).into_future();
        let (first, second) = tokio::join!(run(), run());
        for run in [first.unwrap(), second.unwrap()] {
            let (outer, within) = (run.run_id().to_string(), run.get::<starts>());
            let events = |factory| of_run(1, [started(factory), finished(factory)], RunStatus::Succeeded);
            assert_eq!(runs.of(&outer), events("starts"));
            assert_eq!(runs.of(within), events("second"));
            let started_by = Some((outer.clone(), "starts".to_owned()));
            for of in &*runs.0.lock().unwrap() {
                if of.run == outer {
                    assert_eq!((&*of.pipeline, &of.outer), ("Around", &None));
                } else if of.run == *within {
                    assert_eq!((&*of.pipeline, &of.outer), ("Within", &started_by));
                }
            }
        }
        assert_eq!(runs.0.lock().unwrap().len(), 16);
    });
}

#[pipeline(all(first, second, third))]
struct Several;

#[test]
fn factories_that_are_not_selected_end_too() {
    on_each_runtime(async || {
        let log = Log::default();
        Several.run().only::<second>().observe(log.observer()).await.unwrap();
        let mut all = log.all();
        let between = all.drain(1..all.len() - 1).collect::<Vec<_>>();
        assert_eq!(all, [Seen::RunStarted(3), Seen::RunEnded(RunStatus::Succeeded)]);
        assert_eq!(between.len(), 4, "{between:?}");
        for factory in ["first", "third"] {
            assert!(between.contains(&Seen::NotSelected(factory.to_owned())), "{between:?}");
        }
        assert!(between.contains(&started("second")) && between.contains(&finished("second")));
    });
}

#[test]
fn a_run_that_cannot_start_has_no_events() {
    on_each_runtime(async || {
        let log = Log::default();
        let error = Several.run().up_to::<second>().from_factory::<third>().observe(log.observer()).await;
        assert!(matches!(error, Err(RunError::CannotStart { .. })));
        assert_eq!(log.all(), []);
    });
}

#[factory]
fn fails() -> Result<u8> {
    Err(setl::Error::msg("no"))
}

#[factory]
fn needs(byte: u8) -> u16 {
    byte.into()
}

#[factory]
fn needs_too(double: u16) -> u32 {
    double.into()
}

/// Ends when another factory is known not to run.
#[factory]
async fn awaits_news(news: Latch) {
    news.opened().await;
}

#[pipeline(all(fails, needs, needs_too, awaits_news))]
struct GoesOn {
    news: Latch,
}

#[test]
fn a_run_that_keeps_going_tells_early_what_does_not_run() {
    on_each_runtime(async || {
        let (log, news) = (Log::default(), Latch::default());
        let opens = news.clone();
        let run = GoesOn { news }.run().keep_going().observe(log.observer()).observe(move |event| {
            if let Event::NotRun { factory: "needs_too", .. } = event {
                opens.open();
            }
        });
        run.await.unwrap_err();
        for factory in ["needs", "needs_too"] {
            log.assert_before(&not_run(factory, Some("fails")), &finished("awaits_news"));
        }
    });
}

#[factory]
async fn waits() {
    std::future::pending().await
}

#[pipeline(only(waits))]
struct Waits;

#[test]
fn the_last_event_has_the_end_of_the_run() {
    on_each_runtime(async || {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let observer = |event: &Event<'_>, ended: &Mutex<Vec<_>>| {
            if let Event::RunEnded { status, makespan } = *event {
                ended.lock().unwrap().push((status, makespan));
            }
        };
        let seen = Arc::clone(&ended);
        let run = Several.run().observe(move |event| observer(event, &seen)).await.unwrap();
        let seen = Arc::clone(&ended);
        let late = Waits.run().deadline(Duration::from_millis(1));
        let late = late.observe(move |event| observer(event, &seen)).await.unwrap_err();
        let expected = [
            (RunStatus::Succeeded, run.makespan()),
            (RunStatus::DeadlineExceeded, late.report().unwrap().makespan()),
        ];
        assert_eq!(*ended.lock().unwrap(), expected);
    });
}

struct Kept(Context);

#[factory]
fn gives_its_context(context: Context) -> Kept {
    context.progress(1, None);
    Kept(context)
}

#[factory]
fn uses_it(#[delivery(shared)] kept: Arc<Kept>) {
    kept.0.progress(2, None);
}

#[pipeline(all(gives_its_context, uses_it), keep(gives_its_context))]
struct Leaks;

#[test]
fn nothing_is_told_of_a_factory_after_its_end() {
    on_each_runtime(async || {
        let log = Log::default();
        let run = Leaks.run().observe(log.observer()).await.unwrap();
        run.get::<gives_its_context>().0.progress(3, None);
        let events = [
            started("gives_its_context"),
            Seen::Progress("gives_its_context".to_owned(), 1, None),
            finished("gives_its_context"),
            started("uses_it"),
            finished("uses_it"),
        ];
        assert_eq!(log.all(), of_run(2, events, RunStatus::Succeeded));
    });
}

#[test]
fn terminal_events_and_factories_are_known_of_each_event() {
    let factory = "a";
    let terminal = [
        Event::Finished { factory, total: Duration::ZERO, rows: None },
        Event::NotRun { factory, failed_upstream: Some("b") },
        Event::NotSelected { factory },
        Event::Merged { factory, into: "b" },
    ];
    let others =
        [Event::Started { factory }, Event::FellBack { factory, to: "b" }, Event::RollingBack { factory }];
    assert!(terminal.iter().all(|event| event.is_terminal() && event.factory() == Some("a")));
    assert!(others.iter().all(|event| !event.is_terminal() && event.factory() == Some("a")));
    for of_run in [Event::RunStarted { factories: 1 }, Event::Committing { writes: 1 }] {
        assert!(!of_run.is_terminal() && of_run.factory().is_none());
    }
}
