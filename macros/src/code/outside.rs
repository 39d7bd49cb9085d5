//! The parts of a package's fingerprint beside its sources: its manifest, the versions of its dependencies, the compiler's
//! options, the output of its build script, and external files and variables that its sources name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::lexer::{Kind, Token, tokens};
use super::source::Hash;

/// The way in which a package is compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// The version of the package.
    pub(super) version: String,
    /// Features, other conditions and code generation options, from the arguments of the compiler.
    pub(super) options: BTreeSet<String>,
    /// The output directory of its build script.
    pub(super) out_dir: Option<PathBuf>,
}

/// The code generation options that change the behaviour of a program. Others change its speed or its layout.
const CODEGEN: [&str; 6] =
    ["opt-level", "debug-assertions", "overflow-checks", "target-cpu", "target-feature", "panic"];

impl Environment {
    /// Returns the environment of the crate that is being compiled: a macro runs within the compiler.
    ///
    /// # Errors
    /// If the compiler's arguments are unknown.
    pub(super) fn of_compiler() -> io::Result<Self> {
        let arguments: Vec<_> =
            env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
        if arguments.is_empty() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self {
            version: env::var("CARGO_PKG_VERSION").unwrap_or_default(),
            options: options(&arguments)?,
            out_dir: env::var_os("OUT_DIR").map(PathBuf::from),
        })
    }

    /// Adds the environment to the hash of the package in this directory, which has these sources.
    ///
    /// # Errors
    /// If an existing file cannot be read.
    pub(super) fn add_to<'a>(
        &self,
        hash: &mut Hash,
        directory: &Path,
        sources: impl IntoIterator<Item = (PathBuf, &'a [u8])>,
    ) -> io::Result<()> {
        hash.text(&self.version);
        self.options.iter().for_each(|option| hash.text(option));
        add_file(hash, &directory.join("Cargo.toml"))?;
        // The lock file has the versions of dependencies. The manifest of the workspace is beside it.
        if let Some(workspace) = directory.ancestors().find(|above| above.join("Cargo.lock").exists()) {
            add_file(hash, &workspace.join("Cargo.lock"))?;
            if workspace != directory {
                add_file(hash, &workspace.join("Cargo.toml"))?;
            }
        }
        if let Some(out_dir) = &self.out_dir {
            add_directory(hash, out_dir)?;
        }
        let mut references = References::default();
        sources.into_iter().for_each(|(path, content)| references.find(&path, content));
        references.add_to(hash)
    }
}

/// Returns the relevant arguments of the compiler. `@file` stands for more arguments, one per line.
fn options(arguments: &[String]) -> io::Result<BTreeSet<String>> {
    let mut all = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            Some(file) => all.extend(fs::read_to_string(file)?.lines().map(str::to_owned)),
            None => all.push(argument.clone()),
        }
    }
    let mut found = BTreeSet::new();
    let mut rest = all.iter().peekable();
    while let Some(argument) = rest.next() {
        // The forms are `--cfg x`, `--cfg=x`, `-C x` and `-Cx`.
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => match argument.strip_prefix("-C") {
                Some(value) if !value.is_empty() => ("-C", Some(value.to_owned())),
                _ => (argument.as_str(), None),
            },
        };
        if matches!(name, "--test" | "-O") {
            found.insert(name.to_owned());
        }
        if !matches!(name, "--cfg" | "--target" | "--edition" | "-C" | "--codegen") {
            continue;
        }
        let Some(value) = joined.or_else(|| rest.next().cloned()) else { continue };
        let is_codegen = matches!(name, "-C" | "--codegen");
        let counts = CODEGEN.iter().any(|option| value.split('=').next() == Some(option));
        if !is_codegen || counts {
            found.insert(format!("{} {value}", if is_codegen { "-C" } else { name }));
        }
    }
    Ok(found)
}

/// Adds a file by its content. A missing file counts as missing.
fn add_file(hash: &mut Hash, path: &Path) -> io::Result<()> {
    match fs::read(path) {
        Ok(content) => hash.bytes(&content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => hash.text("absent"),
        Err(error) => return Err(error),
    }
    Ok(())
}

fn add_directory(hash: &mut Hash, directory: &Path) -> io::Result<()> {
    let mut entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        entries => entries?.collect::<io::Result<Vec<_>>>()?,
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        hash.bytes(entry.file_name().as_encoded_bytes());
        if entry.file_type()?.is_dir() {
            add_directory(hash, &entry.path())?
        } else {
            add_file(hash, &entry.path())?
        }
    }
    hash.text("end");
    Ok(())
}

/// The literals by which sources name files, in `#[path]` and `include…!`, and variables, in `env!` and `option_env!`.
#[derive(Default)]
struct References {
    files: BTreeSet<PathBuf>,
    variables: BTreeSet<String>,
}

impl References {
    /// Finds the references in a file. Text that is not Rust has none.
    fn find(&mut self, file: &Path, content: &[u8]) {
        let Ok(text) = std::str::from_utf8(content) else { return };
        let tokens = tokens(text);
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
        for (at, token) in tokens.iter().enumerate() {
            let is_call = is(at + 1, "!") && tokens.get(at + 2).is_some_and(|token| token.kind == Kind::Open);
            let argument = |at: usize| tokens.get(at).and_then(literal);
            match token.text {
                "path" if is(at + 1, "=") => self.find_file(file, argument(at + 2)),
                "include" | "include_str" | "include_bytes" if is_call => {
                    // The form is `include!(concat!(env!("CARGO_MANIFEST_DIR"), "/x"))`.
                    let directory = is(at + 3, "concat").then(|| argument(at + 9)).flatten();
                    match directory {
                        Some("CARGO_MANIFEST_DIR") => {
                            let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
                            let path = argument(at + 12).map(|path| path.trim_start_matches('/'));
                            self.files.extend(manifest.zip(path).map(|(manifest, path)| manifest.join(path)));
                        }
                        _ => self.find_file(file, argument(at + 3)),
                    }
                }
                "env" | "option_env" if is_call => self.variables.extend(argument(at + 3).map(str::to_owned)),
                _ => {}
            }
        }
    }

    fn find_file(&mut self, from: &Path, path: Option<&str>) {
        let (Some(path), Some(directory)) = (path, from.parent()) else { return };
        self.files.insert(directory.join(path));
        // The path in a nested module.
        self.files.insert(from.with_extension("").join(path));
    }

    /// Adds all referenced files and variables, and in turn the references of these files.
    fn add_to(mut self, hash: &mut Hash) -> io::Result<()> {
        let mut seen = BTreeSet::new();
        while let Some(file) = self.files.pop_first() {
            if !seen.insert(file.clone()) || !file.is_file() {
                continue;
            }
            let content = fs::read(&file)?;
            hash.bytes(&content);
            self.find(&file, &content);
            // The modules of a file outside of the package are beside it.
            if file.extension().is_some_and(|extension| extension == "rs") {
                self.find_modules(&file, &content);
            }
        }
        for variable in self.variables {
            let value = env::var_os(&variable);
            hash.text(&variable);
            hash.bytes(value.as_ref().map_or(b"absent", |value| value.as_encoded_bytes()));
        }
        Ok(())
    }

    fn find_modules(&mut self, file: &Path, content: &[u8]) {
        let (Ok(text), Some(directory)) = (std::str::from_utf8(content), file.parent()) else { return };
        for [keyword, name, end] in tokens(text).array_windows() {
            if keyword.is("mod") && name.kind == Kind::Word && end.is(";") {
                for directory in [directory, &file.with_extension("")] {
                    self.files.insert(directory.join(name.text).with_extension("rs"));
                    self.files.insert(directory.join(name.text).join("mod.rs"));
                }
            }
        }
    }
}

/// Returns the text of a literal without escapes.
fn literal<'a>(token: &Token<'a>) -> Option<&'a str> {
    let text = token.text.trim_start_matches('r').trim_matches('#');
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    (token.kind == Kind::Literal && (token.text.starts_with('r') || !text.contains('\\'))).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    #[test]
    fn features_and_options_of_the_code_count() {
        let of = |arguments: &str| {
            let arguments: Vec<_> = arguments.split(' ').map(str::to_owned).collect();
            options(&arguments).unwrap()
        };
        let before = of("rustc --crate-name x --cfg feature=\"a\" -C opt-level=3 -C metadata=1");
        assert_eq!(before, ["--cfg feature=\"a\"".to_owned(), "-C opt-level=3".to_owned()].into());
        assert_eq!(of("rustc -Copt-level=3 --cfg=feature=\"a\" -C metadata=2 -C debuginfo=1"), before);
        for other in [
            "rustc -C opt-level=3",
            "rustc --cfg feature=\"b\" -C opt-level=3",
            "rustc --cfg feature=\"a\" -C opt-level=2",
            "rustc --cfg feature=\"a\" -C opt-level=3 --test",
            "rustc --cfg feature=\"a\" -C opt-level=3 --target x",
        ] {
            assert_ne!(of(other), before, "{other}");
        }
        let directory = env::temp_dir().join(format!("setl-arguments-{}", std::process::id()));
        fs::write(&directory, "--cfg\nfeature=\"a\"\n-C\nopt-level=3\n").unwrap();
        assert_eq!(of(&format!("rustc @{}", directory.display())), before);
        fs::remove_file(directory).unwrap();
    }

    #[test]
    fn files_and_variables_are_found_by_their_literals() {
        let mut references = References::default();
        let text = r##"
            #[path = "../x.rs"] mod x;
            #[cfg_attr(all(), path = r"y.txt")] mod y;
            const A: &str = include_str!("a.txt");
            const B: Option<&str> = option_env!("B");
            const C: &str = concat!("include_str!(", "c.txt");
        "##;
        references.find(Path::new("/p/src/a.rs"), text.as_bytes());
        let files = [
            "/p/src/../x.rs",
            "/p/src/a.txt",
            "/p/src/y.txt",
            "/p/src/a/../x.rs",
            "/p/src/a/a.txt",
            "/p/src/a/y.txt",
        ];
        assert_eq!(references.files, files.map(PathBuf::from).into());
        assert_eq!(references.variables, ["B".to_owned()].into());
    }
}
