#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use super::*;
use crate::checkpoint::{Code, Fingerprint, Fingerprinted as _, Key, Reads, state_directory};
use crate::plan::{Node, Plan, Source, Stage};
use crate::policy::{CodeScope, Policy};

/// A plan of factories in a row, the first of which takes an input.
pub(in crate::checkpoint) fn chain(names: &[&'static str]) -> Plan {
    use std::borrow::Cow;

    use crate::plan::{Delivery, DeliveryMode, Input};

    const TAKES: &[Delivery] = &[Delivery {
        name: "from",
        type_name: "u8",
        id: None,
        producer: None,
        optional: false,
        mode: DeliveryMode::Owned,
    }];
    let node = |(index, name): (usize, &&'static str)| Node {
        name: Cow::Borrowed(*name),
        stage: 0,
        deliveries: TAKES,
        sources: Cow::Owned(vec![if index == 0 { Source::Input(0) } else { Source::Factory(index - 1) }]),
        id: None,
        kept: index + 1 == names.len(),
        blocking: false,
        output: std::any::type_name::<u8>,
        policy: &Policy::NONE,
        fallback: None,
    };
    Plan {
        pipeline: Cow::Borrowed("Delays"),
        inputs: Cow::Owned(vec![Input { name: Cow::Borrowed("min_delay"), type_name: "u8", id: None }]),
        stages: Cow::Owned(vec![Stage::new("all", names.len())]),
        factories: names.iter().enumerate().map(node).collect(),
        order: (0..names.len() as u32).collect(),
        ..Plan::EMPTY
    }
}

/// The code of a factory, by a number.
pub(crate) fn code_of(code: u128) -> Code {
    Code::Known(CodeScope::Package, Fingerprint::of_bytes(&code.to_le_bytes()))
}

pub(crate) fn components(code: u128) -> Components {
    let input = Some(15u8.fingerprint().unwrap());
    Components::of(&chain(&["Rates"]), 0, code_of(code), |_| input).unwrap()
}

fn made(code: u128) -> Made {
    Made {
        took: std::time::Duration::from_millis(5),
        max_age: None,
        components: components(code),
        reads: BTreeSet::new(),
        rows: Some(3),
        by_fallback: false,
        writes: true,
        wrote: true,
        kept_writes: vec![serde_json::json!({ "target": "rates.csv" })],
        wrote_above: BTreeSet::new(),
        acted: BTreeSet::new(),
        unwritten: BTreeSet::new(),
    }
}

fn open(state: &Path) -> Store {
    let store = Store::open(state, "Delays", "1").unwrap();
    store.tidy(&|_| Ok(())).unwrap();
    store
}

fn put(store: &Store, code: u128, content: &str) {
    store.put("Rates", made(code), |directory| Ok(fs::write(directory.join("value"), content)?)).unwrap();
}

fn check(store: &Store, code: u128) -> Result<Validity, String> {
    let manifest = store.find("Rates").unwrap_or_else(|| Err("there is none".into()))?;
    Ok(store.check(&manifest, &components(code), true, &Contents::default()))
}

fn stale(because: &str) -> Result<Validity, String> {
    Ok(Validity::stale(because))
}

#[test]
fn a_child_that_was_just_started_keeps_nobody_out() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    // Until the child executes its own program, it holds the open files of this process.
    let _child = held(store.lock.lock()).as_ref().unwrap().try_clone().unwrap();
    assert!(matches!(Store::open(state.path(), "Delays", "2"), Err(StoreError::Locked { .. })));
    store.close();
    drop(open(state.path()));
    drop(store);
    open(state.path());
}

#[test]
fn what_is_put_is_found() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    assert!(store.find("Rates").is_none());
    put(&store, 1, "payload");
    drop(store);
    let store = open(state.path());
    assert_eq!(check(&store, 1), Ok(Validity::Valid));
    assert_eq!(check(&store, 2), stale("its code has changed"));
    let manifest = store.find("Rates").unwrap().unwrap();
    assert_eq!((manifest.rows, manifest.key), (Some(3), components(1).key()));
    let content = store.load("Rates", |directory| Ok(fs::read_to_string(directory.join("value"))?));
    assert_eq!(content.unwrap(), "payload");
    assert!(store.find("rates").is_none());
    store.remove("Rates").unwrap();
    assert!(store.find("Rates").is_none());
    store.remove("Rates").unwrap();
}

#[test]
fn the_new_one_replaces_the_old() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    put(&store, 1, "old");
    store.put("Rates", made(2), |_| Ok(())).unwrap();
    assert_eq!(check(&store, 2), Ok(Validity::Valid));
    let failed = store.put("Rates", made(3), |_| Err::<(), _>(crate::Error::msg("no space")));
    assert_eq!(failed.unwrap_err().root_cause().to_string(), "no space");
    assert_eq!(check(&store, 2), Ok(Validity::Valid));
    assert_eq!(store.entries().unwrap().len(), 1);
}

#[test]
fn clearing_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    put(&store, 1, "payload");
    store.put("Other", made(1), |_| Ok(())).unwrap();
    fs::write(store.directory.join("somebody's"), "").unwrap();
    store.clear(&|_| Ok(())).unwrap();
    assert!(store.entries().unwrap().is_empty());
}

/// Returns all entries of a directory, sorted by path.
fn contents(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push((path.clone(), None));
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), Some(fs::read(path).unwrap())));
        }
    }
    all.sort();
    all
}

/// The states that a killed program can leave: the files that it has made so far, the last of which is cut off anywhere.
/// The old checkpoint is present or absent, complete or partly removed.
#[test]
fn a_kill_leaves_the_old_one_the_new_one_or_none() {
    let made_by = |code, content| {
        let state = tempfile::tempdir().unwrap();
        put(&open(state.path()), code, content);
        (contents(&state.path().join("checkpoints")), state)
    };
    let (old, old_state) = made_by(1, "old");
    let (new, new_state) = made_by(2, "new");
    let name = file_name("Rates");
    let mut states = 0;
    // The progress of the new checkpoint in steps: its files and directories, with the last file cut off at some length.
    let of_new: Vec<_> = new.iter().filter(|(path, _)| path.to_string_lossy().contains(&name)).collect();
    for step in 0..=of_new.len() {
        let cuts = match of_new.get(step) {
            Some((_, Some(content))) => vec![0, 1, content.len() / 2, content.len() - 1],
            _ => vec![0],
        };
        for cut in cuts {
            for old_is in ["in place", "set aside", "half removed", "gone"] {
                let state = tempfile::tempdir().unwrap();
                let write = |from: &Path, path: &Path, rename: &str, content: Option<&[u8]>| {
                    let relative = path.strip_prefix(from).unwrap().to_string_lossy().replace(&name, rename);
                    let path = state.path().join(relative);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    match content {
                        Some(content) => fs::write(path, content).unwrap(),
                        None => fs::create_dir_all(path).unwrap(),
                    }
                };
                for (at, (path, content)) in old.iter().enumerate() {
                    let lock = path.ends_with(LOCK);
                    let rename = if old_is == "in place" { name.as_str() } else { ".old-1" };
                    let removed = old_is == "gone" || (old_is == "half removed" && at % 2 == 0);
                    if lock || !removed {
                        write(old_state.path(), path, rename, content.as_deref());
                    }
                }
                for (path, content) in &of_new[..step] {
                    write(new_state.path(), path, ".new-1", content.as_deref());
                }
                if let Some((path, Some(content))) = of_new.get(step) {
                    write(new_state.path(), path, ".new-1", Some(&content[..cut]));
                }
                let store = open(state.path());
                let expected =
                    if old_is == "in place" { Ok(Validity::Valid) } else { Err("there is none".into()) };
                assert_eq!(check(&store, 1), expected, "{step} {cut} {old_is}");
                // An entry that is not in its place is removed.
                assert_eq!(store.entries().unwrap().len(), usize::from(old_is == "in place"));
                put(&store, 2, "new");
                assert_eq!(check(&store, 2), Ok(Validity::Valid));
                states += 1;
            }
        }
    }
    assert!(states > 40, "{states}");
}

#[test]
fn a_damaged_payload_is_not_used() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    let payload = || store.path("Rates").join(PAYLOAD);
    let damages: [(&dyn Fn(), &str); 5] = [
        (&|| fs::write(payload().join("value"), "Payload").unwrap(), "its file is damaged"),
        (&|| fs::write(payload().join("value"), "payloa").unwrap(), "its file is damaged"),
        (&|| fs::remove_file(payload().join("value")).unwrap(), "its file is damaged"),
        (&|| fs::write(payload().join("more"), "").unwrap(), "its file is damaged"),
        (&|| fs::remove_dir_all(payload()).unwrap(), "its file is missing"),
    ];
    for (damage, because) in damages {
        put(&store, 1, "payload");
        damage();
        assert_eq!(check(&store, 1), stale(because));
    }
}

#[test]
fn a_damaged_manifest_is_not_used() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    put(&store, 1, "payload");
    let path = store.path("Rates").join(MANIFEST);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(check(&store, 1), Err("its manifest is damaged".into()), "{at}");
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(check(&store, 1), Err("its manifest is damaged".into()), "{at}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(check(&store, 1), Err("its manifest is missing".into()));
    store.remove("Rates").unwrap();
}

#[test]
fn what_another_version_made_is_not_used() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    put(&store, 1, "payload");
    let path = store.path("Rates").join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    let text = text.split_once('\n').unwrap().1.trim_end();
    let setl = format!("\"setl\": \"{}\"", env!("CARGO_PKG_VERSION"));
    for (from, to) in [(&*setl, "\"setl\": \"0.0.9\""), ("\"format\": 4", "\"format\": 0")] {
        assert!(text.contains(from), "{text}");
        let other = text.replace(from, to);
        fs::write(&path, format!("{:#}\n{other}\n", Fingerprint::of_bytes(other.as_bytes()))).unwrap();
        let version = if to.contains("0.0.9") { "0.0.9" } else { env!("CARGO_PKG_VERSION") };
        assert_eq!(check(&store, 1), Err(format!("made by setl {version}")));
    }
}

#[test]
fn what_was_read_has_to_be_the_same() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    let file = state.path().join("flights.csv");
    fs::write(&file, "1").unwrap();
    let reads = Reads::default();
    reads.record(&file).unwrap();
    store
        .put("Rates", Made { reads: reads.recorded().into_iter().collect(), ..made(1) }, |_| Ok(()))
        .unwrap();
    assert_eq!(check(&store, 1), Ok(Validity::Valid));
    fs::write(&file, "2").unwrap();
    assert_eq!(check(&store, 1), stale(&format!("file {} has changed", file.display())));
}

#[test]
fn what_did_not_write_is_no_use_for_a_run_that_writes() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    store.put("Rates", Made { writes: false, ..made(1) }, |_| Ok(())).unwrap();
    assert_eq!(check(&store, 1), stale("made by a run that did not write"));
    let manifest = store.find("Rates").unwrap().unwrap();
    let dry = store.check(&manifest, &components(1), false, &Contents::default());
    assert!(dry.is_valid());
}

#[test]
fn what_wrote_and_kept_nothing_of_it_runs_again() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    store.put("Rates", Made { kept_writes: Vec::new(), ..made(1) }, |_| Ok(())).unwrap();
    assert_eq!(check(&store, 1), stale("what it wrote went with the run that made it"));
}

#[test]
fn only_one_run_uses_a_store() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path(), "Delays", "first").unwrap();
    put(&store, 1, "payload");
    let error = Store::open(state.path(), "Delays", "second").unwrap_err();
    let directory = store.directory.display().to_string();
    let expected = format!(
        "another run of pipeline `Delays` uses its checkpoints in {directory} (process {}, run first): only one can at a \
         time; wait for it, or give this run a state directory of its own",
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    Store::open(state.path(), "Other", "second").unwrap();
    drop(store);
    let store = Store::open(state.path(), "Delays", "second").unwrap();
    assert_eq!(check(&store, 1), Ok(Validity::Valid));
}

#[test]
fn a_store_that_cannot_be_made_is_an_error_that_says_where() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file, "Delays", "1").unwrap_err();
    assert!(matches!(error, StoreError::Io { action: "create", .. }), "{error:?}");
    assert!(error.to_string().starts_with("cannot create "), "{error}");
}

#[test]
fn names_of_factories_become_names_of_directories() {
    let names = ["Load<Flight>", "Load_Flight_", "load", "Load", "..", "", "a/b", &"x".repeat(300)];
    let mut all: Vec<_> = names.iter().map(|name| file_name(name).to_lowercase()).collect();
    assert!(
        all.iter().all(|name| name.len() < 100 && !name.starts_with('.') && !name.contains('/')),
        "{all:?}"
    );
    all.sort();
    all.dedup();
    assert_eq!(all.len(), names.len());
}

#[test]
fn the_state_directory_is_the_one_that_is_given() {
    assert_eq!(state_directory(Some(Path::new("/tmp/state"))), Path::new("/tmp/state"));
}

#[test]
fn each_component_of_a_key_counts_alone() {
    let key = |plan: &Plan, node: usize, code, input: u8| -> Key {
        let input = Some(input.fingerprint().unwrap());
        Components::of(plan, node, code_of(code), |_| input).unwrap().key()
    };
    let plan = chain(&["Rates", "Report"]);
    let before = key(&plan, 0, 1, 15);
    assert_eq!(key(&plan, 0, 1, 15), before);
    assert_ne!(key(&plan, 0, 2, 15), before);
    assert_ne!(key(&plan, 0, 1, 30), before);
    assert_ne!(key(&chain(&["Others"]), 0, 1, 15), before);
    let mut changed = chain(&["Rates", "Report"]);
    changed.factories.to_mut()[0].output = std::any::type_name::<u16>;
    assert_ne!(key(&changed, 0, 1, 15), before);
    let mut renamed = chain(&["Rates", "Report"]);
    renamed.inputs.to_mut()[0].name = "max_delay".into();
    assert_ne!(key(&renamed, 0, 1, 15), before);
}

/// Checks which of the writes that were about to be kept the next run discards.
#[track_caller]
fn check_kept(store: &Store, expected: &[&str]) {
    let discarded = Mutex::new(Vec::new());
    let discard = |write: &Value| {
        held(discarded.lock()).push(write.as_str().unwrap().to_owned());
        Ok(())
    };
    store.tidy(&discard).unwrap();
    assert_eq!(held(discarded.lock()).clone(), expected);
}

#[test]
fn a_kept_write_that_no_checkpoint_names_is_found() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    check_kept(&store, &[]);
    store.intend(&["a".into(), "b".into()]).unwrap();
    store.put("Rates", Made { kept_writes: vec!["a".into()], ..made(1) }, |_| Ok(())).unwrap();
    check_kept(&store, &["b"]);
    check_kept(&store, &[]);
    // A torn line and a damaged line belong to writes that were not kept yet.
    let mut text = fs::read_to_string(store.kept.path()).unwrap();
    text += &text.trim_end().replace('a', "c");
    fs::write(store.kept.path(), text).unwrap();
    store.intend(&["d".into()]).unwrap();
    fs::write(store.path("Rates").join(MANIFEST), "").unwrap();
    // A write that cannot be removed yet is tried again.
    store.tidy(&|write| if write == "d" { Err(crate::Error::msg("busy")) } else { Ok(()) }).unwrap();
    check_kept(&store, &["d"]);
    assert!(!store.kept.path().exists());
    store.intend(&["e".into()]).unwrap();
    store.clear(&|_| Ok(())).unwrap();
    assert!(!store.kept.path().exists());
}

#[test]
fn what_is_committed_is_no_longer_wanting() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path());
    let above = ["Above".to_owned(), "Other".to_owned()].into();
    store.put("Rates", Made { wrote_above: above, ..made(1) }, |_| Ok(())).unwrap();
    fs::write(store.mark_of("Rates"), r#"["Rates", "Above"]"#).unwrap();
    let manifest = store.find("Rates").unwrap().unwrap();
    assert_eq!((manifest.wrote, manifest.kept_writes.len()), (false, 0));
    assert_eq!(manifest.writers(), ["Other".to_owned()].into());
    fs::write(store.mark_of("Rates"), "[").unwrap();
    assert_eq!(check(&store, 1), Err("what is committed of it cannot be read".into()));
    put(&store, 1, "payload");
    assert_eq!(check(&store, 1), Ok(Validity::Valid));
}
