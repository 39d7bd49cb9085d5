//! Runs the compiler on a source, with the build of setl that this test uses, and returns its errors.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

pub(crate) struct Compiler {
    /// The directory of this test and of all crates that it is built of.
    crates: PathBuf,
    setl: PathBuf,
    directory: tempfile::TempDir,
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct Diagnostic {
    /// The line in the source; 0 if it has none.
    pub(crate) line: usize,
    pub(crate) rendered: String,
    code: Option<String>,
    message: String,
}

const SOURCE: &str = "rows.rs";

impl Compiler {
    /// Finds the newest build of setl that has rows.
    pub(crate) fn new() -> Self {
        let test = env::current_exe().expect("this program");
        let crates = test.parent().expect("its directory").to_owned();
        let builds = fs::read_dir(&crates).expect("the crates").filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let is_setl = name.starts_with("libsetl-") && name.ends_with(".rlib");
            is_setl.then(|| (fs::metadata(&path).and_then(|file| file.modified()).ok(), path))
        });
        let mut builds: Vec<_> = builds.collect();
        builds.sort_unstable();
        let directory = tempfile::tempdir().expect("a directory");
        let mut this = Self { crates, setl: PathBuf::new(), directory };
        for (_, setl) in builds.into_iter().rev() {
            this.setl = setl;
            if this.check("#[derive(setl::Row)]\npub struct Probe { pub column: u8 }\n").is_empty() {
                return this;
            }
        }
        panic!("no build of setl with rows is in {}", this.crates.display());
    }

    /// Returns the errors of this source.
    pub(crate) fn check(&self, source: &str) -> Vec<Diagnostic> {
        fs::write(self.directory.path().join(SOURCE), source).expect("the source");
        let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        command.args([
            "--edition=2024",
            "--crate-type=lib",
            "--emit=metadata",
            "--error-format=json",
            SOURCE,
        ]);
        command.arg("-L").arg(format!("dependency={}", self.crates.display()));
        command.arg("--extern").arg(format!("setl={}", self.setl.display()));
        let ended = command.current_dir(self.directory.path()).output().expect("the compiler");
        let text = String::from_utf8_lossy(&ended.stderr);
        let errors: Vec<_> = text.lines().filter_map(Diagnostic::parse).collect();
        assert_eq!(ended.status.success(), errors.is_empty(), "{text}");
        errors
    }
}

impl Diagnostic {
    fn parse(line: &str) -> Option<Self> {
        let said: Value = serde_json::from_str(line).ok()?;
        let message = said["message"].as_str()?;
        let is_error = said["level"].as_str()?.starts_with("error");
        // The last error only counts the others.
        if !is_error || message.starts_with("aborting due to") {
            return None;
        }
        let spans = said["spans"].as_array()?;
        let primary = spans.iter().filter(|span| span["is_primary"] == true);
        Some(Self {
            line: primary.chain(spans).find_map(line_in_source).unwrap_or_default(),
            rendered: said["rendered"].as_str().unwrap_or_default().to_owned(),
            code: said["code"]["code"].as_str().map(str::to_owned),
            message: message.to_owned(),
        })
    }

    /// Returns `true` for an error of setl, and `false` for one of the compiler itself.
    pub(crate) fn is_of_setl(&self) -> bool {
        match self.code.as_deref() {
            // `compile_error!` has no code. Neither have some errors about syntax.
            None => {
                let is = |start: &&str| self.message.starts_with(start);
                let is_of_setl = ["expected text in quotes", "unknown case `"].iter().any(is);
                let of_rust = ["expected ", "unexpected ", "cannot find ", "lifetime ", "unknown "];
                is_of_setl || !of_rust.iter().any(is)
            }
            Some("E0277") => self.message.starts_with("a column cannot hold values of type "),
            Some(_) => false,
        }
    }
}

fn line_in_source(span: &Value) -> Option<usize> {
    if span["file_name"].as_str().is_some_and(|file| Path::new(file) == Path::new(SOURCE)) {
        return usize::try_from(span["line_start"].as_u64()?).ok();
    }
    line_in_source(span["expansion"].get("span")?)
}
