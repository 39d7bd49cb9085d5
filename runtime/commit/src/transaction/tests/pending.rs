//! Commits that cannot be recovered: the reports, the runs that they block, and the way to give them up.

use super::*;
use crate::{recover, set_aside};

/// A decided commit of two targets in a directory of their own. `switched` of them are switched.
fn decided(world: &World, switched: usize) {
    fs::create_dir(world.path("out")).unwrap();
    let writes = ["out/a", "out/b"].into_iter().enumerate().map(|(node, name)| {
        let staged = world.file(name, How::Replace, Recipe::Whole, "new");
        Write { owner: owner(node), target: staged.target(), staged }
    });
    let mut commit = Commit::prepare(writes.collect()).unwrap();
    commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "Delays")).unwrap();
    commit.arm().unwrap();
    commit.decide().unwrap();
    commit.tickets[..switched].iter().for_each(|ticket| ticket.steps()[0].forward().unwrap());
    die(commit);
}

fn journals(world: &World) -> usize {
    journal::paths(&world.path("state")).unwrap().len()
}

fn append(world: &World) -> Result<Vec<String>, CommitError> {
    let run = world.transaction();
    run.recover();
    run.enlist(owner(0), world.file("appended", How::Append, lines(), "more\n")).unwrap();
    run.enlist(owner(1), world.file("created", How::Replace, Recipe::Whole, "more")).unwrap();
    run.commit()
}

/// A missing directory takes all staged entries with it, and nothing was decided.
#[test]
fn an_undecided_commit_whose_directory_is_gone_is_over() {
    let world = World::new();
    fs::create_dir(world.path("out")).unwrap();
    let writes = ["out/a", "replaced"].into_iter().enumerate().map(|(node, name)| {
        let staged = world.file(name, How::Replace, Recipe::Whole, "new");
        Write { owner: owner(node), target: staged.target(), staged }
    });
    let mut commit = Commit::prepare(writes.collect()).unwrap();
    commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "Delays")).unwrap();
    commit.arm().unwrap();
    die(commit);
    fs::remove_dir_all(world.path("out")).unwrap();
    world.recover();
    world.check_old();
    assert_eq!(journals(&world), 0);
}

/// The directory may be on an unmounted drive: the journal is kept and reported, and blocks no other run.
#[test]
fn a_decided_commit_whose_directory_is_gone_is_told_of() {
    let world = World::new();
    decided(&world, 1);
    fs::rename(world.path("out"), world.path("elsewhere")).unwrap();
    for _ in 0..2 {
        let [note] = &world.transaction().recover()[..] else { panic!("it is not told of") };
        assert!(note.contains("cannot find the directory ") && note.contains("/out: No such file"), "{note}");
        append(&world).unwrap();
    }
    // Another directory of that name is not the one of the commit.
    fs::create_dir(world.path("out")).unwrap();
    let [note] = &world.transaction().recover()[..] else { panic!("it is not told of") };
    assert!(note.contains("the new data for ") && note.contains("/out/a is gone"), "{note}");
    assert_eq!(journals(&world), 1);

    fs::remove_dir(world.path("out")).unwrap();
    fs::rename(world.path("elsewhere"), world.path("out")).unwrap();
    assert_eq!(world.transaction().recover(), [""; 0]);
    assert_eq!(fs::read_to_string(world.path("out/b")).unwrap(), "new");
    assert_eq!(journals(&world), 0);
}

/// Data that somebody has removed is lost. This is reported once.
#[test]
fn lost_data_is_told_of() {
    let world = World::new();
    decided(&world, 1);
    fs::write(world.path("out/a"), "by hand").unwrap();
    fs::remove_file(world.path("out/a")).unwrap();
    for entry in fs::read_dir(world.path("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with("setl-ready") {
            fs::remove_file(path).unwrap();
        }
    }
    let recovered = recover(world.path("state")).unwrap();
    assert_eq!((recovered.finished.len(), recovered.lost.len(), recovered.kept.len()), (0, 2, 0));
    assert!(recovered.lost[0].ends_with("/out/a") && recovered.lost[1].ends_with("/out/b"));
    assert_eq!(journals(&world), 0);
    assert!(fs::read_dir(world.path("out")).unwrap().next().is_none());
}

/// A run is refused, with the way out, only if it writes to a target that waits for an earlier commit.
#[test]
fn only_who_writes_to_its_targets_waits_for_a_commit() {
    let world = World::new();
    decided(&world, 0);
    // An obstacle blocks one of the two targets.
    fs::create_dir(world.path("out/b")).unwrap();
    append(&world).unwrap();
    assert_eq!(fs::read_to_string(world.path("out/a")).unwrap(), "new");

    let write = |name| {
        let run = world.transaction();
        run.enlist(owner(1), world.file(name, How::Replace, Recipe::Whole, "later")).unwrap();
        run.commit()
    };
    write("out/a").unwrap();
    fs::remove_dir(world.path("out/b")).unwrap();
    // The obstacle returns after the write is staged.
    let run = world.transaction();
    run.enlist(owner(1), world.file("out/b", How::Replace, Recipe::Whole, "later")).unwrap();
    fs::create_dir(world.path("out/b")).unwrap();
    let Err(CommitError::RolledBack { owner: Some(Owner { node: 1, .. }), error }) = run.commit() else {
        panic!("it is committed");
    };
    let error = error.to_string();
    assert!(error.contains("/out/b waits for the commit of an earlier run"), "{error}");
    assert!(error.contains("`setl recover --set-aside /"), "{error}");

    let kept = recover(world.path("state")).unwrap().kept.remove(0);
    assert!(kept.targets.len() == 1 && kept.targets[0].ends_with("/out/b"), "{kept:?}");
    let [aside] = &set_aside(&kept.journal).unwrap()[..] else { panic!("nothing is set aside") };
    assert_eq!(fs::read_to_string(aside).unwrap(), "new");
    assert!(aside.extension().unwrap() == "setl-aside" && aside.parent().unwrap().ends_with("out"));
    assert_eq!(journals(&world), 0);
    fs::remove_dir(world.path("out/b")).unwrap();
    write("out/b").unwrap();
    // A target that was switched before keeps the data of later runs.
    assert_eq!(fs::read_to_string(world.path("out/a")).unwrap(), "later");
    assert_eq!(fs::read_to_string(world.path("out/b")).unwrap(), "later");
}

/// The process died after the last switch, and the journal could not be removed.
#[test]
fn a_note_of_a_journal_that_is_gone_is_in_nobodys_way() {
    let world = World::new();
    decided(&world, 2);
    fs::remove_dir_all(world.path("state")).unwrap();
    let run = world.transaction();
    run.enlist(owner(0), world.file("out/a", How::Replace, Recipe::Whole, "later")).unwrap();
    run.commit().unwrap();
    assert_eq!(fs::read_to_string(world.path("out/a")).unwrap(), "later");
}

#[test]
fn a_journal_that_is_damaged_is_in_nobodys_way() {
    let world = World::new();
    decided(&world, 0);
    let path = journal::paths(&world.path("state")).unwrap().remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    append(&world).unwrap();
    let [note] = &world.transaction().recover()[..] else { panic!("it is not told of") };
    assert!(note.contains("is damaged, but says that its run was decided"), "{note}");
    set_aside(&path).unwrap();
    assert_eq!(world.transaction().recover(), [""; 0]);
}
