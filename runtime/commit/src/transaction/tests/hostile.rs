//! Unusual names, kinds and permissions of files, and files that another user has planted.
#![cfg(unix)]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::{recover, set_aside};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// An undecided or decided commit of all targets, and its journal.
fn left(world: &World, decided: bool) -> PathBuf {
    assert_eq!(commit_until(world, if decided { 7 } else { 6 }), decided);
    journal::paths(&world.path("state")).unwrap().remove(0)
}

#[test]
fn a_journal_that_others_could_have_written_is_not_acted_upon() {
    for decided in [false, true] {
        let world = World::new();
        let path = left(&world, decided);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let before = world.content();
        let act: [&dyn Fn(); 3] = [&|| set_mode(&path, 0o620), &|| set_mode(&path, 0o602), &|| {
            set_mode(&path, 0o600);
            std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
        }];
        // Only root can give a file to another user.
        let acts = if uzers::get_effective_uid() == 0 { 3 } else { 2 };
        for act in &act[..acts] {
            act();
            let recovered = recover(world.path("state")).unwrap();
            let [kept] = &recovered.kept[..] else { panic!("{recovered:?}") };
            assert!(kept.reason.ends_with("nothing is done of what it says"), "{}", kept.reason);
            assert!(set_aside(&path).is_err());
            assert_eq!(world.content(), before);
        }
        // A note does not lead to the journal, either.
        let other = Transaction::new(Uuid::now_v7(), "Other", Some(world.path("elsewhere")));
        other.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "later")).unwrap();
        let Err(CommitError::RolledBack { error, .. }) = other.commit() else { panic!("it is committed") };
        assert!(matches!(error.downcast_ref(), Some(WriteError::Pending { .. })), "{error:#}");
        assert_eq!(world.content(), before);
    }
}

/// Replaces each path of a ticket with one that is not staged for its target.
#[test]
fn a_ticket_that_names_anything_else_is_not_acted_upon() {
    let uuid = Uuid::now_v7();
    for decided in [false, true] {
        for field in 0..6 {
            let world = World::new();
            fs::create_dir(world.path("victim")).unwrap();
            fs::write(world.path("victim/precious.txt"), "precious").unwrap();
            let victims = [
                world.path("victim"),
                world.path("victim/precious.txt"),
                world.path(&format!(".other.{uuid}.setl-tmp")),
                world.path(&format!("victim/.parts.{uuid}.setl-tmp")),
                world.path(&format!(".parts.{uuid}.setl-tmp/../victim")),
            ];
            for victim in &victims {
                let mut commit = Commit::prepare(world.staged()).unwrap();
                for write in &mut commit.writes {
                    commit.tickets.push(write.staged.ticket().unwrap());
                }
                let RecoveryTicket::Files { steps } = &mut commit.tickets[2] else { panic!("it has files") };
                let step = &mut steps[0];
                let directory = step.directory.as_mut().unwrap();
                match field {
                    0 => step.aside = victim.clone(),
                    1 => step.ready = victim.clone(),
                    2 => directory.old = victim.clone(),
                    3 => directory.trash = victim.clone(),
                    4 => step.scrap = vec![victim.clone()],
                    _ => step.target = victim.clone(),
                }
                let mut journal = Journal::create(&world.path("state"), Uuid::now_v7(), "").unwrap();
                journal.record(commit.tickets.clone()).unwrap();
                if decided {
                    journal.decide(5).unwrap();
                }
                let path = journal.path().to_owned();
                drop(journal);
                let before = world.content();
                let recovered = recover(world.path("state")).unwrap();
                assert!(recovered.kept[0].reason.contains("is nothing that is staged for"), "{recovered:?}");
                assert!(set_aside(&path).is_err());
                assert_eq!(world.content(), before, "field {field}, {}", victim.display());
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// A directory above the target became a link to the directory of another user.
#[test]
fn a_link_in_the_place_of_a_directory_is_not_followed() {
    for decided in [false, true] {
        let world = World::new();
        let moved = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(world.0.path()).unwrap();
        let (here, there) = (root.join("data"), moved.path().join("data"));
        fs::create_dir(&here).unwrap();
        let staged = StagedFile::beside(here.join("a")).unwrap();
        fs::write(staged.path(), "new").unwrap();
        let other = StagedFile::beside(here.join("b")).unwrap();
        let run = Transaction::new(Uuid::now_v7(), "", Some(world.path("second")));
        run.enlist(owner(0), Box::new(staged)).unwrap();
        run.enlist(owner(1), Box::new(other)).unwrap();
        let mut commit = Commit::prepare(mem::take(&mut *run.lock())).unwrap();
        commit.record(|| Journal::create(&world.path("second"), Uuid::now_v7(), "")).unwrap();
        commit.arm().unwrap();
        if decided {
            commit.decide().unwrap();
        }
        die(commit);
        fs::rename(&here, &there).unwrap();
        symlink(&there, &here).unwrap();
        let count = || fs::read_dir(&there).unwrap().count();
        let before = count();
        let recovered = recover(world.path("second")).unwrap();
        assert!(recovered.kept[0].reason.contains("the directory of "), "{recovered:?}");
        assert_eq!(count(), before);
    }
}

/// A note leads only to a journal: a note that names any other file is removed.
#[test]
fn a_planted_note_leads_nowhere() {
    let world = World::new();
    fs::create_dir(world.path("runs")).unwrap();
    let uuid = Uuid::now_v7();
    let victims = ["victim", "runs/victim.journal", &format!("{uuid}.journal"), &format!("runs/{uuid}.txt")];
    for victim in victims.map(|victim| world.path(victim)) {
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, world.path(".replaced.setl-open")).unwrap();
        let run = world.transaction();
        run.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
        run.commit().unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(world.path(".replaced.setl-open")).is_err());
        assert!(set_aside(&victim).unwrap_err().to_string().contains("is no journal"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}

/// Links, FIFOs and directories in the place of a lock or a note.
#[test]
fn nothing_planted_is_opened_or_removed_for_a_lock() {
    let world = World::new();
    let victim = world.path("victim");
    fs::write(&victim, "precious").unwrap();
    let lock = world.path(".replaced.setl-lock");
    let write = || {
        let run = world.transaction();
        run.enlist(owner(0), world.file("replaced", How::Replace, Recipe::Whole, "new")).unwrap();
        run.commit()
    };
    symlink(&victim, &lock).unwrap();
    assert!(write().is_err());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    assert!(write().is_err());
    fs::remove_dir(&lock).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &lock, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    assert!(write().is_err());
    fs::remove_file(&lock).unwrap();
    // A left-over is a file, or a directory of files.
    let uuid = Uuid::now_v7();
    let tree = world.path(&format!(".replaced.{uuid}.setl-tmp"));
    fs::create_dir_all(tree.join("inner")).unwrap();
    fs::write(tree.join("precious"), "").unwrap();
    symlink(&victim, world.path(&format!(".replaced.{}.setl-tmp", Uuid::now_v7()))).unwrap();
    write().unwrap();
    assert!(tree.join("inner").exists() && tree.join("precious").exists());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let world = World::new();
    let fifo = world.path("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap();
    symlink(&fifo, world.path("link")).unwrap();
    for path in [fifo.clone(), world.path("socket"), world.path("link"), "/dev/null".into()] {
        for how in [How::Replace, How::Append, How::Create, How::CreateOrStay] {
            let error = StagedFile::new(&path, how, lines()).unwrap_err().to_string();
            assert!(error.contains("it is a FIFO, a socket or a device"), "{}: {error}", path.display());
        }
    }
}

/// A link stays a link and its destination is written, even if the destination does not exist yet.
#[test]
fn links_are_followed_to_the_target() {
    let world = World::new();
    fs::create_dir(world.path("deep")).unwrap();
    symlink("deep/second", world.path("first")).unwrap();
    symlink("data", world.path("deep/second")).unwrap();
    for text in ["one", "two"] {
        let staged = world.file("first", How::Replace, Recipe::Whole, text);
        assert!(staged.target().ends_with("deep/data"), "{}", staged.target());
        staged.commit().unwrap();
        assert_eq!(fs::read_to_string(world.path("deep/data")).unwrap(), text);
        assert!(fs::symlink_metadata(world.path("first")).unwrap().is_symlink());
    }
    symlink("loop", world.path("loop")).unwrap();
    assert!(StagedFile::beside(world.path("loop")).is_err());
}

#[test]
fn any_name_that_a_file_can_have() {
    let world = World::new();
    let long = |byte: u8, length: usize| vec![byte; length];
    let mut names =
        vec![b"a\xff.csv".to_vec(), b"a\xfe.csv".to_vec(), b"a\\xff.csv".to_vec(), b"a\nb".to_vec()];
    names.extend([199, 200, 201, 234, 254, 255].map(|length| long(b'n', length)));
    // Two long names that have the same beginning.
    names.push([long(b'n', 254), vec![b'o']].concat());
    names.push("ß".repeat(127).into_bytes());
    let run = world.transaction();
    for (node, name) in names.iter().enumerate() {
        let path = world.0.path().join(OsStr::from_bytes(name));
        let staged = StagedFile::beside(&path).unwrap();
        fs::write(staged.path(), node.to_string()).unwrap();
        run.enlist(owner(node), Box::new(staged)).unwrap();
    }
    assert_eq!(run.commit().unwrap().len(), names.len());
    for (node, name) in names.iter().enumerate() {
        let text = fs::read_to_string(world.0.path().join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(text, node.to_string());
    }
    assert_eq!(fs::read_dir(world.0.path()).unwrap().count(), names.len() + 4);

    // A crash is recovered as well.
    let mut commit = Commit::prepare(
        names
            .iter()
            .enumerate()
            .map(|(node, name)| {
                let staged = StagedFile::beside(world.0.path().join(OsStr::from_bytes(name))).unwrap();
                fs::write(staged.path(), "recovered").unwrap();
                Write { owner: owner(node), target: staged.target(), staged: Box::new(staged) }
            })
            .collect(),
    )
    .unwrap();
    commit.record(|| Journal::create(&world.path("state"), Uuid::now_v7(), "")).unwrap();
    commit.arm().unwrap();
    commit.decide().unwrap();
    die(commit);
    let recovered = recover(world.path("state")).unwrap();
    assert_eq!((recovered.finished.len(), recovered.kept.len()), (names.len(), 0), "{recovered:?}");
    for name in &names {
        let text = fs::read_to_string(world.0.path().join(OsStr::from_bytes(name))).unwrap();
        assert_eq!(text, "recovered");
    }
    let names = StagedFile::beside(world.0.path().join(OsStr::from_bytes(b"x\xff"))).unwrap();
    assert!(names.target().ends_with("/x\\xFF\""), "{}", names.target());
}

/// A user who cannot read the old data cannot read the staged data.
#[test]
fn what_is_staged_has_the_permissions_of_its_target() {
    let world = World::new();
    for of_target in [0o600, 0o640, 0o400, 0o644] {
        set_mode(&world.path("replaced"), of_target);
        let staged = StagedFile::beside(world.path("replaced")).unwrap();
        assert_eq!(mode(staged.path()) & !of_target & 0o077, 0, "{of_target:o}");
        fs::write(staged.path(), "new").unwrap();
        Box::new(staged).commit().unwrap();
        assert_eq!(mode(&world.path("replaced")), of_target);
    }
    set_mode(&world.path("parts"), 0o750);
    let staged = StagedFile::new(&world.path("parts"), How::Append, parts()).unwrap();
    assert_eq!(mode(staged.path()), 0o700);
    fs::write(staged.path().join("x.txt"), "").unwrap();
    Box::new(staged).commit().unwrap();
    assert_eq!(mode(&world.path("parts")), 0o750);
}

/// Foreign implementations may panic at any call, also at one that has succeeded before.
#[test]
fn a_write_that_panics_when_it_is_asked_again() {
    #[derive(Debug)]
    struct Fickle(std::cell::Cell<u32>, u32);
    impl StagedWrite for Fickle {
        fn target(&self) -> String {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() < self.1, "asked once too often");
            "fickle".to_owned()
        }
        fn commit(self: Box<Self>) -> crate::Result<()> {
            Ok(())
        }
        fn rollback(self: Box<Self>) -> crate::Result<()> {
            Ok(())
        }
    }
    for calls in 1..5 {
        let world = World::new();
        let run = world.run();
        let enlisted = run.enlist(owner(5), Box::new(Fickle(Default::default(), calls)));
        assert_eq!(enlisted.is_ok(), calls > 1);
        assert_eq!(run.commit().unwrap().len(), 5 + usize::from(calls > 1));
        world.check_new();
        assert!(journal::paths(&world.path("state")).unwrap().is_empty());
    }
}
