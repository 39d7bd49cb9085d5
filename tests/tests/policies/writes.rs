//! What was written: committed together, or undone in reverse order.

use super::*;

#[derive(Clone)]
struct A;

#[derive(Clone)]
struct B;

#[derive(Clone, Default)]
struct World {
    log: Log<String>,
    refuses: bool,
    undoing: Latch,
    go_on: Latch,
    fails: bool,
}

macro_rules! undone {
    ($name:ident, $output:ident, $($before:ident: $ty:ty)?) => {
        #[factory(output = $output)]
        struct $name {
            #[delivery]
            world: World,
            #[delivery]
            context: Context,
            $(#[delivery]
            $before: $ty,)?
        }

        impl Factory for $name {
            async fn process(&mut self) -> Result<$output> {
                $(let _ = self.$before.clone();)?
                Ok($output)
            }

            async fn write(&mut self, _output: &$output) -> Result<()> {
                let World { log, refuses, .. } = self.world.clone();
                log.push(format!("write {}", stringify!($name)));
                self.context.enlist(Box::new(Note { name: stringify!($name), log, refuses }))
            }
        }

        impl Rollback for $name {
            async fn rollback(&mut self) -> Result<()> {
                self.world.log.push(format!("undo {}", stringify!($name)));
                self.world.undoing.open();
                self.world.go_on.opened().await;
                if stringify!($name) == "Second" {
                    return Err(Error::msg("it is gone"));
                }
                Ok(())
            }
        }
    };
}
undone!(FirstOne, A,);
undone!(Second, B, a: A);

#[factory]
async fn last(world: World, _b: B) -> Result<()> {
    if world.fails { Err(Error::msg("enough")) } else { Ok(()) }
}

#[pipeline(a(FirstOne), b(Second), c(last))]
struct Writing {
    world: World,
}

const WRITTEN: [&str; 2] = ["write FirstOne", "write Second"];

fn after_writing(log: &Log<String>) -> Vec<String> {
    let all = log.all();
    assert_eq!(all[..2], WRITTEN);
    all[2..].to_vec()
}

#[tokio::test]
async fn a_run_that_succeeds_commits_in_the_order_of_the_writes() {
    let world = World::default();
    let told = Told::default();
    let run =
        Writing { world: world.clone() }.run().state_dir(state()).observe(told.observer()).await.unwrap();
    assert_eq!(after_writing(&world.log), ["commit FirstOne", "commit Second"]);
    assert_eq!(run.committed(), ["note FirstOne", "note Second"]);
    assert!(run.to_string().ends_with("\nwritten: note FirstOne, note Second"));
    assert!(told.all().contains(&"Committing { writes: 2 }".to_owned()));
}

#[tokio::test]
async fn one_factory_may_be_without_its_write() {
    let world = World::default();
    let whole = || Writing { world: world.clone() }.run().state_dir(state());
    let run = whole().no_write_of::<FirstOne>().await.unwrap();
    assert_eq!(world.log.all(), ["write Second", "commit Second"]);
    assert_eq!(run.committed(), ["note Second"]);
    let run = whole().no_write_of_named("Second").await.unwrap();
    assert_eq!(run.committed(), ["note FirstOne"]);
    let run = whole().up_to::<Second>().no_write_of::<Second>().no_write_of::<FirstOne>().await.unwrap();
    assert_eq!((run.committed().len(), world.log.all().len()), (0, 4));
}

#[tokio::test]
async fn a_factory_without_its_write_must_be_listed() {
    let run = Writing { world: World::default() }.run().state_dir(state()).no_write_of_named("Secnd");
    let error = run.await.unwrap_err().to_string();
    assert!(error.contains("pipeline `Writing` has no factory `Secnd`, did you mean `Second`?"), "{error}");
}

#[tokio::test]
async fn a_run_that_fails_undoes_in_reverse_order_all_that_it_can() {
    let world = World { fails: true, ..World::default() };
    world.go_on.open();
    let told = Told::default();
    let error =
        Writing { world: world.clone() }.run().state_dir(state()).observe(told.observer()).await.unwrap_err();
    let undone = after_writing(&world.log);
    assert_eq!(undone[..2], ["undo Second", "undo FirstOne"]);
    assert_eq!(undone.len(), 4, "what was staged is rolled back, too");
    assert_eq!(
        error.full(),
        "pipeline `Writing` failed in 2 factories (`last`, `Second`)

factory `last` of stage `c` failed in process
  enough

factory `Second` of stage `b` failed in rollback
  it is gone
"
    );
    let all = told.all();
    let rolling = |name: &str| format!("RollingBack {{ factory: {name:?} }}");
    let last = [rolling("Second"), rolling("FirstOne"), "RunEnded { status: Failed }".to_owned()];
    assert_eq!(all[all.len() - 3..], last);
}

#[tokio::test]
async fn a_run_that_cannot_commit_has_changed_nothing() {
    let world = World { refuses: true, ..World::default() };
    world.go_on.open();
    let error = Writing { world: world.clone() }.run().state_dir(state()).await.unwrap_err();
    assert!(!world.log.all().iter().any(|entry| entry.starts_with("commit")));
    let failure = &error.failures()[0];
    assert_eq!(failure.to_string(), "factory `FirstOne` of stage `a` failed in commit");
    assert!(error.full().contains("hint: no target of this run has changed; what was staged is gone\n"));
    assert_eq!(error.failures().len(), 2, "and one could not be undone");
}

#[tokio::test]
async fn a_run_that_is_dropped_while_it_undoes_goes_on_with_it() {
    let world = World { fails: true, ..World::default() };
    let run = Writing { world: world.clone() }.run().state_dir(state()).into_future();
    tokio::select! {
        _ = run => unreachable!("it waits"),
        () = world.undoing.opened() => {}
    }
    assert_eq!(after_writing(&world.log), ["undo Second"]);
    world.go_on.open();
    until(|| world.log.all().len() == 6).await;
    assert_eq!(after_writing(&world.log)[..2], ["undo Second", "undo FirstOne"]);
}

/// The runtime goes on, but whoever drops the run is not on it.
#[test]
fn a_run_that_is_dropped_elsewhere_is_undone() {
    watched(|| {
        let runtime = runtime(4);
        let (world, waits) = (World::default(), Latch::default());
        world.go_on.open();
        let mut run = Box::pin(
            Unending { world: world.clone(), waits: waits.clone() }.run().state_dir(state()).into_future(),
        );
        runtime.block_on(async {
            tokio::select! {
                _ = &mut run => unreachable!("it waits"),
                () = waits.opened() => {}
            }
        });
        drop(run);
        runtime.block_on(until(|| world.log.all().len() == 6));
        let mut undone = after_writing(&world.log);
        undone.sort();
        assert_eq!(undone, ["roll back FirstOne", "roll back Second", "undo FirstOne", "undo Second"]);
    });
}

#[factory]
async fn waits(waits: Latch, _b: B) {
    waits.open();
    std::future::pending().await
}

#[pipeline(a(FirstOne), b(Second), c(waits))]
struct Unending {
    world: World,
    waits: Latch,
}

/// Says when it is committed, and waits.
#[derive(Debug)]
struct Slow {
    begun: Latch,
    go_on: Latch,
    log: Log<String>,
}

impl StagedWrite for Slow {
    fn target(&self) -> String {
        "slow".to_owned()
    }

    fn commit(self: Box<Self>) -> Result<()> {
        self.begun.open();
        self.go_on.block();
        self.log.push("commit slow".to_owned());
        Ok(())
    }

    fn rollback(self: Box<Self>) -> Result<()> {
        self.log.push("roll back slow".to_owned());
        Ok(())
    }
}

#[factory(output = A)]
struct Slowly {
    #[delivery]
    world: World,
    #[delivery]
    context: Context,
    #[delivery]
    parcel: Parcel,
}

impl Factory for Slowly {
    async fn process(&mut self) -> Result<A> {
        assert_eq!(self.parcel.value, 3);
        Ok(A)
    }

    async fn write(&mut self, _output: &A) -> Result<()> {
        let World { log, undoing, go_on, .. } = self.world.clone();
        self.context.enlist(Box::new(Slow { begun: undoing, go_on, log }))
    }
}

impl Rollback for Slowly {
    async fn rollback(&mut self) -> Result<()> {
        self.world.log.push("undo".to_owned());
        Ok(())
    }
}

#[pipeline(only(Slowly))]
struct Slowest {
    world: World,
    parcel: Parcel,
}

#[tokio::test]
async fn a_run_that_is_dropped_while_it_commits_is_not_undone() {
    let (world, ledger) = (World::default(), Arc::new(Ledger::default()));
    let run =
        Slowest { world: world.clone(), parcel: ledger.parcel(3, 1) }.run().state_dir(state()).into_future();
    tokio::select! {
        _ = run => unreachable!("it waits"),
        () = world.undoing.opened() => {}
    }
    assert_eq!(ledger.live(), 1, "what may be undone is kept");
    world.go_on.open();
    until(|| ledger.live() == 0).await;
    assert_eq!(world.log.all(), ["commit slow"]);
}

/// A factory that can be undone holds what it was given, and with a context its whole run.
#[tokio::test]
async fn nothing_is_left_of_what_could_be_undone() {
    let (world, ledger) = (World::default(), Arc::new(Ledger::default()));
    world.go_on.open();
    let run =
        Slowest { world: world.clone(), parcel: ledger.parcel(3, 1) }.run().state_dir(state()).await.unwrap();
    assert_eq!(ledger.live(), 0);
    assert_eq!(run.committed(), ["slow"]);
}

/// Writes that are not committed are no success.
#[test]
fn a_run_whose_runtime_shuts_down_before_the_commit_is_cancelled() {
    watched(|| {
        let runtime = runtime(4);
        let (world, ledger) = (World::default(), Arc::new(Ledger::default()));
        world.go_on.open();
        let handle = runtime.handle().clone();
        let owned = std::sync::Mutex::new(Some(runtime));
        let run = Slowest { world: world.clone(), parcel: ledger.parcel(3, 1) }.run().state_dir(state());
        let run = run.observe(move |event| {
            if matches!(event, Event::Committing { .. }) {
                owned.lock().unwrap().take().unwrap().shutdown_background();
            }
        });
        let _entered = handle.enter();
        let outcome = setl_tests::wait_for(run.outcome());
        assert_eq!(outcome.code(), 130, "{outcome:?}");
        assert!(!world.log.all().contains(&"commit slow".to_owned()));
        assert!(world.log.all().contains(&"undo".to_owned()));
    });
}

#[factory]
async fn spawns(context: Context, world: World) -> Result<u32> {
    let log = world.log.clone();
    let inner = context.clone();
    let task = tokio::spawn(context.scope(async move {
        inner.enlist(Box::new(Note { name: "task", log, refuses: false }))?;
        Ok::<_, Error>(setl::blocking(|| 5).await)
    }));
    task.await?
}

#[pipeline(only(spawns))]
struct Spawning {
    world: World,
}

#[tokio::test]
async fn a_task_may_work_for_a_factory() {
    let world = World::default();
    let run = Spawning { world: world.clone() }.run().state_dir(state()).await.unwrap();
    assert_eq!((run.get::<spawns>(), world.log.all()), (&5, vec!["commit task".to_owned()]));
}

/// Is visible at once, but may be gone after a crash.
#[derive(Debug)]
struct Unflushed;

impl StagedWrite for Unflushed {
    fn target(&self) -> String {
        "disk".to_owned()
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let refused = setl::commit::WriteError::NotStaged { target: "disk".into(), path: "disk".into() };
        Err(setl::commit::WriteError::Unflushed { target: self.target(), source: refused.into() }.into())
    }

    fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[factory]
fn saves(context: Context) -> Result<A> {
    context.enlist(Box::new(Unflushed))?;
    Ok(A)
}

#[pipeline(only(saves))]
struct Saving;

#[tokio::test]
async fn what_is_visible_and_not_flushed_is_committed_with_a_note() {
    let run = Saving.run().await.unwrap();
    assert_eq!(run.report().committed(), ["disk"]);
    let note = run.entry("saves").unwrap().note.as_deref().unwrap();
    assert!(note.contains("disk holds the new data") && note.contains("after a crash"), "{note}");
}
