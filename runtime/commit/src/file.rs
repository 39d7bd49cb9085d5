//! A file or a directory of files, written beside its target.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::aside::{self, Aside};
use super::disk::{self, Identity};
use super::error::WriteError;
use super::fixed;
use super::lock::{self, TargetLock};
use super::merge::{Recipe, part_names};
use super::ticket::{Directory, Expect, FileStep, Ticket};
use super::{KeptWrite, StagedWrite};

/// A new version of a file, written beside it and put in its place by a rename.
///
/// It is what the file formats of this crate use, and can be used for files of any other kind: write to
/// [`path`](Self::path), then commit. Nothing else has to be done: committing brings the content to disk first, and
/// gives it the permissions of the file that it replaces. Dropping it without a commit removes the new version.
///
/// ```
/// use setl_commit::{StagedFile, StagedWrite};
///
/// # let directory = std::env::temp_dir().join(format!("setl-staged-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// let report = directory.join("report.html");
/// let mut staged = StagedFile::beside(&report)?;
/// std::fs::write(staged.path(), "<h1>Delays</h1>")?;
/// assert!(!report.exists());
///
/// staged.prepare()?;
/// Box::new(staged).commit()?;
/// assert_eq!(std::fs::read_to_string(&report)?, "<h1>Delays</h1>");
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), setl_commit::Error>(())
/// ```
#[derive(Debug)]
pub struct StagedFile {
    /// As it was named.
    place: PathBuf,
    /// What that means.
    target: PathBuf,
    how: How,
    /// What was at the target when this was staged.
    base: Option<Identity>,
    recipe: Recipe,
    /// What was written; the first is the whole new content unless it is to be appended.
    pieces: Vec<Aside>,
    /// Whether all that was written is on disk.
    flushed: bool,
    /// What `prepare` has made of the pieces.
    new: Option<(Aside, Expect)>,
    /// What the journal says of it. From then on, what is on disk outlives this.
    step: Option<FileStep>,
    lock: Lock,
}

/// Who sees to it that no other process commits to the target meanwhile.
#[derive(Debug)]
enum Lock {
    /// Nobody yet.
    None,
    /// This write, which is committed by itself.
    Own(#[allow(dead_code, reason = "it is held until this is dropped")] TargetLock),
    /// The transaction that it is part of, which also flushes the directory.
    OfTransaction,
}

/// The effect of a staged file on the old content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is replaced.
    Replace,
    /// There must be none.
    Create,
    /// If there is some, it stays.
    CreateOrStay,
    /// The new comes after it.
    Append,
}

impl StagedFile {
    /// Begins a new version of the file at `target`, which need not exist yet. Its directory must.
    ///
    /// What processes that were killed have left beside the target is removed.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn beside(target: impl AsRef<Path>) -> crate::Result<Self> {
        Ok(Self::new(target.as_ref(), How::Replace, Recipe::Whole)?)
    }

    /// Begins a new version of `place`, which says what becomes of the old content and how pieces are put together.
    ///
    /// # Errors
    /// When the target is of another kind or in another state than `how` and `recipe` expect, or nothing can be written beside it.
    pub fn new(place: &Path, how: How, recipe: Recipe) -> Result<Self, WriteError> {
        let (place, target) = (place.to_owned(), disk::resolved(place));
        check_kind(&target)?;
        aside::remove_left_overs(&target);
        let base = Identity::of(&target).map_err(WriteError::io("read", &target))?;
        let pieces = Vec::new();
        let lock = Lock::None;
        let mut this =
            Self { place, target, how, base, recipe, pieces, flushed: false, new: None, step: None, lock };
        this.check(this.base.as_ref())?;
        this.pieces.push(this.aside()?);
        Ok(this)
    }

    /// Where the new version is to be written: a file, or a directory, that is there and empty.
    pub fn path(&self) -> &Path {
        let piece = self.pieces.last().or(self.new.as_ref().map(|(aside, _)| aside));
        piece.map_or(self.target.as_path(), Aside::path)
    }

    /// Whether there was something at the target when this was staged.
    pub fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// Brings what was written to disk.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        disk::sync_all(self.path()).map_err(WriteError::io("flush", self.path()))?;
        self.flushed = true;
        Ok(())
    }

    /// What a transaction locks before it prepares this.
    pub(super) fn lock_with_others(&mut self) -> PathBuf {
        self.lock = Lock::OfTransaction;
        self.target.clone()
    }

    /// Has the lock of the target stand for those of what is staged.
    pub(super) fn rely_on_target(&mut self) {
        self.pieces.iter_mut().for_each(Aside::unlock);
    }

    /// Undoes [`rely_on_target`](Self::rely_on_target), while the target is still locked.
    pub(super) fn rely_on_itself(&mut self) -> Result<(), WriteError> {
        let pieces = &mut self.pieces;
        pieces.iter_mut().try_for_each(|piece| piece.relock().map_err(WriteError::io("lock", piece.path())))
    }

    fn aside(&self) -> Result<Aside, WriteError> {
        Aside::new(&self.target, self.recipe.is_directory()).map_err(WriteError::io("create", &self.target))
    }

    /// Checks what is there before it is replaced.
    fn check(&self, found: Option<&Identity>) -> Result<(), WriteError> {
        let target = || self.target();
        let Some(found) = found else {
            return Ok(());
        };
        match (found.is_directory(), &self.recipe) {
            (true, Recipe::Directory { extension, .. }) => {
                // What stays as it is may hold what it likes.
                if self.how != How::CreateOrStay {
                    part_names(&self.target, extension)?;
                }
            }
            (true, _) => {
                return Err(WriteError::Kind { target: target(), found: "a directory", expected: "a file" });
            }
            (false, Recipe::Directory { .. }) => {
                return Err(WriteError::Kind { target: target(), found: "a file", expected: "a directory" });
            }
            (false, _) => {}
        }
        if self.how == How::Create { Err(WriteError::Exists { target: target() }) } else { Ok(()) }
    }

    /// What must be at the target when it is replaced; an error if it is not there now.
    fn expect(&self) -> Result<Expect, WriteError> {
        let found = Identity::of(&self.target).map_err(WriteError::io("read", &self.target))?;
        self.check(found.as_ref())?;
        match self.how {
            How::Append if found != self.base => Err(WriteError::Changed { target: self.target() }),
            How::CreateOrStay if found.is_some() && self.pieces.len() > 1 => {
                Err(WriteError::Changed { target: self.target() })
            }
            How::Append => Ok(found.map_or(Expect::Nothing, Expect::Same)),
            How::Replace => Ok(Expect::Anything),
            How::Create => Ok(Expect::Nothing),
            How::CreateOrStay => Ok(Expect::NothingOrStay),
        }
    }

    /// Puts all pieces together, if there is more than one, or an old content before them.
    fn merged(&mut self) -> crate::Result<Aside> {
        let old = (self.how == How::Append && self.base.is_some()).then_some(self.target.as_path());
        let bare = self.how == How::Append && self.recipe.is_bare();
        if old.is_none() && self.pieces.len() == 1 && !bare {
            return self.pieces.pop().ok_or_else(|| crate::Error::msg("nothing was staged"));
        }
        let mut merged = self.aside()?;
        if !matches!(self.lock, Lock::None) {
            merged.unlock();
        }
        let paths: Vec<_> = self.pieces.iter().map(|piece| piece.path().to_owned()).collect();
        self.recipe.merge(bare, old, &paths, merged.path())?;
        self.flushed = false;
        // What is kept is still needed, should the commit fail.
        self.pieces.retain(Aside::is_kept);
        Ok(merged)
    }

    /// `journaled` says whether the new content gets a name that no clean-up touches.
    fn make_step(&self, journaled: bool) -> Option<FileStep> {
        let (aside, expect) = self.new.as_ref()?;
        let ready = if journaled { aside.ready_path() } else { aside.path().to_owned() };
        let directory = self
            .recipe
            .is_directory()
            .then(|| Directory { old: aside.old_path(), trash: aside.trash_path() });
        Some(FileStep {
            aside: aside.path().to_owned(),
            ready,
            target: self.target.clone(),
            expect: expect.clone(),
            number: disk::number(aside.path()),
            directory,
            scrap: self.pieces.iter().map(|piece| piece.path().to_owned()).collect(),
        })
    }

    /// What a later run needs to go on with what was written, once it is [kept](Self::keep). Brings it to disk.
    pub(super) fn to_keep(&self) -> Result<Option<KeptWrite>, WriteError> {
        if self.new.is_some() || self.pieces.is_empty() {
            return Ok(None);
        }
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let path = piece.path();
            if !self.flushed {
                disk::sync_all(path).map_err(WriteError::io("flush", path))?;
            }
            pieces.push((piece.kept_path(), Identity::of(path).map_err(WriteError::io("read", path))?));
        }
        let (place, target) = (self.place.clone(), self.target.clone());
        let (how, base, recipe) = (self.how, self.base.clone(), self.recipe.clone());
        Ok(Some(KeptWrite { place, target, how, base, recipe, pieces }))
    }

    /// Has what was written stay for a later run.
    pub(super) fn keep(&mut self) -> Result<(), WriteError> {
        let pieces = &mut self.pieces;
        pieces.iter_mut().try_for_each(|piece| piece.keep().map_err(WriteError::io("keep", piece.path())))
    }

    /// Undoes [`keep`](Self::keep) in what it means: what was written goes with this.
    pub(super) fn unkeep(&mut self) {
        self.pieces.iter_mut().for_each(Aside::unkeep);
    }

    /// Goes on with what was kept.
    pub(super) fn reopen(kept: &KeptWrite) -> Result<Self, WriteError> {
        let KeptWrite { place, target, how, base, recipe, .. } = kept.clone();
        kept.check()?;
        let meant = disk::resolved(&place);
        if meant != target {
            let (target, found) = (disk::name_of(&target), disk::directory_of(&meant).to_owned());
            return Err(WriteError::Moved { target, found });
        }
        aside::remove_left_overs(&target);
        let pieces = kept.pieces.iter().map(|(path, identity)| {
            let failed = |what| WriteError::Kept { target: kept.target(), path: path.clone(), what };
            if disk::number(path) != identity.as_ref().and_then(Identity::number) {
                return Err(failed("not there any more"));
            }
            if Identity::of(path).map_err(WriteError::io("read", path))? != *identity {
                return Err(failed("damaged"));
            }
            let opened = Aside::reopen(path.clone()).map_err(WriteError::io("open", path))?;
            opened.map_err(failed)
        });
        let pieces = pieces.collect::<Result<_, _>>()?;
        let this = Self {
            place,
            target,
            how,
            base,
            recipe,
            pieces,
            flushed: true,
            new: None,
            step: None,
            lock: Lock::None,
        };
        // Whoever waits for its commit to find out would find out again and again.
        this.expect()?;
        Ok(this)
    }

    /// Lets go of everything as a process does that dies.
    #[cfg(test)]
    pub(super) fn die(mut self) {
        self.leave();
    }
}

/// Refuses what is neither a file nor a directory: who reads from a FIFO or a device would not see what takes its name.
fn check_kind(target: &Path) -> Result<(), WriteError> {
    let Some(found) = disk::if_there(fs::metadata(target)).map_err(WriteError::io("read", target))? else {
        return Ok(());
    };
    if found.is_file() || found.is_dir() {
        return Ok(());
    }
    let (target, expected) = (disk::name_of(target), "a file");
    Err(WriteError::Kind { target, found: "a FIFO, a socket or a device", expected })
}

impl StagedWrite for StagedFile {
    fn target(&self) -> String {
        disk::name_of(&self.target)
    }

    fn adds(&self) -> bool {
        self.how == How::Append
    }

    fn join(&mut self, later: Box<dyn StagedWrite>) -> crate::Result<()> {
        let target = self.target();
        let later: Box<dyn std::any::Any> = later;
        let Ok(mut later) = later.downcast::<Self>() else {
            return Err(WriteError::Twice { target }.into());
        };
        if !later.adds() {
            return Err(WriteError::Twice { target }.into());
        }
        if !self.recipe.fits(&later.recipe) {
            return Err(WriteError::Differ { target }.into());
        }
        if self.how == How::Append && self.base != later.base {
            return Err(WriteError::Changed { target }.into());
        }
        self.flushed &= later.flushed;
        self.pieces.append(&mut later.pieces);
        Ok(())
    }

    fn prepare(&mut self) -> crate::Result<()> {
        if self.new.is_some() {
            return Ok(());
        }
        if let Lock::None = self.lock {
            self.lock = Lock::Own(lock::take_one(&self.target)?);
        }
        let mut expect = self.expect()?;
        if expect == Expect::NothingOrStay && disk::is_there(&self.target) {
            self.pieces.clear();
            return Ok(());
        }
        fixed::check(&self.target).map_err(WriteError::io("replace", &self.target))?;
        let permissions = fs::metadata(&self.target).map(|old| old.permissions());
        let new = match self.merged() {
            Ok(new) => new,
            // What is changed while it is read gives errors of all kinds.
            Err(error) => return self.expect().map_or_else(|changed| Err(changed.into()), |_| Err(error)),
        };
        if !self.flushed {
            disk::sync_all(new.path()).map_err(WriteError::io("flush", new.path()))?;
        }
        if let Ok(permissions) = permissions {
            let failed = WriteError::io("set the permissions of", new.path());
            fs::set_permissions(new.path(), permissions).map_err(failed)?;
        }
        // It may have been changed while it was read.
        if let Expect::Same(_) = expect {
            expect = self.expect()?;
        }
        self.new = Some((new, expect));
        Ok(())
    }

    fn is_one_step(&self) -> bool {
        // Nothing to exchange with is a plain rename.
        !self.recipe.is_directory() || !disk::is_there(&self.target) || self.can_exchange()
    }

    fn ticket(&mut self) -> crate::Result<Ticket> {
        self.claim()?;
        self.step = self.make_step(true);
        Ok(Ticket::Files { steps: self.step.iter().cloned().collect() })
    }

    fn commit(mut self: Box<Self>) -> crate::Result<()> {
        if self.step.is_none() && self.new.is_none() {
            self.prepare()?;
        }
        let journaled = self.step.is_some();
        if journaled {
            self.leave();
        } else {
            self.claim()?;
        }
        let Some(step) = self.step.clone().or_else(|| self.make_step(false)) else {
            return Ok(());
        };
        step.forward()?;
        if let Lock::Own(_) = self.lock {
            step.sync()?;
        }
        self.leave();
        Ok(())
    }

    fn rollback(mut self: Box<Self>) -> crate::Result<()> {
        if let Some(step) = self.step.take() {
            step.back()?;
        }
        let path = self.path().to_owned();
        let asides = self.pieces.drain(..).chain(self.new.take().map(|(aside, _)| aside));
        let results: Vec<_> = asides.map(Aside::discard).collect();
        results.into_iter().collect::<Result<(), _>>().map_err(WriteError::io("remove", &path))?;
        Ok(())
    }
}

impl StagedFile {
    /// See [`Aside::claim`].
    fn claim(&self) -> Result<(), WriteError> {
        let Some((new, _)) = &self.new else { return Ok(()) };
        new.claim().map_err(WriteError::io("commit", new.path()))
    }

    fn leave(&mut self) {
        self.pieces.iter_mut().chain(self.new.as_mut().map(|(aside, _)| aside)).for_each(Aside::leave);
    }

    /// Whether the file system can put one directory in the place of another in one step.
    fn can_exchange(&self) -> bool {
        let (Ok(one), Ok(other)) = (self.aside(), self.aside()) else {
            return false;
        };
        disk::exchange(one.path(), other.path()).unwrap_or(false)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // The journal names it, so it is not gone with this process, nor with this value.
        if self.step.is_some() {
            self.leave();
        }
    }
}
