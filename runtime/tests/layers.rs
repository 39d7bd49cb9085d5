//! Which module of the crate may import which: each only modules of the layers below its own.
//!
//! ARCHITECTURE.md says what each layer is for. An import that points upwards or sideways is an error here, unless it is listed
//! in `EXCEPTIONS`, which only gets shorter.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The layers from the lowest to the highest: in each, its parts, which do not import each other, and the modules of each
/// part. A module belongs to the longest path that it begins with.
const LAYERS: &[&[(&str, &[&str])]] = &[
    &[("base", &["base"])],
    &[(
        "model",
        &[
            "plan",
            "policy",
            "cache::policy",
            "checkpoint::codec",
            "checkpoint::fingerprint",
            "checkpoint::key",
        ],
    )],
    &[(
        "run",
        &[
            "context",
            "run::blocking",
            "run::current",
            "run::error",
            "run::event",
            "run::factory_config",
            "run::hook",
            "run::nested",
            "run::observer",
            "run::report",
            "run::rows",
            "run::schedule",
            "run::section",
            "run::shared",
            "run::slot",
            "run::starving",
            "run::step",
            "run::threads",
        ],
    )],
    &[
        ("declare", &["factory", "delivery", "pipeline", "plan::dynamic", "inspect"]),
        ("executor", &["run::executor", "run::attempt", "run::transitions", "run::finish", "run::signals"]),
    ],
    &[(
        "prepare",
        &[
            "run::config",
            "run::extension",
            "run::opening",
            "run::prepare",
            "run::request",
            "run::run_plan",
            "run::run_builder",
            "run::select",
        ],
    )],
    &[("memory", &["memory"])],
    &[("persist", &["checkpoint", "cache"])],
    &[("optimize", &["optimize"])],
    &[("data", &["dataset", "storage", "queries"])],
    &[("learning", &["learning"])],
    &[(
        "facade",
        &[
            "",
            "__private",
            "optimize::explained",
            "run",
            "run::lifecycle",
            "run::outcome",
            "run::settings",
            "run::start",
            "testing",
        ],
    )],
];

/// Imports that are still to be turned round: the file, and the part that it imports.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("checkpoint/frame.rs", "data"),
    ("checkpoint/key.rs", "persist"),
    ("context.rs", "persist"),
    ("factory.rs", "facade"),
    ("factory.rs", "persist"),
    ("pipeline.rs", "persist"),
    ("plan/dynamic.rs", "persist"),
    ("plan/dynamic.rs", "prepare"),
    ("plan/dynamic/inputs.rs", "persist"),
    ("plan/fingerprints.rs", "declare"),
    ("plan/presence.rs", "declare"),
    ("policy/classify.rs", "run"),
    ("run/shared.rs", "persist"),
    ("run/step.rs", "data"),
    ("run/step.rs", "declare"),
    ("run/step.rs", "persist"),
];

#[test]
fn each_module_imports_lower_layers_only() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let found: BTreeSet<_> = sources.imports_upwards().into_iter().collect();
    let listed: BTreeSet<_> =
        EXCEPTIONS.iter().map(|(file, part)| (file.to_string(), part.to_string())).collect();
    let new: Vec<_> = found.difference(&listed).map(|(file, to)| format!("{file} imports `{to}`")).collect();
    assert!(new.is_empty(), "imports of a higher layer, or of a neighbour:\n{}", new.join("\n"));
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these exceptions are not needed any more: {gone:?}");
}

/// Elsewhere, code that depends on a feature is a module as a whole, and there may be names that it gives out.
#[test]
fn features_are_named_in_one_place() {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path.ends_with("src/lib.rs") || is_test(&path) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            // Tests may need a feature.
            let code = text.split("\nmod tests {").next().unwrap();
            let lines: Vec<_> = code.lines().map(str::trim).collect();
            for (at, line) in lines.iter().enumerate() {
                let names_feature =
                    line.starts_with("#") && line.contains("cfg") && line.contains("feature =");
                let is_documentation = line.starts_with("#![cfg_attr(") && line.contains(", doc = ");
                let next = lines.get(at + 1).copied().unwrap_or_default();
                let is_whole = ["mod ", "pub mod ", "pub(crate) mod ", "pub use ", "pub(crate) use "]
                    .iter()
                    .any(|start| next.starts_with(start) && next.ends_with(';'));
                if names_feature && !is_documentation && !is_whole {
                    found.push(format!("{}:{}: {line}", path.display(), at + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "features belong in lib.rs, or at a module as a whole:\n{}", found.join("\n"));
}

/// The path of a module or an item, from the root of the crate.
type ModulePath = Vec<String>;

struct Sources {
    /// The file of each module, and what it imports.
    modules: BTreeMap<ModulePath, (String, Vec<ModulePath>)>,
    /// The items that a module gives out under its own path, and where they are from.
    reexports: BTreeMap<ModulePath, ModulePath>,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources = Self { modules: BTreeMap::new(), reexports: BTreeMap::new() };
        let mut directories = vec![root.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true if path != root.join("bin") => directories.push(path),
                    false if !is_test(&path) => sources.add(root, &path),
                    _ => {}
                }
            }
        }
        sources
    }

    fn add(&mut self, root: &Path, path: &Path) {
        let file = path.strip_prefix(root).unwrap();
        let mut module: ModulePath =
            file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(module.last().unwrap().as_str(), "mod" | "lib") {
            module.pop();
        }
        let tokens: TokenStream = fs::read_to_string(path).unwrap().parse().unwrap();
        let mut imports = Vec::new();
        for Import { path, public } in imports_in(tokens, &module) {
            if let (true, Some(name)) = (public, path.last()) {
                let mut shown = module.clone();
                shown.push(name.clone());
                if shown != path {
                    self.reexports.insert(shown, path.clone());
                }
            }
            imports.push(path);
        }
        self.modules.insert(module, (file.to_string_lossy().into_owned(), imports));
    }

    fn imports_upwards(&self) -> Vec<(String, String)> {
        let mut upwards = Vec::new();
        for (module, (file, imports)) in &self.modules {
            let (own_layer, own) = place(module);
            for import in imports {
                let (layer, part) = place(&self.module_of(import));
                if part != own && layer >= own_layer {
                    upwards.push((file.clone(), part.to_owned()));
                }
            }
        }
        upwards
    }

    /// The module in which an imported item is written.
    fn module_of(&self, item: &[String]) -> ModulePath {
        let mut item = item.to_owned();
        // An item is given out by few modules on its way.
        for _ in 0..8 {
            let given_out = (1..=item.len()).rev().find_map(|end| {
                // A macro may have the name of a module.
                let from =
                    self.reexports.get(&item[..end]).filter(|_| !self.modules.contains_key(&item[..end]))?;
                Some([from.as_slice(), &item[end..]].concat())
            });
            match given_out {
                Some(from) => item = from,
                None => break,
            }
        }
        while !item.is_empty() && !self.modules.contains_key(&item) {
            item.pop();
        }
        item
    }
}

/// The layer of a module, and the part to which it belongs.
fn place(module: &[String]) -> (usize, &'static str) {
    let path = module.join("::");
    let begins = |with: &str| with.is_empty() || path == with || path.starts_with(&format!("{with}::"));
    let parts =
        LAYERS.iter().enumerate().flat_map(|(layer, parts)| parts.iter().map(move |part| (layer, part)));
    let modules =
        parts.flat_map(|(layer, (part, modules))| modules.iter().map(move |with| (layer, *part, *with)));
    let (layer, part, _) =
        modules.filter(|(.., with)| begins(with)).max_by_key(|(.., with)| with.len()).unwrap();
    (layer, part)
}

fn is_test(path: &Path) -> bool {
    let is = |part: &std::ffi::OsStr| matches!(part.to_str(), Some("tests" | "tests.rs" | "loom.rs"));
    // The checkout may be in a folder of any name.
    let within = path.iter().rev().take_while(|part| *part != "src");
    path.extension().is_none_or(|extension| extension != "rs") || within.into_iter().any(is)
}

struct Import {
    path: ModulePath,
    public: bool,
}

/// All paths that begin with `crate` or `super`, but in modules for tests, and the names that `use` gives out.
fn imports_in(tokens: TokenStream, module: &[String]) -> Vec<Import> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut imports = Vec::new();
    let mut at = 0;
    let mut public = false;
    while at < tokens.len() {
        if is_test_module(&tokens[at..]) {
            at += 2;
            let ends = |token: &TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                token => is_punct(token, ';') || is_punct(token, ','),
            };
            at += tokens[at..].iter().take_while(|token| !ends(token)).count() + 1;
            continue;
        }
        match &tokens[at] {
            TokenTree::Ident(word) if word == "pub" => {
                public = true;
                at += 1;
                if matches!(tokens.get(at), Some(TokenTree::Group(_))) {
                    at += 1;
                }
                continue;
            }
            // Not `impl Trait + use<'a>`.
            TokenTree::Ident(word) if word == "use" && !is_punct(&tokens[at + 1], '<') => {
                let end = at + tokens[at..].iter().position(|token| is_punct(token, ';')).unwrap();
                let mut paths = Vec::new();
                tree(&tokens[at + 1..end], module, true, &mut paths);
                imports.extend(paths.into_iter().map(|path| Import { path, public }));
                at = end;
            }
            TokenTree::Ident(word) if word == "crate" || word == "super" => {
                let path_end = at + path_len(&tokens[at..]);
                let mut paths = Vec::new();
                tree(&tokens[at..path_end], module, false, &mut paths);
                imports.extend(paths.into_iter().map(|path| Import { path, public: false }));
                at = path_end.max(at + 1) - 1;
            }
            TokenTree::Group(group) => imports.extend(imports_in(group.stream(), module)),
            _ => {}
        }
        public = false;
        at += 1;
    }
    imports
}

/// `#[cfg(test)]`, or with more conditions beside `test`.
fn is_test_module(tokens: &[TokenTree]) -> bool {
    let [first, TokenTree::Group(group), ..] = tokens else { return false };
    let text = group.stream().to_string();
    is_punct(first, '#') && text.starts_with("cfg") && text.contains("test") && !text.contains("not")
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// How many tokens belong to the path at the beginning.
fn path_len(tokens: &[TokenTree]) -> usize {
    let mut len = 1;
    while let [colon, other, TokenTree::Ident(_) | TokenTree::Group(_), ..] = &tokens[len..]
        && is_punct(colon, ':')
        && is_punct(other, ':')
    {
        len += 3;
    }
    len
}

/// The paths in a tree of imports, as `crate::{a, b::{c, d}}`.
fn tree(tokens: &[TokenTree], base: &[String], first: bool, paths: &mut Vec<ModulePath>) {
    let mut path = base.to_vec();
    let mut is_local = !first;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "crate" => {
                path.clear();
                is_local = true;
            }
            TokenTree::Ident(word) if word == "super" => {
                path.pop();
                is_local = true;
            }
            TokenTree::Ident(word) if word == "self" => is_local = true,
            TokenTree::Ident(word) if word == "as" => break,
            TokenTree::Ident(word) => {
                // A path that begins with another word names a module beside this one, or another crate.
                is_local |= at == 0;
                path.push(word.to_string());
            }
            TokenTree::Group(group) => {
                let tokens: Vec<_> = group.stream().into_iter().collect();
                for part in tokens.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty()) {
                    tree(part, &path, false, paths);
                }
                return;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    if is_local {
        paths.push(path);
    }
}
