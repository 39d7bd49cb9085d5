use super::*;

struct Runs(Vec<AtomicUsize>);

#[factory]
async fn one(#[delivery(shared)] runs: Arc<Runs>, context: Context) -> u32 {
    let index: usize = context.factory().parse().unwrap();
    runs.0[index].fetch_add(1, Ordering::SeqCst);
    if index.is_multiple_of(3) {
        tokio::task::yield_now().await;
    }
    1
}

#[factory]
fn next(#[delivery(shared)] runs: Arc<Runs>, context: Context, before: u32) -> u32 {
    let index: usize = context.factory().parse().unwrap();
    runs.0[index].fetch_add(1, Ordering::SeqCst);
    before + 1
}

/// Ten rows of ten; each but the first takes from the row before, three of them from the same.
#[test]
fn nothing_runs_twice() {
    on_each_runtime(async || {
        for bound in [None, Some(1), Some(3)] {
            let log = Log::default();
            let mut builder = Pipeline::builder("grid")
                .input("runs", Runs((0..100).map(|_| AtomicUsize::new(0)).collect()));
            for row in 0..10 {
                builder = builder.stage(format!("row {row}"));
                for column in 0..10 {
                    let name = (row * 10 + column).to_string();
                    builder = if row == 0 {
                        builder.factory_named::<one>(name, |wiring| wiring)
                    } else {
                        let before = ((row - 1) * 10 + column / 3).to_string();
                        builder.factory_named::<next>(name, |wiring| wiring.take("before", before))
                    };
                }
            }
            let mut run = builder.build().unwrap().run().observe(log.observer());
            if let Some(bound) = bound {
                run = run.concurrency(bound);
            }
            let run = run.await.unwrap();
            assert_eq!(run.find_named::<u32>("99"), Some(&10));
            for index in 0..100 {
                log.assert_before(&started(&index.to_string()), &finished(&index.to_string()));
            }
            assert_eq!(log.all().len(), 202);
        }
    });
}
