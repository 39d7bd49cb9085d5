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
