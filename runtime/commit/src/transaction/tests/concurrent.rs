//! Commits to the same targets at the same time.

use super::*;

/// A prepared commit has exclusive use of its targets until it ends.
#[test]
fn one_commit_at_a_time() {
    let world = World::new();
    let prepared = Commit::prepare(world.staged()).unwrap();
    for name in ["replaced", "created", "parts", "appended", "missing"] {
        let run = world.transaction();
        let (how, recipe) = if name == "parts" { (How::Replace, parts()) } else { (How::Append, lines()) };
        run.enlist(owner(0), world.file(name, how, recipe, "other\n")).unwrap();
        let Err(CommitError::RolledBack { owner: Some(_), error }) = run.commit() else {
            panic!("{name} is changed");
        };
        assert!(error.to_string().contains("another run is about to commit to "), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // A write that is committed alone waits, too.
    let mut alone = StagedFile::beside(world.path("replaced")).unwrap();
    assert!(alone.prepare().unwrap_err().to_string().contains("another run is about to commit"));
    Box::new(alone).rollback().unwrap();
    finish(&world, prepared).unwrap();
    world.check_new();
}

fn finish(world: &World, mut commit: Commit) -> Result<Vec<String>, CommitError> {
    commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "Delays"))?;
    commit.arm()?;
    commit.decide()?;
    commit.switch()
}

/// A run that staged its append before another commit is refused before anything is decided, because the target has
/// changed.
#[test]
fn the_loser_changes_nothing() {
    let world = World::new();
    let run = || {
        let run = world.transaction();
        run.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
        run.enlist(owner(1), world.file("appended", How::Append, lines(), "new\n")).unwrap();
        run
    };
    let (winner, loser) = (run(), run());
    winner.commit().unwrap();
    let Err(CommitError::RolledBack { error, .. }) = loser.commit() else { panic!("it is committed") };
    // Both errors are worth another attempt of the run.
    let refused = matches!(error.downcast_ref(), Some(WriteError::Changed { .. } | WriteError::Busy { .. }));
    assert!(refused, "{error:#}");
    world.check(&[("/replaced", "new"), ("/appended", "n\nold\nnew\n"), ("/parts/old.txt", "old")]);
    assert!(journal::paths(&world.path("state")).unwrap().is_empty());
}

/// There is no deadlock and no mixture of runs, whatever the order of the writes and the state directory of each run.
#[test]
fn targets_are_of_one_run() {
    let world = World::new();
    let names = ["a", "b", "c", "replaced"];
    let run = |thread: usize| {
        for round in 0..10 {
            let state = world.path(&format!("state-{}", thread % 2));
            let run = Transaction::new(Uuid::now_v7(), "Delays", Some(state));
            for at in 0..names.len() {
                let name = names[(at + thread) % names.len()];
                let text = format!("{thread}-{round}");
                let staged = world.file(name, How::Replace, Recipe::Whole, &text);
                run.enlist(owner(at), staged).unwrap();
            }
            match run.commit() {
                Ok(_) => {}
                // Other runs have held the locks longer than this one waits in tests.
                Err(CommitError::RolledBack { error, .. }) => {
                    assert!(matches!(error.downcast_ref(), Some(WriteError::Busy { .. })), "{error:#}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let texts: Vec<_> = names.iter().map(|name| fs::read_to_string(world.path(name)).unwrap()).collect();
    assert_eq!(texts, vec![texts[0].clone(); 4]);
    let left: Vec<_> = world.content().into_keys().filter(|name| name.contains(".setl-")).collect();
    assert_eq!(left, [""; 0]);
}

/// The lock and the note are beside the target, so they work across independent state directories.
#[test]
fn a_dead_commit_is_finished_before_another_one_from_elsewhere() {
    for (steps, decided) in [(6, false), (7, true), (8, true), (11, true)] {
        let world = World::new();
        assert_eq!(commit_until(&world, steps), decided);
        let other = Transaction::new(Uuid::now_v7(), "Other", Some(world.path("elsewhere")));
        other.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "later")).unwrap();
        other.enlist(owner(1), world.file("created", How::Replace, Recipe::Whole, "later")).unwrap();
        other.commit().unwrap();
        let appended = if decided { "n\nold\nnew\n" } else { "n\nold" };
        let mut expected = vec![("/replaced", "later"), ("/created", "later"), ("/appended", appended)];
        if decided {
            expected.extend([("/missing", "n\nnew\n"), ("/parts/new.txt", "new")]);
        } else {
            expected.push(("/parts/old.txt", "old"));
        }
        world.recover();
        world.check(&expected);
    }
}
