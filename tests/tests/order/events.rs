use std::sync::{Arc, Mutex};

use setl::run::Section;

use super::*;

#[derive(Clone)]
struct Pages(u64);

#[factory]
async fn count(context: Context) -> Pages {
    context.progress(1, None);
    tokio::task::yield_now().await;
    context.progress(2, Some(2));
    Pages(2)
}

#[factory]
fn print(pages: Pages, context: Context) -> Vec<u64> {
    context.progress(pages.0, Some(7));
    vec![pages.0; 3]
}

#[pipeline(read(count), write(print))]
struct Paper;

#[test]
fn events_come_in_order() {
    on_each_runtime(async || {
        let (log, other) = (Log::default(), Log::default());
        Paper.run().observe(log.observer()).observe(other.observer()).await.unwrap();
        let progress = |factory: &str, done, total| Seen::Progress(factory.to_owned(), done, total);
        let expected = [
            started("count"),
            progress("count", 1, None),
            progress("count", 2, Some(2)),
            finished("count"),
            started("print"),
            progress("print", 2, Some(7)),
            finished("print"),
        ];
        let expected = of_run(2, expected, RunStatus::Succeeded);
        assert_eq!(log.all(), expected);
        assert_eq!(other.all(), expected, "every observer sees every event");
    });
}

#[test]
fn the_report_lists_factories_by_stage() {
    on_each_runtime(async || {
        let run = Paper.run().await.unwrap();
        let entries: Vec<_> = run
            .entries()
            .iter()
            .map(|entry| (&*entry.stage, &*entry.factory, entry.status, entry.rows))
            .collect();
        assert_eq!(
            entries,
            [("read", "count", Status::Succeeded, None), ("write", "print", Status::Succeeded, Some(3))]
        );
        assert_eq!(run.report().pipeline(), "Paper");
        assert!(run.entry("nobody").is_none());
        let (count, print) = (run.entry("count").unwrap(), run.entry("print").unwrap());
        assert!(count.timing.start + count.timing.total() <= print.timing.start);
        assert!(print.timing.start + print.timing.total() <= run.makespan());
        let text = run.to_string();
        assert!(text.starts_with(&format!("pipeline Paper (run {})\n", run.run_id())), "{text}");
    });
}

#[factory]
fn facts(context: Context) -> (String, String, String, bool) {
    (
        context.run_id().to_string(),
        context.pipeline().to_owned(),
        context.factory().to_owned(),
        context.is_cancelled() || context.cancellation().is_cancelled(),
    )
}

#[pipeline(only(facts))]
struct Facts;

#[test]
fn the_context_knows_its_run() {
    on_each_runtime(async || {
        let run = Facts.run().await.unwrap();
        let (id, pipeline, factory, cancelled) = run.get::<facts>();
        assert_eq!(*id, run.run_id().to_string());
        assert_eq!((&**pipeline, &**factory, *cancelled), ("Facts", "facts", false));
        assert!(run.run_id() < Facts.run().await.unwrap().run_id(), "later runs sort after earlier ones");
    });
}

/// An observer that counts its calls in its section, or panics there.
struct Counts {
    events: Mutex<usize>,
    panics: bool,
}

/// The number of events before the section.
#[derive(Debug, PartialEq)]
struct Counted(usize);

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "events: {}", self.0)
    }
}

impl setl::Observer for Counts {
    fn observe(&self, _: &setl::RunInfo<'_>, _: &setl::Event<'_>) {
        *self.events.lock().unwrap() += 1;
    }

    fn section(&self, run: &setl::RunInfo<'_>, report: &setl::Report) -> Option<Arc<dyn Section>> {
        assert_eq!((run.pipeline, run.run_id), (report.pipeline(), report.run_id()));
        if self.panics {
            std::panic::resume_unwind(Box::new("no section"));
        }
        Some(Arc::new(Counted(*self.events.lock().unwrap())))
    }
}

#[test]
fn observers_add_sections_to_the_report() {
    on_each_runtime(async || {
        let counts = |panics| Arc::new(Counts { events: Mutex::default(), panics });
        let (fine, panics) = (counts(false), counts(true));
        let run = Paper.run().observer(Arc::clone(&panics)).observer(Arc::clone(&fine)).await.unwrap();
        // All events but the last, which tells that the report is complete.
        let before = *fine.events.lock().unwrap() - 1;
        assert_eq!(run.report().section(), Some(&Counted(before)));
        assert_eq!(run.report().section::<String>(), None);
        assert!(run.report().to_string().ends_with(&format!("events: {before}")));
        assert_eq!(*panics.events.lock().unwrap(), before + 1, "a panic in its section changes nothing");
    });
}

#[factory]
fn broken() -> Result<u8> {
    Err(setl::Error::msg("broken"))
}

#[pipeline(only(broken))]
struct Broken;

#[test]
fn the_report_of_a_run_that_failed_has_sections() {
    on_each_runtime(async || {
        let counts = Counts { events: Mutex::default(), panics: false };
        let outcome = Broken.run().observer(counts).outcome().await;
        let report = outcome.report().unwrap();
        assert_eq!(report.section(), Some(&Counted(3)), "{report}");
        assert_eq!(outcome.error().unwrap().report().unwrap().section(), Some(&Counted(3)));
    });
}
