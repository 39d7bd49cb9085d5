//! The fingerprint of the running program. It changes with every change of the built program.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Fingerprint, Fingerprinter};

/// The folders of the system's libraries on Linux. They belong to the machine, not to the program.
const SYSTEM: [&str; 6] = ["/lib/", "/lib32/", "/lib64/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/"];

/// Returns the fingerprint of this program's executable and of its loaded libraries, except those of the system. The
/// error says why there is none. It is computed once per process. This blocks, because it reads all of these files.
pub(crate) fn fingerprint() -> Result<Fingerprint, &'static str> {
    static PROGRAM: OnceLock<Result<Fingerprint, String>> = OnceLock::new();

    let known = PROGRAM.get_or_init(|| {
        let (executable, maps) = if cfg!(target_os = "linux") {
            // This is the file that runs, even if its path has changed since.
            let maps = fs::read_to_string("/proc/self/maps");
            (
                PathBuf::from("/proc/self/exe"),
                maps.map_err(|error| cannot_read("/proc/self/maps".as_ref(), &error))?,
            )
        } else {
            let executable = env::current_exe();
            (
                executable.map_err(|error| format!("the place of the program is not known: {error}"))?,
                String::new(),
            )
        };
        of(&executable, &libraries(&maps, env::current_exe().ok().as_deref())?)
    });
    known.as_ref().copied().map_err(String::as_str)
}

fn of(executable: &Path, libraries: &BTreeSet<PathBuf>) -> Result<Fingerprint, String> {
    let mut fingerprinter = Fingerprinter::new("program");
    for file in std::iter::once(executable).chain(libraries.iter().map(PathBuf::as_path)) {
        let opened = File::open(file).and_then(Fingerprint::of_reader);
        fingerprinter.part(opened.map_err(|error| cannot_read(file, &error))?);
    }
    Ok(fingerprinter.finish())
}

fn cannot_read(file: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}", file.display())
}

/// Returns the mapped files with code, except the executable and the libraries of the system, in the order of their
/// paths.
fn libraries(maps: &str, executable: Option<&Path>) -> Result<BTreeSet<PathBuf>, String> {
    let mut libraries = BTreeSet::new();
    for line in maps.lines() {
        // 7f0c6d3e9000-7f0c6d411000 r-xp 00028000 fe:01 7340  /usr/lib/libc.so.6
        let mut words = line.splitn(6, ' ');
        let is_code = words.nth(1).is_some_and(|mode| mode.contains('x'));
        let path = words.last().unwrap_or_default().trim_start();
        // Skips `[vdso]` and named memory.
        if !is_code || !path.starts_with('/') || path.starts_with("/memfd:") || path.starts_with("/dev/") {
            continue;
        }
        if SYSTEM.iter().any(|system| path.starts_with(system)) || executable.is_some_and(|file| path == file)
        {
            continue;
        }
        match path.strip_suffix(" (deleted)") {
            // An executable that was replaced since can still be read.
            Some(path)
                if executable
                    .is_some_and(|file| file.to_str().is_some_and(|file| file.starts_with(path))) => {}
            Some(path) => return Err(format!("library {path} was replaced while the program runs")),
            None => drop(libraries.insert(PathBuf::from(path))),
        }
    }
    Ok(libraries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d0c0a00000-55d0c0a28000 r--p 00000000 fe:01 100  /opt/job/bin/daily
55d0c0a28000-55d0c0a90000 r-xp 00028000 fe:01 100  /opt/job/bin/daily
55d0c1a28000-55d0c1a90000 rw-p 00000000 00:00 0  [heap]
7f0c6d3e9000-7f0c6d411000 r-xp 00028000 fe:01 734  /usr/lib/x86_64-linux-gnu/libc.so.6
7f0c6d5e9000-7f0c6d611000 r--p 00000000 fe:01 735  /opt/job/data/table.bin
7f0c6d6e9000-7f0c6d711000 r-xp 00028000 fe:01 736  /opt/job/lib/lib rates.so
7f0c6d7e9000-7f0c6d811000 r-xp 00000000 00:01 737  /memfd:jit (deleted)
7ffd4a5f2000-7ffd4a5f4000 r-xp 00000000 00:00 0  [vdso]
";

    #[test]
    fn libraries_are_mapped_code_beside_that_of_the_system() {
        let executable = Some(Path::new("/opt/job/bin/daily"));
        assert_eq!(libraries(MAPS, executable).unwrap(), [PathBuf::from("/opt/job/lib/lib rates.so")].into());
        let replaced = MAPS.replace("lib rates.so", "lib rates.so (deleted)");
        let because = libraries(&replaced, executable).unwrap_err();
        assert_eq!(because, "library /opt/job/lib/lib rates.so was replaced while the program runs");
        let replaced = MAPS.replace("bin/daily", "bin/daily (deleted)");
        let executable = Some(Path::new("/opt/job/bin/daily (deleted)"));
        assert_eq!(libraries(&replaced, executable).unwrap().len(), 1);
    }

    #[test]
    fn every_byte_of_every_file_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (program, library) = (directory.path().join("program"), directory.path().join("library"));
        let of_files = |in_program: &[u8], in_library: &[u8]| {
            fs::write(&program, in_program).unwrap();
            fs::write(&library, in_library).unwrap();
            of(&program, &[library.clone()].into()).unwrap()
        };
        let before = of_files(b"ab", b"c");
        assert_eq!(of_files(b"ab", b"c"), before);
        assert_ne!(of_files(b"a", b"bc"), before);
        assert_ne!(of_files(b"ab", b"d"), before);
        fs::remove_file(&library).unwrap();
        let because = of(&program, &[library.clone()].into()).unwrap_err();
        assert!(because.starts_with(&format!("{} cannot be read: ", library.display())), "{because}");
    }

    #[test]
    fn this_program_has_one_fingerprint() {
        assert_eq!(fingerprint().unwrap(), fingerprint().unwrap());
    }
}
