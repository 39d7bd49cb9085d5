//! Crashes are simulated: a commit stops after some steps, and another transaction recovers.

mod concurrent;
mod hostile;
mod later;
mod pending;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::disk::{NO_EXCHANGE, NO_FLUSH};
use super::super::file::How;
use super::super::journal;
use super::super::merge::Recipe;
use super::super::ticket::RecoveryTicket;
use super::*;

/// A directory with targets and a state directory.
struct World(tempfile::TempDir);

fn owner(node: usize) -> Owner {
    Owner { node, attempt: 1 }
}

fn lines() -> Recipe {
    Recipe::Lines { header: "n\n".to_owned() }
}

fn parts() -> Recipe {
    Recipe::Directory { extension: "txt".to_owned(), layout: String::new() }
}

impl World {
    /// Creates a world in which all old targets exist.
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        fs::write(this.path("replaced"), "old").unwrap();
        fs::write(this.path("appended"), "n\nold").unwrap();
        fs::create_dir(this.path("parts")).unwrap();
        fs::write(this.path("parts/old.txt"), "old").unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn transaction(&self) -> Transaction {
        Transaction::new(Uuid::now_v7(), "Delays", Some(self.path("state")))
    }

    fn file(&self, name: &str, how: How, recipe: Recipe, text: &str) -> Box<dyn StagedWrite> {
        let staged = StagedFile::new(&self.path(name), how, recipe).unwrap();
        let directory = staged.path().is_dir();
        let path = if directory { staged.path().join(format!("{text}.txt")) } else { staged.path().into() };
        fs::write(path, text).unwrap();
        Box::new(staged)
    }

    /// Stages one write of each kind.
    fn staged(&self) -> Vec<Write> {
        let staged = [
            self.file("replaced", How::Replace, Recipe::Whole, "new"),
            self.file("created", How::Create, Recipe::Whole, "new"),
            self.file("parts", How::Replace, parts(), "new"),
            self.file("appended", How::Append, lines(), "new\n"),
            self.file("missing", How::Append, lines(), "new\n"),
        ];
        let write = |(node, staged): (usize, Box<dyn StagedWrite>)| Write {
            owner: owner(node),
            target: staged.target(),
            staged,
        };
        staged.into_iter().enumerate().map(write).collect()
    }

    /// A run that has staged all of them.
    fn run(&self) -> Transaction {
        let run = self.transaction();
        for write in self.staged() {
            run.enlist(write.owner, write.staged).unwrap();
        }
        run
    }

    /// Returns all files below the directory with their content, without the state directory.
    fn content(&self) -> BTreeMap<String, String> {
        fn walk(path: &Path, name: &str, into: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let name = format!("{name}/{}", entry.file_name().to_string_lossy());
                if entry.path().is_dir() {
                    walk(&entry.path(), &name, into);
                } else {
                    into.insert(name, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let mut content = BTreeMap::new();
        walk(self.0.path(), "", &mut content);
        content
    }

    fn check(&self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(self.content(), expected);
    }

    fn check_old(&self) {
        self.check(&[("/replaced", "old"), ("/appended", "n\nold"), ("/parts/old.txt", "old")]);
    }

    fn check_new(&self) {
        self.check(&[
            ("/replaced", "new"),
            ("/created", "new"),
            ("/appended", "n\nold\nnew\n"),
            ("/missing", "n\nnew\n"),
            ("/parts/new.txt", "new"),
        ]);
    }

    /// Recovers as the next run does, and the one after it.
    fn recover(&self) {
        for _ in 0..2 {
            assert_eq!(self.transaction().recover(), [""; 0]);
        }
        // The next write to a target removes the left-overs beside it.
        for name in ["replaced", "created", "parts", "appended", "missing"] {
            crate::aside::remove_left_overs(&self.path(name));
        }
    }
}

/// Simulates the death of a process: it leaves its files on disk and releases all locks.
fn die(commit: Commit) {
    for write in commit.writes {
        let write: Box<dyn Any> = write.staged;
        write.downcast::<StagedFile>().unwrap().die();
    }
}

/// Executes the first `steps` steps of a commit. Returns `true` if it is decided.
fn commit_until(world: &World, steps: usize) -> bool {
    let mut commit = Commit::prepare(world.staged()).unwrap();
    assert!(commit.needs_journal());
    let create = || Journal::create(&world.path("state"), Uuid::now_v7(), "Delays");
    let tickets = 5;
    if steps == 1 {
        commit.record(create).unwrap();
    } else if steps > 1 {
        commit.record(create).unwrap();
        let armed = (steps - 1).min(tickets);
        commit.tickets[..armed].iter().for_each(|ticket| ticket.arm().unwrap());
    }
    let decided = steps > tickets + 1;
    if decided {
        commit.decide().unwrap();
        let switched = (steps - tickets - 2).min(tickets);
        for ticket in &commit.tickets[..switched] {
            ticket.steps().iter().for_each(|step| step.forward().unwrap());
        }
    }
    die(commit);
    decided
}

/// A recovery that is killed itself after `tickets` tickets.
fn recover_until(world: &World, tickets: usize) {
    for path in journal::paths(&world.path("state")).unwrap() {
        let content = Journal::open(&path).unwrap().unwrap().read().unwrap();
        for step in content.tickets.iter().take(tickets).flat_map(|(ticket, _)| ticket.steps()) {
            if content.decided { step.forward() } else { step.back() }.unwrap();
        }
    }
}

fn check_every_crash() {
    for steps in 0..=12 {
        for recovered in 0..=5 {
            let world = World::new();
            let decided = commit_until(&world, steps);
            recover_until(&world, recovered);
            world.recover();
            if decided {
                world.check_new()
            } else {
                world.check_old()
            }
            assert!(journal::paths(&world.path("state")).unwrap().is_empty());
        }
    }
}

#[test]
fn every_crash_leaves_all_old_or_all_new() {
    check_every_crash();
}

#[test]
fn every_crash_where_directories_cannot_be_exchanged() {
    NO_EXCHANGE.set(true);
    check_every_crash();
    for between in [false, true] {
        let world = World::new();
        commit_until(&world, 7);
        // The two renames of the directory, up to the point of interruption.
        let mut paths = fs::read_dir(world.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let is_ready = |path: &PathBuf| path.to_string_lossy().ends_with(".setl-ready");
        let ready = paths.find(|path| path.to_string_lossy().contains("/.parts.") && is_ready(path)).unwrap();
        fs::rename(world.path("parts"), ready.with_extension("setl-old")).unwrap();
        if between {
            fs::rename(&ready, world.path("parts")).unwrap();
        }
        world.recover();
        world.check_new();
    }
    NO_EXCHANGE.set(false);
}

#[test]
fn a_commit_makes_all_visible_and_leaves_nothing() {
    let world = World::new();
    let transaction = world.run();
    let target = fs::canonicalize(world.path("replaced")).unwrap().display().to_string();
    assert!(transaction.has_staged(&target));
    assert_eq!(transaction.commit().unwrap().len(), 5);
    world.check_new();
    assert!(transaction.is_empty());
}

#[test]
fn one_write_needs_no_journal() {
    let world = World::new();
    for name in ["replaced", "parts"] {
        let transaction = world.transaction();
        let recipe = if name == "parts" { parts() } else { Recipe::Whole };
        transaction.enlist(owner(0), world.file(name, How::Replace, recipe, "new")).unwrap();
        transaction.commit().unwrap();
    }
    world.check(&[("/replaced", "new"), ("/appended", "n\nold"), ("/parts/new.txt", "new")]);
    assert!(!world.path("state").exists());
}

#[test]
fn what_cannot_be_prepared_rolls_back_all() {
    let world = World::new();
    let transaction = world.run();
    fs::write(world.path("appended"), "n\nolder").unwrap();
    let Err(CommitError::RolledBack { owner: Some(Owner { node: 3, .. }), error }) = transaction.commit()
    else {
        panic!("it is committed");
    };
    assert!(error.to_string().contains("changed by somebody else"), "{error}");
    world.check(&[("/replaced", "old"), ("/appended", "n\nolder"), ("/parts/old.txt", "old")]);
    assert!(!world.path("state").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_journal_that_cannot_be_written_rolls_back_all() {
    for recorded in [false, true] {
        let world = World::new();
        let mut commit = Commit::prepare(world.staged()).unwrap();
        let create = || {
            let mut journal = Journal::create(&world.path("state"), Uuid::now_v7(), "")?;
            if !recorded {
                journal.fill();
            }
            Ok(journal)
        };
        let mut result = commit.record(create);
        if recorded {
            result.unwrap();
            commit.arm().unwrap();
            commit.journal.as_mut().unwrap().fill();
            result = commit.decide();
        }
        let Err(CommitError::RolledBack { owner: None, error }) = result else {
            panic!("it is committed");
        };
        assert!(format!("{error:#}").contains("No space left"), "{error:#}");
        drop(commit);
        world.check_old();
        assert!(journal::paths(&world.path("state")).unwrap().is_empty());
    }
}

#[test]
fn what_fails_after_the_decision_is_finished_later() {
    let world = World::new();
    let mut commit = Commit::prepare(world.staged()).unwrap();
    commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "Delays")).unwrap();
    commit.arm().unwrap();
    commit.decide().unwrap();
    fs::create_dir(world.path("created")).unwrap();
    let Err(CommitError::Unfinished { owner: Some(Owner { node: 1, .. }), committed, open, .. }) =
        commit.switch()
    else {
        panic!("it is committed");
    };
    assert_eq!((committed.len(), open.len()), (4, 1));
    assert!(open[0].ends_with("created"));

    let [note] = &world.transaction().recover()[..] else { panic!("it is recovered") };
    assert!(note.contains(".journal cannot be recovered: ") && note.contains("exists already"), "{note}");
    assert!(note.contains("`setl recover --set-aside /"), "{note}");
    fs::remove_dir(world.path("created")).unwrap();
    assert_eq!(world.transaction().recover(), [""; 0]);
    world.check_new();
}

#[test]
fn writes_to_one_target_are_put_together_in_order() {
    let world = World::new();
    let transaction = world.transaction();
    for (node, text) in ["1\n", "2", "3\n"].into_iter().enumerate() {
        transaction.enlist(owner(node), world.file("appended", How::Append, lines(), text)).unwrap();
    }
    transaction.enlist(owner(4), world.file("parts", How::Append, parts(), "a")).unwrap();
    transaction.enlist(owner(5), world.file("parts", How::Append, parts(), "b")).unwrap();
    transaction.enlist(owner(6), world.file("created", How::Replace, lines(), "n\nn\n")).unwrap();
    transaction.enlist(owner(7), world.file("created", How::Append, lines(), "n\n")).unwrap();
    let again = world.file("created", How::Replace, lines(), "n\n");
    assert!(transaction.enlist(owner(8), again).unwrap_err().to_string().contains("two writes of one run"));
    transaction.commit().unwrap();
    world.check(&[
        ("/replaced", "old"),
        ("/appended", "n\nold\n1\n2\n3\n"),
        ("/created", "n\nn\nn\n"),
        ("/parts/old.txt", "old"),
        ("/parts/a.txt", "a"),
        ("/parts/b.txt", "b"),
    ]);
}

#[test]
fn writes_that_do_not_fit_together() {
    let world = World::new();
    let transaction = world.transaction();
    transaction.enlist(owner(0), world.file("appended", How::Append, lines(), "1\n")).unwrap();
    let other = Recipe::Lines { header: "m\n".to_owned() };
    transaction.enlist(owner(1), world.file("appended", How::Append, other, "1\n")).unwrap();
    let Err(CommitError::RolledBack { owner: Some(Owner { node: 1, .. }), error }) = transaction.commit()
    else {
        panic!("it is committed");
    };
    assert!(error.to_string().contains("differ in format or columns"), "{error}");
    world.check_old();
}

#[test]
fn what_is_there_may_have_to_stay() {
    let world = World::new();
    let exists = StagedFile::new(&world.path("replaced"), How::Create, Recipe::Whole).unwrap_err();
    assert!(exists.to_string().contains("exists already"), "{exists}");
    for (name, how) in [("a", How::Create), ("b", How::CreateOrStay)] {
        let transaction = world.transaction();
        transaction.enlist(owner(0), world.file(name, how, Recipe::Whole, "new")).unwrap();
        fs::write(world.path(name), "theirs").unwrap();
        assert_eq!(transaction.commit().is_ok(), name == "b");
        assert_eq!(fs::read_to_string(world.path(name)).unwrap(), "theirs");
        fs::remove_file(world.path(name)).unwrap();
    }
    fs::write(world.path("parts/notes.md"), "").unwrap();
    let foreign = StagedFile::new(&world.path("parts"), How::Replace, parts()).unwrap_err();
    assert!(foreign.to_string().contains("holds notes.md, which is not a txt file"), "{foreign}");
    fs::remove_file(world.path("parts/notes.md")).unwrap();
    world.check_old();
}

#[test]
fn what_is_not_committed_is_discarded() {
    let world = World::new();
    let transaction = world.run();
    assert!(transaction.discard(|owner| owner.node < 2).is_empty());
    assert!(!transaction.is_empty());
    // The drop of a process that exits early.
    drop(transaction);
    world.check_old();
    let transaction = world.transaction();
    transaction.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
    drop(transaction);
    world.check_old();
}

#[test]
fn what_dead_processes_have_left_is_removed_and_nothing_else() {
    let world = World::new();
    let living = world.file("replaced", How::Replace, Recipe::Whole, "living");
    for write in world.staged() {
        let write: Box<dyn Any> = write.staged;
        write.downcast::<StagedFile>().unwrap().die();
    }
    let uuid = Uuid::now_v7();
    for name in ["replaced.x", "other"] {
        fs::write(world.path(&format!(".{name}.{uuid}.setl-tmp")), "of another target").unwrap();
    }
    for kind in ["setl-ready", "setl-kept"] {
        fs::write(world.path(&format!(".replaced.{uuid}.{kind}")), "needed").unwrap();
    }
    assert_eq!(world.content().len(), 3 + 1 + 5 + 4);
    for write in world.staged() {
        write.staged.rollback().unwrap();
    }
    assert_eq!(world.content().len(), 3 + 1 + 4);
    living.commit().unwrap();
    assert_eq!(fs::read_to_string(world.path("replaced")).unwrap(), "living");
}

/// The lock of the target protects the staged entries from before their own locks are given up until these are taken
/// again.
#[test]
fn what_a_commit_has_staged_is_no_left_over() {
    let world = World::new();
    let commit = Commit::prepare(world.staged()).unwrap();
    let before = world.content();
    for name in ["replaced", "created", "parts", "appended", "missing"] {
        crate::aside::remove_left_overs(&world.path(name));
    }
    assert_eq!(world.content(), before);
    assert_eq!(commit.switch().unwrap().len(), 5);
    world.check_new();

    let is_locked = |staged: &StagedFile| {
        matches!(super::super::disk::lock(staged.path()).unwrap(), super::super::disk::Locked::Busy)
    };
    let mut staged = StagedFile::new(&world.path("replaced"), How::Replace, Recipe::Whole).unwrap();
    assert!(is_locked(&staged));
    staged.rely_on_target();
    assert!(!is_locked(&staged));
    staged.rely_on_itself().unwrap();
    assert!(is_locked(&staged));
}

#[test]
fn a_switch_that_cannot_be_flushed_is_not_rolled_back() {
    for (name, recipe, visible, before) in
        [("parts", parts(), "/parts/new.txt", "/old.txt"), ("replaced", Recipe::Whole, "/replaced", "")]
    {
        let world = World::new();
        let run = world.transaction();
        let staged = world.file(name, How::Replace, recipe, "new");
        let target = staged.target();
        run.enlist(owner(3), staged).unwrap();
        NO_FLUSH.with(|directories| directories.borrow_mut().push(world.0.path().canonicalize().unwrap()));
        let error = run.commit().unwrap_err();
        NO_FLUSH.with(|directories| directories.borrow_mut().clear());
        let CommitError::Unfinished { owner: of, error, committed, open } = error else {
            panic!("{error:?}")
        };
        assert_eq!((of, committed, open), (Some(owner(3)), vec![target], Vec::new()));
        let text = format!("{error:#}");
        assert!(text.contains("holds the new data") && text.contains("no flush"), "{text}");
        drop(run);
        // The old directory stays until it is certain that nobody needs it.
        let content = world.content();
        assert_eq!(content[visible], "new");
        assert!(
            before.is_empty() || content.iter().any(|(path, text)| path.ends_with(before) && text == "old")
        );
        // The next write removes it.
        crate::aside::remove_left_overs(&world.path(name));
        assert_eq!(world.content().len(), 3, "{:?}", world.content());
    }
}

#[test]
#[cfg(unix)]
fn two_names_of_one_place_are_not_waited_for() {
    let world = World::new();
    let run = world.transaction();
    for (node, name) in ["one", "other"].into_iter().enumerate() {
        run.enlist(owner(node), world.file(name, How::Append, lines(), "new\n")).unwrap();
    }
    // As if both were one directory entry.
    fs::write(world.path(".one.setl-lock"), "").unwrap();
    fs::hard_link(world.path(".one.setl-lock"), world.path(".other.setl-lock")).unwrap();
    let error = run.commit().unwrap_err();
    let CommitError::RolledBack { owner: of, error } = error else { panic!("{error:?}") };
    assert_eq!(of, Some(owner(1)));
    assert!(matches!(error.downcast_ref(), Some(WriteError::Twice { .. })), "{error:#}");
    assert!(!world.path("one").exists() && !world.path("other").exists());
}
