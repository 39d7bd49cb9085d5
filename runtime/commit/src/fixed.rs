//! Checks whether the system allows a target to be replaced. The check comes before a commit is decided: afterwards, some
//! targets would be new and this one would stay old.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Checks that the entry at `target`, if any, can be renamed and that another can take its name.
///
/// # Errors
/// When the system does not allow it, with the reason.
pub(super) fn check(target: &Path) -> io::Result<()> {
    let Some(there) = super::disk::if_there(fs::symlink_metadata(target))? else { return Ok(()) };
    let objection = system::objection(target, &there)?;
    objection.map_or(Ok(()), |(kind, text)| Err(io::Error::new(kind, text)))
}

#[cfg(unix)]
mod system {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::disk::directory_of;

    const MOUNTED: &str =
        "something is mounted there, and cannot be replaced: mount the directory that it is in instead";
    const FIXED: &str = "it must not be changed or may be appended to only, as `lsattr` shows";
    const OF_OTHERS: &str =
        "it belongs to another user, and in its directory each user can replace what is its own only";

    pub(super) fn objection(
        target: &Path,
        there: &Metadata,
    ) -> io::Result<Option<(ErrorKind, &'static str)>> {
        let directory = fs::metadata(directory_of(target))?;
        // On Linux, a subvolume or a file of an overlay layer also has another device.
        let is_elsewhere = !cfg!(target_os = "linux") && there.dev() != directory.dev();
        if is_elsewhere || is_marked(target, Mark::Mounted) {
            return Ok(Some((ErrorKind::ResourceBusy, MOUNTED)));
        }
        if is_marked(target, Mark::Fixed) {
            return Ok(Some((ErrorKind::PermissionDenied, FIXED)));
        }
        let own = uzers::get_effective_uid();
        if is_of_others(own, directory.mode(), directory.uid(), there.uid()) {
            return Ok(Some((ErrorKind::PermissionDenied, OF_OTHERS)));
        }
        if there.is_dir() && !overlay::can_be_renamed(target)? {
            return Ok(Some((ErrorKind::CrossesDevices, overlay::OF_IMAGE)));
        }
        Ok(None)
    }

    /// `true` if the sticky bit of a directory keeps this user from changing its entries.
    fn is_of_others(own: u32, mode: u32, owner_of_directory: u32, owner: u32) -> bool {
        mode & 0o1000 != 0 && own != 0 && own != owner_of_directory && own != owner
    }

    #[derive(Clone, Copy)]
    enum Mark {
        Mounted,
        Fixed,
    }

    /// `false` where the system does not report marks.
    #[cfg(target_os = "linux")]
    fn is_marked(path: &Path, mark: Mark) -> bool {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

        let of = match mark {
            Mark::Mounted => StatxAttributes::MOUNT_ROOT,
            Mark::Fixed => StatxAttributes::IMMUTABLE | StatxAttributes::APPEND,
        };
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
        found.is_ok_and(|found| found.stx_attributes.intersects(of))
    }

    #[cfg(not(target_os = "linux"))]
    fn is_marked(_: &Path, _: Mark) -> bool {
        false
    }

    /// In a container, a directory of the image belongs to a lower layer and cannot be renamed.
    #[cfg(target_os = "linux")]
    mod overlay {
        use super::*;
        use crate::aside::Aside;

        pub(super) const OF_IMAGE: &str = "it is a directory of a layer below, which cannot be renamed: keep it on a volume, or remove it from the image";

        const MAGIC: rustix::fs::FsWord = 0x794c_7630;

        /// Tests with a rename that always fails, because the directory of the new name is not empty.
        pub(super) fn can_be_renamed(directory: &Path) -> io::Result<bool> {
            let of = rustix::fs::statfs(directory).map(|of| of.f_type);
            if of != Ok(MAGIC) {
                return Ok(true);
            }
            let full = Aside::new(directory, true)?;
            // An early exit must not remove the directory before the test.
            full.claim()?;
            fs::write(full.path().join("full"), "")?;
            match fs::rename(directory, full.path()) {
                Err(error) => Ok(error.kind() != ErrorKind::CrossesDevices),
                Ok(()) => fs::rename(full.path(), directory).map(|()| true),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    mod overlay {
        use super::*;

        pub(super) const OF_IMAGE: &str = "it cannot be renamed";

        pub(super) fn can_be_renamed(_: &Path) -> io::Result<bool> {
            Ok(true)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_sticky_directory_keeps_users_from_each_other() {
            assert!(is_of_others(5, 0o1777, 0, 6));
            assert!(!is_of_others(5, 0o0777, 0, 6), "it is not sticky");
            assert!(!is_of_others(5, 0o1777, 5, 6) && !is_of_others(5, 0o1777, 0, 5));
            assert!(!is_of_others(0, 0o1777, 5, 6), "root may");
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::*;

    pub(super) fn objection(_: &Path, _: &fs::Metadata) -> io::Result<Option<(ErrorKind, &'static str)>> {
        Ok(None)
    }
}
