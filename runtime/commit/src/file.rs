//! A staged file, or a directory of files, beside its target.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::aside::{self, Aside};
use super::disk::{self, Identity};
use super::error::WriteError;
use super::fixed;
use super::lock::{self, TargetLock};
use super::merge::{Recipe, part_names};
use super::ticket::{Directory, Expect, FileStep, RecoveryTicket};
use super::{KeptWrite, StagedWrite};

/// A new version of a file, written beside it and put in its place by a rename.
///
/// The file formats of `setl` use it, and it serves for files of any other kind: write to [`path`](Self::path), then
/// commit. The commit flushes the content to disk and gives it the permissions of the file that it replaces. Dropping the
/// value without a commit removes the new version.
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
    /// The path as the caller named it.
    place: PathBuf,
    /// The resolved path.
    target: PathBuf,
    how: How,
    /// The identity of the target when this value was staged.
    base: Option<Identity>,
    recipe: Recipe,
    /// The written pieces. The first piece is the whole new content, unless it is to be appended.
    pieces: Vec<Aside>,
    /// Is set if all written data is on disk.
    flushed: bool,
    /// The new content, which `prepare` has made of the pieces.
    new: Option<(Aside, Expect)>,
    /// The step of this file in the journal. Once it is set, the data on disk outlives this value.
    step: Option<FileStep>,
    lock: Lock,
}

/// The holder of the lock that keeps other processes from committing to the target meanwhile.
#[derive(Debug)]
enum Lock {
    /// The target is not locked yet.
    None,
    /// This write holds the lock, because it is committed alone.
    Own(#[allow(dead_code, reason = "it is held until this is dropped")] TargetLock),
    /// The transaction of this write holds the lock. It also flushes the directory.
    OfTransaction,
}

/// The effect of a staged file on the old content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Replaces the old content.
    Replace,
    /// Fails if the target exists.
    Create,
    /// Keeps the old content if the target exists.
    CreateOrStay,
    /// Adds the new content after the old.
    Append,
}

impl StagedFile {
    /// Begins a new version of the file at `target`, which need not exist yet. Its directory must exist.
    ///
    /// Left-overs of killed processes beside the target are removed.
    ///
    /// # Errors
    /// When no file can be created there.
    pub fn beside(target: impl AsRef<Path>) -> crate::Result<Self> {
        Ok(Self::new(target.as_ref(), How::Replace, Recipe::Whole)?)
    }

    /// Begins a new version of `place`. `how` says what happens to the old content, and `recipe` how pieces are merged.
    ///
    /// # Errors
    /// When the target is of another kind or in another state than `how` and `recipe` expect, or nothing can be written
    /// beside it.
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

    /// Returns the path to write the new version to: an existing, empty file or directory.
    pub fn path(&self) -> &Path {
        let piece = self.pieces.last().or(self.new.as_ref().map(|(aside, _)| aside));
        piece.map_or(self.target.as_path(), Aside::path)
    }

    /// Returns `true` if the target existed when this write was staged.
    pub fn has_base(&self) -> bool {
        self.base.is_some()
    }

    /// Flushes the written data to disk.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        disk::sync_all(self.path()).map_err(WriteError::io("flush", self.path()))?;
        self.flushed = true;
        Ok(())
    }

    /// Returns the target, which the transaction locks before it prepares this write.
    pub(super) fn lock_with_others(&mut self) -> PathBuf {
        self.lock = Lock::OfTransaction;
        self.target.clone()
    }

    /// Gives up the locks of the staged entries, because the lock of the target now protects them.
    pub(super) fn rely_on_target(&mut self) {
        self.pieces.iter_mut().for_each(Aside::unlock);
    }

    /// Undoes [`rely_on_target`](Self::rely_on_target) while the target is still locked.
    pub(super) fn rely_on_itself(&mut self) -> Result<(), WriteError> {
        let pieces = &mut self.pieces;
        pieces.iter_mut().try_for_each(|piece| piece.relock().map_err(WriteError::io("lock", piece.path())))
    }

    fn aside(&self) -> Result<Aside, WriteError> {
        Aside::new(&self.target, self.recipe.is_directory()).map_err(WriteError::io("create", &self.target))
    }

    /// Checks the existing entry before it is replaced.
    fn check(&self, found: Option<&Identity>) -> Result<(), WriteError> {
        let target = || self.target();
        let Some(found) = found else {
            return Ok(());
        };
        match (found.is_directory(), &self.recipe) {
            (true, Recipe::Directory { extension, .. }) => {
                // An entry that stays may hold any files.
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

    /// Returns the expected state of the target at the time of replacement. Fails if the target is not in that state now.
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

    /// Merges all pieces, and the old content before them, if there is more than one part.
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
        // Kept pieces are still needed if the commit fails.
        self.pieces.retain(Aside::is_kept);
        Ok(merged)
    }

    /// Describes the switch of this file. `journaled` gives the new content a name that no clean-up touches.
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

    /// Returns the data that a later run needs to resume this write once it is [kept](Self::keep). Flushes it to disk.
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

    /// Keeps the written data for a later run.
    pub(super) fn keep(&mut self) -> Result<(), WriteError> {
        let pieces = &mut self.pieces;
        pieces.iter_mut().try_for_each(|piece| piece.keep().map_err(WriteError::io("keep", piece.path())))
    }

    /// Undoes [`keep`](Self::keep): the written data is removed with this value.
    pub(super) fn unkeep(&mut self) {
        self.pieces.iter_mut().for_each(Aside::unkeep);
    }

    /// Reopens a kept write.
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
        // A write that can never be committed is refused now. Otherwise each commit would fail again.
        this.expect()?;
        Ok(this)
    }

    /// Releases everything as a dying process does.
    #[cfg(test)]
    pub(super) fn die(mut self) {
        self.leave();
    }
}

/// Refuses a target that is neither a file nor a directory: a reader of a FIFO or a device would not see the file that
/// takes its name.
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
            // A file that changes while it is read causes errors of all kinds.
            Err(error) => return self.expect().map_or_else(|changed| Err(changed.into()), |_| Err(error)),
        };
        if !self.flushed {
            disk::sync_all(new.path()).map_err(WriteError::io("flush", new.path()))?;
        }
        if let Ok(permissions) = permissions {
            let failed = WriteError::io("set the permissions of", new.path());
            fs::set_permissions(new.path(), permissions).map_err(failed)?;
        }
        // The file may have changed while it was read.
        if let Expect::Same(_) = expect {
            expect = self.expect()?;
        }
        self.new = Some((new, expect));
        Ok(())
    }

    fn is_one_step(&self) -> bool {
        // Without an old directory to exchange with, the commit is a plain rename.
        !self.recipe.is_directory() || !disk::is_there(&self.target) || self.can_exchange()
    }

    fn ticket(&mut self) -> crate::Result<RecoveryTicket> {
        self.claim()?;
        self.step = self.make_step(true);
        Ok(RecoveryTicket::Files { steps: self.step.iter().cloned().collect() })
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
        if journaled {
            // The transaction flushes the directory, and the journal outlives a failure.
            step.forward()?;
        } else {
            step.switch()?;
            // From here on, the old content may be what is staged.
            self.leave();
            let target = || self.target();
            step.sync().map_err(|error| WriteError::Unflushed { target: target(), source: error.into() })?;
            step.tidy();
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
    /// Calls [`Aside::claim`] for the new content.
    fn claim(&self) -> Result<(), WriteError> {
        let Some((new, _)) = &self.new else { return Ok(()) };
        new.claim().map_err(WriteError::io("commit", new.path()))
    }

    fn leave(&mut self) {
        self.pieces.iter_mut().chain(self.new.as_mut().map(|(aside, _)| aside)).for_each(Aside::leave);
    }

    /// `true` if the file system can exchange two directories in one step.
    fn can_exchange(&self) -> bool {
        let (Ok(one), Ok(other)) = (self.aside(), self.aside()) else {
            return false;
        };
        disk::exchange(one.path(), other.path()).unwrap_or(false)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // The journal names the data, so it outlives this process and this value.
        if self.step.is_some() {
            self.leave();
        }
    }
}
