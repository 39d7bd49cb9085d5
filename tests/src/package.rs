//! A package that is written and built by a test, since code can only change with a build.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const MANIFEST: &str = r#"
[package]
name = "NAME"
version = "0.1.0"
edition = "2024"

[workspace]

[dependencies]
serde = { version = "1", features = ["derive"] }
setl = { path = "RUNTIME", default-features = false }
tokio = { version = "1", features = ["full", "test-util"] }
MORE
# As in the workspace, so that what is built there need not be built again.
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = 0
"#;

/// A package of this name, which is the only one of its kind.
pub struct Package {
    name: &'static str,
    root: PathBuf,
}

/// Says what a test cannot go on without.
fn needed<T, E: std::fmt::Display>(result: Result<T, E>, what: &Path) -> T {
    result.unwrap_or_else(|error| panic!("{}: {error}", what.display()))
}

impl Package {
    /// Makes it, with nothing in it yet.
    pub fn new(name: &'static str) -> Self {
        // Beside the build of this test, so that the build of the package can use what is there.
        let test = needed(env::current_exe(), Path::new("this program"));
        let root = test.ancestors().nth(3).unwrap_or(&test).join("tests").join(name);
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let repository = needed(tests.join("..").canonicalize(), tests);
        needed(fs::create_dir_all(root.join("src")), &root);
        let this = Self { name, root };
        this.write("Cargo.toml", Self::manifest(name, ""));
        let lock = repository.join("Cargo.lock");
        this.write("Cargo.lock", needed(fs::read_to_string(&lock), &lock));
        this
    }

    /// Where it is, and where it runs.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.root.join(file);
        let directory = path.parent().unwrap_or(&path);
        needed(fs::create_dir_all(directory), directory);
        needed(fs::write(&path, content), &path);
    }

    /// The manifest of a package of this name, with more after its dependencies.
    pub fn manifest(name: &str, more: &str) -> String {
        MANIFEST.replace("NAME", name).replace("RUNTIME", &Self::runtime()).replace("MORE", more)
    }

    /// Where `setl` is.
    pub fn runtime() -> String {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        needed(tests.join("../runtime").canonicalize(), tests).display().to_string()
    }

    fn program(&self) -> PathBuf {
        self.root.join(self.name).with_extension(env::consts::EXE_EXTENSION)
    }

    /// Checks it: what the compiler says, as cargo's messages in JSON.
    pub fn check(&self) -> String {
        let target = self.root.ancestors().nth(2).unwrap_or(&self.root);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["check", "--quiet", "--offline", "--message-format=json", "--target-dir"]).arg(target);
        let checked = needed(command.current_dir(&self.root).output(), Path::new("cargo"));
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        // What cargo itself complains of is no message.
        let understood = checked.status.success() || said.contains("\"level\":\"error\"");
        assert!(understood, "{}", String::from_utf8_lossy(&checked.stderr));
        said
    }

    /// Builds it.
    pub fn build(&self) {
        self.build_with(&[], &[]);
    }

    /// Builds it with these arguments of `cargo rustc`, and these variables.
    pub fn build_with(&self, arguments: &[&str], variables: &[(&str, &str)]) {
        let target = self.root.ancestors().nth(2).unwrap_or(&self.root);
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["rustc", "--quiet", "--offline", "--target-dir"]).arg(target).current_dir(&self.root);
        command.args(arguments).envs(variables.iter().copied());
        let built = needed(command.output(), Path::new("cargo"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        // Another build of the test may come to the same place.
        let profile = arguments.iter().skip_while(|argument| **argument != "--profile").nth(1);
        let built = target
            .join(profile.unwrap_or(&"debug"))
            .join(self.name)
            .with_extension(env::consts::EXE_EXTENSION);
        needed(fs::copy(&built, self.program()), &built);
    }

    /// Runs it: which factories ran, as it says in lines that begin with `ran `, and what it said last.
    pub fn run<V: Into<OsString>>(
        &self,
        variables: impl IntoIterator<Item = (&'static str, V)>,
        fails: bool,
    ) -> (BTreeSet<String>, String) {
        self.run_in(&self.root, variables, fails)
    }

    /// Runs it in another directory.
    pub fn run_in<V: Into<OsString>>(
        &self,
        directory: &Path,
        variables: impl IntoIterator<Item = (&'static str, V)>,
        fails: bool,
    ) -> (BTreeSet<String>, String) {
        let mut command = Command::new(self.program());
        command.envs(variables.into_iter().map(|(name, value)| (name, value.into())));
        let ended = needed(command.current_dir(directory).output(), &self.program());
        assert_eq!(ended.status.success(), !fails, "{}", String::from_utf8_lossy(&ended.stderr));
        let said = String::from_utf8_lossy(&ended.stdout);
        let ran = said.lines().filter_map(|line| line.strip_prefix("ran ")).map(str::to_owned).collect();
        (ran, said.lines().last().unwrap_or_default().to_owned())
    }
}

/// Copies all that is below a directory.
pub fn copy(from: &Path, to: &Path) {
    needed(fs::create_dir_all(to), to);
    for entry in needed(fs::read_dir(from), from) {
        let path = needed(entry, from).path();
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy(&path, &to) } else { needed(fs::copy(&path, to).map(drop), &path) }
    }
}

/// Has a manifest say that another version of setl has written it.
pub fn made_by_another_version(manifest: &Path) {
    let text = needed(fs::read_to_string(manifest), manifest);
    let (_, text) = text.trim_end().split_once('\n').unwrap_or_default();
    let this = format!("\"setl\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&this), "{text}");
    let text = text.replace(&this, "\"setl\": \"0.0.1\"");
    let checksum = setl::checkpoint::Fingerprint::of_bytes(text.as_bytes());
    needed(fs::write(manifest, format!("{checksum:#}\n{text}\n")), manifest);
}
