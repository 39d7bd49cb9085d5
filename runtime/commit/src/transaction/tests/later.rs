//! Writes that are left to later runs on purpose: kept writes, and writes that other systems have prepared.

use super::*;

/// A write that a checkpoint keeps outlives runs until it is committed, even if processes die meanwhile.
#[test]
fn kept_writes() {
    for journaled in [false, true] {
        let world = World::new();
        let first = world.run();
        let keep = |node| first.keep(owner(node), |_| Ok(())).unwrap().unwrap();
        let kept: Vec<_> = if journaled { (0..5).map(keep).collect() } else { vec![keep(2)] };
        drop(first);
        let json = serde_json::to_string(&kept).unwrap();
        let kept: Vec<Vec<KeptWrite>> = serde_json::from_str(&json).unwrap();

        let adopt = || {
            let run = world.transaction();
            kept.iter().enumerate().for_each(|(node, kept)| run.adopt(owner(node), kept).unwrap());
            run
        };
        let second = adopt();
        assert!(world.transaction().adopt(owner(0), &kept[0]).unwrap_err().to_string().contains("in use"));
        drop(second);
        if journaled {
            // The process dies before the decision. The kept files have their names back.
            let second = adopt();
            let mut commit = Commit::prepare(mem::take(&mut *second.lock())).unwrap();
            commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "")).unwrap();
            commit.arm().unwrap();
            die(commit);
            world.recover();
        }
        adopt().commit().unwrap();
        if journaled {
            world.check_new();
        } else {
            world.check(&[("/replaced", "old"), ("/appended", "n\nold"), ("/parts/new.txt", "new")]);
        }
        assert!(world.transaction().adopt(owner(0), &kept[0]).unwrap_err().to_string().contains("not there"));
        kept.into_iter().flatten().for_each(|kept| kept.discard().unwrap());
    }
    let world = World::new();
    let run = world.transaction();
    run.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
    let kept = run.keep(owner(0), |_| Ok(())).unwrap().unwrap();
    run.commit().unwrap();
    assert_eq!(fs::read_to_string(world.path("replaced")).unwrap(), "new");
    kept.into_iter().for_each(|kept| kept.discard().unwrap());
    assert_eq!(world.content().len(), 3);
}

/// A write that cannot be committed is refused when it is adopted. Otherwise each commit would fail.
#[test]
fn what_can_no_longer_be_committed_is_not_adopted() {
    type Change = fn(&World, &KeptWrite);
    let changes: [(Change, &str); 3] = [
        (
            |world, _| fs::write(world.path("appended"), "more\n").unwrap(),
            "has been changed by somebody else",
        ),
        (|_, kept| fs::write(&kept.pieces[0].0, "x").unwrap(), " is damaged"),
        (|_, kept| fs::remove_file(&kept.pieces[0].0).unwrap(), " is not there any more"),
    ];
    for (change, because) in changes {
        let world = World::new();
        let run = world.transaction();
        let lines = Recipe::Lines { header: String::new() };
        run.enlist(owner(0), world.file("appended", How::Append, lines, "new\n")).unwrap();
        let kept = run.keep(owner(0), |_| Ok(())).unwrap().unwrap();
        drop(run);
        world.transaction().adopt(owner(0), &kept).unwrap();
        change(&world, &kept[0]);
        let error = world.transaction().adopt(owner(0), &kept).unwrap_err().to_string();
        assert!(error.contains(because), "{error}");
        kept[0].discard().unwrap();
        assert_eq!(world.content().len(), 3);
    }
}

/// A write that the callback cannot record is not kept.
#[test]
fn what_is_not_written_down_is_not_kept() {
    let world = World::new();
    let run = world.transaction();
    run.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
    assert!(run.keep(owner(0), |_| Err(Error::msg("no space"))).is_err());
    run.keep(owner(0), |_| Ok(())).unwrap();
    run.unkeep(|of| of == owner(0));
    drop(run);
    assert_eq!(world.content().len(), 3);
}

#[derive(Debug)]
struct Prepared(&'static str);

impl StagedWrite for Prepared {
    fn target(&self) -> String {
        format!("table {}", self.0)
    }

    fn ticket(&mut self) -> crate::Result<RecoveryTicket> {
        Ok(RecoveryTicket::Place { place: self.target(), token: self.0.to_owned() })
    }

    fn commit(self: Box<Self>) -> crate::Result<()> {
        Err(Error::msg("the connection is lost"))
    }

    fn rollback(self: Box<Self>) -> crate::Result<()> {
        Ok(())
    }
}

#[test]
fn other_systems_settle_what_they_have_prepared() {
    let world = World::new();
    let run = world.transaction();
    run.enlist(owner(0), Box::new(Prepared("a"))).unwrap();
    run.enlist(owner(1), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
    run.enlist(owner(2), Box::new(Prepared("b"))).unwrap();
    assert!(run.keep(owner(0), |_| Ok(())).unwrap().is_none());
    assert!(matches!(run.commit(), Err(CommitError::Unfinished { .. })));
    drop(run);

    let next = world.transaction();
    assert_eq!(next.recover(), [""; 0]);
    let settled = Mutex::new(Vec::new());
    let settle = |token: &str, decision| {
        settled.lock().unwrap().push((token.to_owned(), decision));
        Ok(())
    };
    let report = crate::recover(world.path("state")).unwrap();
    assert_eq!(report.waiting, ["table a", "table b"]);
    for place in ["table a", "table a", "table c"] {
        next.settle(place, &settle).unwrap();
    }
    let after = world.transaction();
    assert_eq!(after.recover(), [""; 0]);
    after.settle("table b", &settle).unwrap();
    let expected = ["a", "b"].map(|token| (token.to_owned(), CommitDecision::Commit));
    assert_eq!(*settled.lock().unwrap(), expected);
    assert!(journal::paths(&world.path("state")).unwrap().is_empty());
}

/// A relative path means another file in another directory, such as a link that now leads elsewhere.
#[cfg(unix)]
#[test]
fn what_is_kept_for_a_place_that_is_another_one_now() {
    use std::os::unix::fs::symlink;

    let world = World::new();
    let link = world.path("link");
    for name in ["one", "other"] {
        fs::create_dir(world.path(name)).unwrap();
    }
    symlink(world.path("one"), &link).unwrap();
    let first = world.transaction();
    first.enlist(owner(0), world.file("link/file", How::Replace, Recipe::Whole, "new")).unwrap();
    let kept = first.keep(owner(0), |_| Ok(())).unwrap().unwrap();
    drop(first);
    fs::remove_file(&link).unwrap();
    symlink(world.path("other"), &link).unwrap();

    let error = world.transaction().adopt(owner(0), &kept).unwrap_err().to_string();
    let (one, other) = (fs::canonicalize(world.path("one")).unwrap(), fs::canonicalize(&link).unwrap());
    assert_eq!(error, format!("the directory of {} is {} now", one.join("file").display(), other.display()));
    fs::remove_file(&link).unwrap();
    symlink(&one, &link).unwrap();
    let second = world.transaction();
    second.adopt(owner(0), &kept).unwrap();
    second.commit().unwrap();
    assert_eq!(fs::read_to_string(one.join("file")).unwrap(), "new");
}
