//! The fingerprint of a factory's code within its package: for `code = package`.
//!
//! A macro sees its own item, but not the functions that the item calls. Therefore the sources of the whole package are read,
//! once for each run of the compiler. The item of a factory and its `impl` blocks count for that factory and for those that name
//! it. Everything else counts for all factories. A fingerprint may change unnecessarily. The book lists the changes that are not
//! detected.

mod lexer;
mod outside;
mod source;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, io};

use proc_macro2::{Ident, TokenStream};

use outside::Environment;
use source::{Hash, Share, Shares, Source, hash_of_tokens};

/// The fingerprint if a source could not be read. Other runs never take an output with this fingerprint.
const UNKNOWN: u128 = 0;

/// Returns the fingerprint of the factory of this name. `own_tokens` are the arguments of its attribute and its item.
pub(crate) fn of(item_name: &Ident, own_tokens: &TokenStream) -> u128 {
    let name = syn::ext::IdentExt::unraw(item_name).to_string();
    if !proc_macro::is_available() {
        return fingerprint(None, &name, own_tokens);
    }
    package().map_or(UNKNOWN, |package| fingerprint(Some(&package), &name, own_tokens))
}

fn fingerprint(package: Option<&Package>, name: &str, own_tokens: &TokenStream) -> u128 {
    let mut hash = Hash::new();
    // If a macro makes several factories from one text, only these tokens differ.
    hash.add(hash_of_tokens(own_tokens.clone()));
    match package {
        Some(package) => {
            hash.add(package.of_all);
            hash.add(package.of_one.get(name).copied().unwrap_or_default());
        }
        // Only the item itself counts. The text distinguishes this from a package without other code.
        None => hash.text("no sources"),
    }
    hash.finish()
}

/// The hashes of a package, without the factories' own tokens.
#[derive(Clone, Debug, Default, PartialEq)]
struct Package {
    /// The hash of the code that counts for all factories.
    of_all: u128,
    /// The hash of the code for each factory: its item and `impl` blocks, and those of the factories that it names.
    of_one: HashMap<String, u128>,
}

impl Package {
    /// Hashes these files, given by their path in the package.
    fn of_sources<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut shares = Shares::default();
        let mut sources = Vec::new();
        for (path, content) in files {
            match std::str::from_utf8(content) {
                Ok(text) => sources.push((path, Source::of(text))),
                // The file is not Rust, but may be included.
                Err(_) => shares.of_all.hash.bytes(content),
            }
        }
        let others: HashSet<_> = sources.iter().flat_map(|(_, source)| &source.others).collect();
        let factories = sources.iter().flat_map(|(_, source)| &source.factories);
        let factories = factories.filter(|name| !others.contains(name)).cloned().collect();
        let modules = |of: fn(&Source) -> &[String]| -> HashSet<String> {
            sources.iter().flat_map(|(path, source)| paths_of(path, of(source))).collect()
        };
        let compiled = modules(|source| &source.modules);
        let mut of_tests = modules(|source| &source.test_modules);
        of_tests.retain(|module| !compiled.contains(module));
        for (path, source) in &sources {
            let is = |module: &String| {
                path.strip_prefix(&**module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            };
            if !of_tests.iter().any(is) {
                source.divide(&factories, &mut shares);
            }
        }
        let Shares { of_all, of_one } = shares;
        let finish = |share: &Share, name: &str| {
            let mut hash = share.hash.clone();
            for named in named_by(share, &of_one).iter().filter(|named| *named != name) {
                hash.text(named);
                hash.add(of_one.get(named).map_or(UNKNOWN, |other| other.hash.finish()));
            }
            hash.finish()
        };
        Self {
            of_all: finish(&of_all, ""),
            of_one: of_one.iter().map(|(name, share)| (name.clone(), finish(share, name))).collect(),
        }
    }

    /// Hashes the package in this directory, as far as this target sees it.
    ///
    /// # Errors
    /// If an existing file cannot be read.
    fn read(directory: &Path, target: Target, environment: &Environment) -> io::Result<Self> {
        let mut files = Vec::new();
        source_files(directory, directory, &mut BTreeSet::new(), &mut files)?;
        files.sort();
        let mut sources = Vec::with_capacity(files.len());
        let mut hash = Hash::new();
        for file in &files {
            let path = file.strip_prefix(directory).unwrap_or(file).to_string_lossy().replace('\\', "/");
            let of = target_of(&path);
            if of.is_none() || of == target {
                match fs::read(file) {
                    Ok(content) => sources.push((path, content)),
                    // The file is a dangling link, such as the lock of an editor.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => hash.text(&path),
                    Err(error) => return Err(error),
                }
            }
        }
        let package = Self::of_sources(sources.iter().map(|(path, content)| (&**path, &**content)));
        hash.add(package.of_all);
        let sources = sources.iter().map(|(path, content)| (directory.join(path), &**content));
        environment.add_to(&mut hash, directory, sources)?;
        Ok(Self { of_all: hash.finish(), ..package })
    }
}

/// Returns the factories that some items name, directly or through other factories.
fn named_by(share: &Share, of_one: &HashMap<String, Share>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut next: Vec<_> = share.named.iter().collect();
    while let Some(name) = next.pop() {
        if all.insert(name.clone()) {
            next.extend(of_one.get(name).into_iter().flat_map(|share| &share.named));
        }
    }
    all
}

/// Returns the modules that the file declares under these names, as paths in the package.
fn paths_of<'a>(path: &'a str, names: &'a [String]) -> impl Iterator<Item = String> + 'a {
    let module = path.strip_suffix(".rs").unwrap_or(path);
    let (directory, name) = module.rsplit_once('/').unwrap_or(("", module));
    let within = if matches!(name, "mod" | "lib" | "main") { directory } else { module };
    names.iter().map(move |name| format!("{within}/{name}").trim_start_matches('/').to_owned())
}

/// The directory of tests, examples or benches that a file is in. The code of one is invisible to the others and to the library.
type Target = Option<&'static str>;

fn target_of(path: &str) -> Target {
    let (first, _) = path.split_once('/')?;
    ["tests", "examples", "benches"].into_iter().find(|target| *target == first)
}

/// Lists the `.rs` files of a package below a directory, without other packages and generated files. Links are followed; `seen`
/// contains the visited directories.
fn source_files(
    package: &Path,
    directory: &Path,
    seen: &mut BTreeSet<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> io::Result<()> {
    if !seen.insert(directory.canonicalize()?) {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            let other = name.as_encoded_bytes().starts_with(b".")
                || (name == "target" && directory == package)
                || path.join("Cargo.toml").exists();
            if !other {
                source_files(package, &path, seen, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the package that is being compiled, or `None` if it cannot be read completely. It is read once, since the compiler
/// loads this library again for each crate. An editor does not, so it may see an old package, which is harmless, since it runs
/// nothing.
fn package() -> Option<Arc<Package>> {
    type Known = (PathBuf, Target, Option<Arc<Package>>);

    static PACKAGES: Mutex<Vec<Known>> = Mutex::new(Vec::new());

    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let file = proc_macro::Span::call_site().local_file();
    let target = file.and_then(|file| {
        let path = std::path::absolute(file).ok()?;
        target_of(&path.strip_prefix(&directory).ok()?.to_string_lossy().replace('\\', "/"))
    });
    let mut packages = PACKAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, _, package)) = packages.iter().find(|known| known.0 == directory && known.1 == target) {
        return package.clone();
    }
    let package = Environment::of_compiler()
        .and_then(|environment| Package::read(&directory, target, &environment))
        .ok()
        .map(Arc::new);
    packages.push((directory, target, package.clone()));
    package
}

#[cfg(test)]
mod tests;
