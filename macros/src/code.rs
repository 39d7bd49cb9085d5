//! The fingerprint of a factory's code: it changes whenever what the factory does may have changed.
//!
//! A macro sees the item it stands on, not what that calls. So the sources of the whole package are read, once for each
//! run of the compiler. What belongs to one factory, the item and its `impl` blocks, counts for that factory alone; what
//! belongs to none counts for all. Too much may change a fingerprint, too little never does: within the package.

mod lexer;
mod source;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs};

use proc_macro2::{Ident, TokenStream};

use source::{Hash, Source, hash_of_tokens};

/// The fingerprint of the factory of this name, whose attribute's arguments and item are `own_tokens`.
pub(crate) fn of(item_name: &Ident, own_tokens: &TokenStream) -> u128 {
    let name = syn::ext::IdentExt::unraw(item_name).to_string();
    fingerprint(package().as_deref(), &name, own_tokens)
}

fn fingerprint(package: Option<&Package>, name: &str, own_tokens: &TokenStream) -> u128 {
    let mut hash = Hash::new();
    // Where macros make several factories of one text, this is what differs.
    hash.add(hash_of_tokens(own_tokens.clone()));
    match package {
        Some(package) => {
            hash.add(package.of_all);
            hash.add(package.of_one.get(name).copied().unwrap_or_default());
        }
        // Then only the item itself counts, which is not to be taken for a package that has nothing else in it.
        None => hash.text("no sources"),
    }
    hash.finish()
}

/// What there is in a package beside the factories themselves.
#[derive(Clone, Debug, Default, PartialEq)]
struct Package {
    /// What counts for all factories.
    of_all: u128,
    /// What counts for each: the item and its `impl` blocks.
    of_one: HashMap<String, u128>,
}

impl Package {
    /// Of these files, by their path in the package.
    fn of_sources<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let sources: Vec<_> = files.into_iter().map(|(path, text)| (path, Source::of(text))).collect();
        let others: HashSet<_> = sources.iter().flat_map(|(_, source)| &source.others).collect();
        let factories = sources.iter().flat_map(|(_, source)| &source.factories);
        let factories = factories.filter(|name| !others.contains(name)).cloned().collect();
        let of_tests: Vec<_> = sources.iter().flat_map(|(path, source)| test_modules(path, source)).collect();
        let mut of_all = Hash::new();
        let mut of_one: HashMap<String, Hash> = HashMap::new();
        for (path, source) in &sources {
            let is = |module: &String| {
                path.strip_prefix(&**module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            if !of_tests.iter().any(is) {
                source.divide(&factories, &mut of_all, &mut of_one);
            }
        }
        let of_one = of_one.into_iter().map(|(name, hash)| (name, hash.finish())).collect();
        Self { of_all: of_all.finish(), of_one }
    }

    /// Of the package in this directory, as far as a target of this kind sees it.
    fn read(directory: &Path, target: Target, version: &str) -> Option<Self> {
        let mut files = Vec::new();
        source_files(directory, &mut files)?;
        files.sort();
        let mut texts = Vec::with_capacity(files.len());
        for file in &files {
            let path = file.strip_prefix(directory).unwrap_or(file).to_string_lossy().replace('\\', "/");
            let of = target_of(&path);
            if of.is_none() || of == target {
                texts.push((path, fs::read_to_string(file).ok()?));
            }
        }
        let mut package = Self::of_sources(texts.iter().map(|(path, text)| (&**path, &**text)));
        let mut of_all = Hash::new();
        of_all.add(package.of_all);
        of_all.text(version);
        // Which version of each dependency there is, where it is pinned.
        of_all.text(&lock_file(directory).unwrap_or_default());
        package.of_all = of_all.finish();
        Some(package)
    }
}

/// The modules, by their path in the package, that the file with this path declares for tests only.
fn test_modules<'a>(path: &'a str, source: &'a Source) -> impl Iterator<Item = String> + 'a {
    let module = path.strip_suffix(".rs").unwrap_or(path);
    let (directory, name) = module.rsplit_once('/').unwrap_or(("", module));
    let within = if matches!(name, "mod" | "lib" | "main") { directory } else { module };
    source.test_modules.iter().map(move |name| format!("{within}/{name}").trim_start_matches('/').to_owned())
}

/// The directory of tests, examples or benches that a file is in: none of them sees another, nor does the library.
type Target = Option<&'static str>;

fn target_of(path: &str) -> Target {
    let (first, _) = path.split_once('/')?;
    ["tests", "examples", "benches"].into_iter().find(|target| *target == first)
}

/// The `.rs` files below a directory, without what belongs to another package or is generated.
fn source_files(directory: &Path, files: &mut Vec<PathBuf>) -> Option<()> {
    for entry in fs::read_dir(directory).ok()? {
        let entry = entry.ok()?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().ok()?.is_dir() {
            let other = name.as_encoded_bytes().starts_with(b".")
                || name == "target"
                || path.join("Cargo.toml").exists();
            if !other {
                source_files(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Some(())
}

/// The nearest `Cargo.lock` at or above a directory.
fn lock_file(directory: &Path) -> Option<String> {
    directory.ancestors().find_map(|above| fs::read_to_string(above.join("Cargo.lock")).ok())
}

/// The package that is being compiled, which is read once: the compiler loads this library anew for each crate. An editor
/// does not, and there what is kept may be old, which does no harm, since nothing is run from there.
fn package() -> Option<Arc<Package>> {
    type Known = (PathBuf, Target, Option<Arc<Package>>);

    static PACKAGES: Mutex<Vec<Known>> = Mutex::new(Vec::new());

    if !proc_macro::is_available() {
        return None;
    }
    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let file = proc_macro::Span::call_site().local_file();
    let target = file.and_then(|file| {
        let path = std::path::absolute(file).ok()?;
        target_of(&path.strip_prefix(&directory).ok()?.to_string_lossy().replace('\\', "/"))
    });
    let mut packages = PACKAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, package)) = packages.iter().find(|known| known.0 == directory && known.1 == target) {
        return package.clone();
    }
    let package = Package::read(&directory, target, &version).map(Arc::new);
    packages.push((directory, target, package.clone()));
    package
}

#[cfg(test)]
mod tests;
