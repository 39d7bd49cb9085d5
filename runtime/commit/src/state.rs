//! The state directory is private: entries that other users may have written are refused.
//!
//! Checkpoints, the cache, the history and temporary files decide which files are removed and what a factory would
//! deliver. So a user who can write there controls the program. Directories are created for their user alone. An entry
//! that belongs to a user other than this one and root, or that others can write to, is refused. Links are not followed.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Returns the state directory: `given`, or else `$SETL_STATE_DIR`, or else `.setl` in the working directory. It need not
/// exist.
///
/// ```
/// use std::path::Path;
///
/// use setl_commit::state::state_directory;
///
/// assert_eq!(state_directory(Some(Path::new("/var/lib/nightly"))), Path::new("/var/lib/nightly"));
/// ```
pub fn state_directory(given: Option<&Path>) -> PathBuf {
    let from_environment =
        || std::env::var_os("SETL_STATE_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    given.map(Path::to_owned).or_else(from_environment).unwrap_or_else(|| PathBuf::from(".setl"))
}

/// A state directory, or an entry in it, that other users may have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {found}: {cure}", .path.display())]
pub struct Insecure {
    path: PathBuf,
    found: String,
    cure: String,
}

impl From<Insecure> for io::Error {
    fn from(insecure: Insecure) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, insecure)
    }
}

/// Returns `true` if an entry was refused as [`Insecure`], and `false` if it could not be accessed.
pub fn is_insecure(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Insecure>())
}

/// Checks a state directory before any of its entries is used. Returns `true` if it exists.
///
/// The path may be a link of this user or of root.
///
/// # Errors
/// [`Insecure`], or when it cannot be inspected.
pub fn check(state: &Path) -> io::Result<bool> {
    let Some(metadata) = look_at(state)? else { return Ok(false) };
    if metadata.is_symlink() {
        trust(state, &metadata)?;
        let Some(metadata) = if_there(fs::metadata(state))? else { return Ok(false) };
        return trust_directory(state, &metadata).map(|()| true);
    }
    trust_directory(state, &metadata)?;
    Ok(true)
}

/// Checks a state directory and the nested directories `names` in it. Returns `true` if all of them exist.
///
/// # Errors
/// The same as [`check`].
pub fn check_below<'a>(state: &Path, names: impl IntoIterator<Item = &'a str>) -> io::Result<bool> {
    let mut path = state.to_owned();
    let mut is_there = check(state)?;
    for name in names {
        path.push(name);
        is_there = is_there && check_directory(&path)?;
    }
    Ok(is_there)
}

/// Creates a state directory and the nested directories `names` in it for this user alone, and checks those that exist.
/// Returns the path of the innermost.
///
/// # Errors
/// The same as [`check`], or when a directory cannot be created.
pub fn create<'a>(state: &Path, names: impl IntoIterator<Item = &'a str>) -> io::Result<PathBuf> {
    let mut path = state.to_owned();
    if !check(&path)? {
        create_directory(&path)?;
        check(&path)?;
    }
    for name in names {
        path.push(name);
        if !check_directory(&path)? {
            create_directory(&path)?;
            check_directory(&path)?;
        }
    }
    Ok(path)
}

/// Creates a directory and its missing parents for this user alone.
pub fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Checks a directory within a state directory, which must not be a link. Returns `true` if it exists.
///
/// # Errors
/// The same as [`check`].
pub fn check_directory(path: &Path) -> io::Result<bool> {
    let Some(metadata) = look_at(path)? else { return Ok(false) };
    trust_directory(path, &metadata)?;
    Ok(true)
}

/// Opens a file within a state directory. The file must not be a link, and no other user may have written it. A new file
/// is created for this user alone.
///
/// # Errors
/// The same as [`check`], or when it cannot be opened.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let file = open_no_follow(options, path).map_err(|error| match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => link(path).into(),
        _ => error,
    })?;
    let metadata = file.metadata()?;
    trust(path, &metadata)?;
    if !metadata.is_file() {
        return Err(insecure(path, "is no regular file", "remove it").into());
    }
    Ok(file)
}

/// Opens a file that other users may have put there. It does not follow a link and does not wait for the other end of a
/// pipe.
pub fn open_no_follow(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        // The bits are those of the system's own type.
        options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    options.open(path)
}

/// Opens a file for reading, as [`open`] does.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(File::options().read(true), path)
}

/// Creates a file, or truncates an existing one. It opens the file as [`open`] does.
pub fn create_file(path: &Path) -> io::Result<File> {
    let file = open(File::options().write(true).create(true).truncate(false), path)?;
    file.set_len(0)?;
    Ok(file)
}

/// Restricts a file to this user, whatever the default permissions of the process are. Otherwise the file would be
/// refused later.
pub fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Reads a file as text. It opens the file as [`open`] does.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_to_read(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Returns `true` if the file exists and no other user may have written it.
pub fn has_file(path: &Path) -> bool {
    open_to_read(path).is_ok()
}

fn look_at(path: &Path) -> io::Result<Option<Metadata>> {
    if_there(fs::symlink_metadata(path))
}

/// Turns the error “not found” into `None`.
pub fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn trust_directory(path: &Path, metadata: &Metadata) -> io::Result<()> {
    trust(path, metadata)?;
    if metadata.is_dir() {
        return Ok(());
    }
    if metadata.is_symlink() {
        return Err(link(path).into());
    }
    Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", path.display())))
}

fn trust(path: &Path, metadata: &Metadata) -> io::Result<()> {
    match objection(metadata) {
        None => Ok(()),
        Some(objection) => Err(objection.at(path).into()),
    }
}

/// Returns the reason to distrust the content of an open file, if other users could have written it.
pub fn objection_to(file: &File) -> io::Result<Option<String>> {
    let metadata = file.metadata()?;
    Ok(match objection(&metadata) {
        Some(objection) => Some(objection.found),
        None => (!metadata.is_file()).then(|| "is no regular file".to_owned()),
    })
}

/// The reason to distrust an entry, and the start of the command that fixes it.
struct Objection {
    found: String,
    cure: String,
}

impl Objection {
    fn at(self, path: &Path) -> Insecure {
        let cure = format!(
            "{} {}` if you trust what is there, or name another directory for the state of runs, which may be one within it, \
             with `state_dir` or SETL_STATE_DIR",
            self.cure,
            path.display()
        );
        insecure(path, self.found, cure)
    }
}

#[cfg(unix)]
fn objection(metadata: &Metadata) -> Option<Objection> {
    use std::os::unix::fs::MetadataExt as _;

    const OTHERS: &str = ", so that other users may have written what is in it";

    let (own, owner, mode) = (uzers::get_effective_uid(), metadata.uid(), metadata.mode() & 0o7777);
    if owner != own && owner != 0 {
        return Some(Objection {
            found: format!(
                "belongs to user {owner} and has the mode {mode:04o}, and this is user {own}{OTHERS}"
            ),
            cure: format!("run this as user {owner}, or `chown -h {own}"),
        });
    }
    // The mode of a link is meaningless.
    (mode & 0o022 != 0 && !metadata.is_symlink()).then(|| Objection {
        found: format!("has the mode {mode:04o} and belongs to user {owner}{OTHERS}"),
        cure: "run `chmod go-w".to_owned(),
    })
}

#[cfg(not(unix))]
fn objection(_: &Metadata) -> Option<Objection> {
    None
}

fn link(path: &Path) -> Insecure {
    insecure(path, "is a link, which is not followed", "remove it")
}

fn insecure(path: &Path, found: impl Into<String>, cure: impl Into<String>) -> Insecure {
    Insecure { path: path.to_owned(), found: found.into(), cure: cure.into() }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// `true` if this process may give files to another user. Prints a message if not.
    fn is_root() -> bool {
        let is_root = uzers::get_effective_uid() == 0;
        if !is_root {
            eprintln!("SKIPPED: only root can make files of another user");
        }
        is_root
    }

    #[test]
    fn what_is_made_is_private() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("deep/state");
        assert!(!check(&state).unwrap());
        let made = create(&state, ["checkpoints", "P"]).unwrap();
        assert_eq!(made, state.join("checkpoints/P"));
        let file = made.join("lock");
        create_file(&file).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!([&state, &state.join("checkpoints"), &made].map(|path| mode(path)), [0o700; 3]);
        assert_eq!(mode(&file), 0o600);
        assert!(check_below(&state, ["checkpoints", "P"]).unwrap());
        assert!(!check_below(&state, ["checkpoints", "Q"]).unwrap());
    }

    #[test]
    fn what_others_can_write_to_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        create(&state, ["cache"]).unwrap();
        for mode in [0o770, 0o707, 0o1777, 0o702] {
            set_mode(&state, mode);
            let error = check_below(&state, ["cache"]).unwrap_err().to_string();
            let own = uzers::get_effective_uid();
            let path = state.display();
            let expected = format!(
                "{path} has the mode {mode:04o} and belongs to user {own}, so that other users may have written what is in \
                 it: run `chmod go-w {path}` if you trust what is there, or name another directory"
            );
            assert!(error.starts_with(&expected), "{error}");
            assert!(create(&state, ["cache"]).is_err());
        }
        set_mode(&state, 0o755);
        assert!(check(&state).unwrap(), "others may read it");
        set_mode(&state.join("cache"), 0o777);
        assert!(create(&state, ["cache", "P"]).is_err());
        let file = state.join("file");
        create_file(&file).unwrap();
        set_mode(&file, 0o666);
        assert!(open_to_read(&file).is_err() && !has_file(&file));
    }

    #[test]
    fn what_belongs_to_others_is_refused() {
        if !is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        create(&state, ["cache"]).unwrap();
        chown(&state, Some(1234), None).unwrap();
        let error = check(&state).unwrap_err().to_string();
        assert!(
            error.contains(" belongs to user 1234 and has the mode 0700, and this is user 0, ")
                && error.contains(&format!(
                    ": run this as user 1234, or `chown -h 0 {}` if you trust",
                    state.display()
                )),
            "{error}"
        );
        chown(&state, Some(0), None).unwrap();
        assert!(check(&state).unwrap());
        let link = root.path().join("link");
        symlink(&state, &link).unwrap();
        assert!(check(&link).unwrap(), "a link of one's own");
        std::os::unix::fs::lchown(&link, Some(1234), None).unwrap();
        assert!(check(&link).is_err());
        let file = state.join("file");
        fs::write(&file, "x").unwrap();
        chown(&file, Some(1234), None).unwrap();
        assert!(read_to_string(&file).is_err());
        assert!(create_file(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    }

    #[test]
    fn links_within_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (state, elsewhere) = (root.path().join("state"), root.path().join("elsewhere"));
        create(&state, []).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("file"), "x").unwrap();
        symlink(&elsewhere, state.join("cache")).unwrap();
        symlink(elsewhere.join("file"), state.join("lock")).unwrap();
        assert!(create(&state, ["cache", "P"]).is_err());
        assert!(check_below(&state, ["cache"]).is_err());
        assert!(create_file(&state.join("lock")).is_err());
        assert!(read_to_string(&state.join("lock")).is_err());
        assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "x");
        // The pipe has no writer, and the call must not wait for one.
        assert!(std::process::Command::new("mkfifo").arg(state.join("pipe")).status().unwrap().success());
        assert!(read_to_string(&state.join("pipe")).is_err());
    }
}
