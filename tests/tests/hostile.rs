//! State directories in which others have planted something: it is not acted upon, and nothing elsewhere is touched.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use setl::commit::StagedFile;
use setl::prelude::*;
use setl_tests::runtime;

/// A user that is neither this one nor root.
const OTHER: u32 = 54_321;

/// Only root can make files of another user. Says so where this is not root.
fn is_root() -> bool {
    let file = tempfile::NamedTempFile::new().unwrap();
    let is_root = file.as_file().metadata().unwrap().uid() == 0;
    if !is_root {
        eprintln!("SKIPPED: only root can plant files of another user; run this test as root, too");
    }
    is_root
}

/// Where a factory writes, how often each has run, and whether the last one fails.
#[derive(Clone, Default)]
struct Desk {
    target: PathBuf,
    kept: Arc<AtomicUsize>,
    cached: Arc<AtomicUsize>,
    fails: bool,
}

/// Saves something, which is kept with its checkpoint.
#[factory(checkpoint)]
fn kept(context: Context, desk: Desk) -> Result<u64> {
    desk.kept.fetch_add(1, Ordering::SeqCst);
    let staged = StagedFile::beside(&desk.target)?;
    fs::write(staged.path(), "saved")?;
    context.enlist(Box::new(staged))?;
    Ok(1)
}

#[factory(cache)]
fn cached(desk: Desk) -> u32 {
    desk.cached.fetch_add(1, Ordering::SeqCst);
    2
}

#[factory]
fn last(kept: u64, cached: u32, desk: Desk) -> Result<()> {
    match desk.fails {
        true => Err(setl::Error::msg("enough")),
        false if (kept, cached) == (1, 2) => Ok(()),
        false => Err(setl::Error::msg("somebody else's values were taken")),
    }
}

#[pipeline(all(kept, cached, last))]
struct Hostile {
    #[delivery(opaque)]
    desk: Desk,
}

/// A directory with a state directory in it, in which a run that failed has left a checkpoint and a cached output.
struct Scene {
    root: tempfile::TempDir,
}

/// Which factories ran, and how the run ended.
#[derive(Debug)]
struct Seen {
    kept: bool,
    cached: bool,
    error: Option<String>,
}

impl Scene {
    fn new() -> Self {
        let this = Self { root: tempfile::tempdir().unwrap() };
        let seen = this.run(true);
        assert!(seen.kept && seen.cached && seen.error.unwrap().contains("enough"));
        assert_eq!(fs::read_dir(this.state().join("checkpoints")).unwrap().count(), 1);
        this
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn run(&self, fails: bool) -> Seen {
        let desk = Desk { target: self.root.path().join("out/target"), fails, ..Desk::default() };
        fs::create_dir_all(desk.target.parent().unwrap()).unwrap();
        let run = Hostile { desk: desk.clone() }.run().state_dir(self.state()).resume();
        let outcome = runtime(1).block_on(async move { run.await });
        let has_run = |count: &AtomicUsize| count.load(Ordering::SeqCst) > 0;
        let error = outcome.err().map(|error| format!("{:#}", setl::Error::new(error)));
        Seen { kept: has_run(&desk.kept), cached: has_run(&desk.cached), error }
    }

    /// All that lies in the state directory, by its path in it.
    fn all(&self) -> Vec<PathBuf> {
        let state = self.state();
        tree(&state).into_keys().map(|path| path.strip_prefix(&state).unwrap().to_owned()).collect()
    }
}

/// What lies in a directory: the content of each file, and where each link leads.
fn tree(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            all.extend(tree(&path));
            all.insert(path, Vec::new());
        } else if metadata.is_symlink() {
            let leads_to = fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes();
            all.insert(path, leads_to);
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn all_that_a_run_leaves_is_private() {
    let scene = Scene::new();
    for path in scene.all() {
        let metadata = fs::symlink_metadata(scene.state().join(&path)).unwrap();
        let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.mode() & 0o7777, mode, "{}", path.display());
    }
    assert_eq!(fs::metadata(scene.state()).unwrap().mode() & 0o7777, 0o700);
    // It is used as it is.
    let seen = scene.run(false);
    assert_eq!((seen.kept, seen.cached, seen.error), (false, false, None));
}

/// A state directory that cannot be trusted: the run does not start, says why and what to do, and touches nothing.
#[track_caller]
fn refused(make: impl Fn(&Path), found: &str, cure: &str) {
    let scene = Scene::new();
    let state = scene.state();
    make(&state);
    let before = tree(scene.root.path());
    let seen = scene.run(false);
    let error = seen.error.unwrap();
    assert!(!seen.kept && !seen.cached, "{error}");
    for part in [found, &cure.replace("STATE", &state.display().to_string()), "SETL_STATE_DIR"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert_eq!(tree(scene.root.path()), before);
}

#[test]
fn a_state_directory_that_others_can_write_to_is_refused() {
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        let has = format!("has the mode {mode:04o}");
        refused(|state| set_mode(state, mode), &has, "run `chmod go-w STATE`");
    }
}

#[test]
fn a_state_directory_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let belongs = format!("belongs to user {OTHER}");
    let cure = "`chown -h 0 STATE`";
    refused(|state| chown(state, Some(OTHER), None).unwrap(), &belongs, cure);
    refused(
        |state| {
            fs::rename(state, state.with_file_name("elsewhere")).unwrap();
            symlink("elsewhere", state).unwrap();
            lchown(state, Some(OTHER), None).unwrap();
        },
        &belongs,
        cure,
    );
}

#[test]
fn a_state_directory_behind_a_link_of_ones_own_is_used() {
    let scene = Scene::new();
    fs::rename(scene.state(), scene.root.path().join("elsewhere")).unwrap();
    symlink("elsewhere", scene.state()).unwrap();
    let seen = scene.run(false);
    assert_eq!((seen.kept, seen.cached, seen.error), (false, false, None));
}

/// Plants something in the place of everything that a run has left, one after another. `plant` is given its path; what was
/// planted is not used: where the run goes on, the factory that it is of runs again.
fn plant_everywhere(plant: impl Fn(&Path) -> bool) {
    for index in 0..Scene::new().all().len() {
        let scene = Scene::new();
        let path = scene.all().swap_remove(index);
        if !plant(&scene.state().join(&path)) {
            continue;
        }
        let elsewhere = scene.root.path().join("elsewhere");
        let before = elsewhere.exists().then(|| tree(&elsewhere));
        let seen = scene.run(false);
        let shown = path.display();
        // How often an entry was taken is told by nobody's word but its own, and says nothing about what is in it.
        let is_counter = path.ends_with("used");
        match &seen.error {
            Some(error) => {
                assert!(
                    error.contains(&*path.to_string_lossy()) && !error.contains("values were taken"),
                    "{error}"
                )
            }
            None if is_counter => {}
            None if path.starts_with("cache") => assert!(seen.cached, "{shown} was used: {seen:?}"),
            None => assert!(seen.kept, "{shown} was used: {seen:?}"),
        }
        assert_eq!(elsewhere.exists().then(|| tree(&elsewhere)), before, "{shown}");
        if seen.error.is_none() {
            assert_eq!(fs::read_to_string(scene.root.path().join("out/target")).unwrap(), "saved", "{shown}");
        }
    }
}

#[test]
fn what_another_user_has_made_is_not_used() {
    if is_root() {
        plant_everywhere(|path| chown(path, Some(OTHER), None).is_ok());
    }
}

#[test]
fn what_others_can_write_to_is_not_used() {
    plant_everywhere(|path| {
        set_mode(path, if path.is_dir() { 0o777 } else { 0o666 });
        true
    });
}

#[test]
fn links_are_not_followed() {
    plant_everywhere(|path| {
        let elsewhere =
            path.ancestors().find(|above| above.ends_with("state")).unwrap().with_file_name("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "untouched").unwrap();
        let moved = elsewhere.join("moved");
        fs::rename(path, &moved).unwrap();
        symlink(&moved, path).unwrap();
        true
    });
}

#[test]
fn marks_of_others_are_not_believed() {
    if !is_root() {
        return;
    }
    // It says that all that the checkpoints stand for is committed, so that they are removed.
    let scene = Scene::new();
    let all = scene.all();
    let of_pipeline =
        all.iter().find(|path| path.starts_with("checkpoints") && path.components().count() == 2);
    let mark = scene.state().join(of_pipeline.unwrap()).with_extension("committed");
    fs::write(&mark, "run").unwrap();
    chown(&mark, Some(OTHER), None).unwrap();
    let seen = scene.run(false);
    assert_eq!((seen.kept, seen.cached, seen.error), (false, false, None));
}

#[test]
fn the_cache_of_others_is_neither_listed_nor_cleared() {
    let scene = Scene::new();
    assert_eq!(setl::cache::list(scene.state()).unwrap().len(), 1);
    set_mode(&scene.state().join("cache"), 0o777);
    let before = tree(&scene.state());
    let error = setl::cache::list(scene.state()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("has the mode 0777"));
    assert!(setl::cache::clear(scene.state()).is_err());
    assert_eq!(tree(&scene.state()), before);
}
