//! The code of the book, compiled and run page by page: `cargo test -p setl-book --doc`.
//!
//! Hidden lines of the pages use what is here, so that the code which is shown finds its files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

/// The file that the tutorial begins with.
pub const FLIGHTS: &str = "\
carrier,dest,dep_delay
UA,IAH,2
UA,IAH,33
DL,ATL,
DL,ATL,-4
AA,MIA,45
AA,MIA,15
";

/// A directory of its own for one block of code, which is also the current one. Removed when it is dropped.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    before: PathBuf,
}

impl Directory {
    /// An empty directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("setl-book-{}-{count}", process::id()));
        fs::create_dir_all(&path)?;
        let before = env::current_dir()?;
        env::set_current_dir(&path)?;
        Ok(Self { path, before })
    }

    /// A directory with `flights.csv`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn with_flights() -> io::Result<Self> {
        Self::new()?.with("flights.csv", FLIGHTS)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn with(self, name: impl AsRef<Path>, text: &str) -> io::Result<Self> {
        fs::write(self.path.join(name), text)?;
        Ok(self)
    }
}

/// The text block of a page with this number, without line ends around it: what the page says that the code prints.
///
/// # Panics
/// When the page or the block is not there.
pub fn shown(page: &str, block: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blocks = text.split("```text\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.nth(block).unwrap_or_else(|| panic!("{} has no text block {block}", path.display()));
    block.trim().to_owned()
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that stays behind does no harm.
        let _ = env::set_current_dir(&self.before);
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[doc = include_str!("src/introduction.md")]
mod introduction {}

#[doc = include_str!("src/first-pipeline.md")]
mod first_pipeline {}

#[doc = include_str!("src/deliveries.md")]
mod deliveries {}

#[doc = include_str!("src/factories.md")]
mod factories {}

#[doc = include_str!("src/data.md")]
mod data {}

#[doc = include_str!("src/running.md")]
mod running {}

#[doc = include_str!("src/error-handling.md")]
mod error_handling {}

#[doc = include_str!("src/resuming.md")]
mod resuming {}

#[doc = include_str!("src/conditions.md")]
mod conditions {}

#[doc = include_str!("src/operating.md")]
mod operating {}

#[doc = include_str!("src/testing.md")]
mod testing {}

#[doc = include_str!("src/dynamic.md")]
mod dynamic {}

#[doc = include_str!("src/inspect.md")]
mod inspect {}

#[doc = include_str!("src/caching.md")]
mod caching {}

#[doc = include_str!("src/optimizer.md")]
mod optimizer {}

#[doc = include_str!("src/prediction.md")]
mod prediction {}

#[doc = include_str!("src/history.md")]
mod history {}

#[doc = include_str!("src/wiring-errors.md")]
mod wiring_errors {}

#[doc = include_str!("src/from-setl.md")]
mod from_setl {}
