#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::SystemTime;

use super::*;
use crate::cache::{CachePolicy, clear, list, prune};
use crate::checkpoint::Reads;
use crate::checkpoint::store_tests::components;

const LONG: Duration = Duration::from_secs(1000);

struct Office {
    state: tempfile::TempDir,
    limits: Limits,
}

impl Office {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap(), limits: Limits { max_bytes: 1 << 20, max_age: LONG } }
    }

    fn cache(&self) -> Cache {
        Cache::new(self.state.path(), "Delays", 1, self.limits)
    }

    /// Adds a payload made by this code from the file.
    fn put(&self, code: u128, content: &str) {
        self.put_of("Rates", code, content).unwrap();
    }

    fn put_of(&self, factory: &str, code: u128, content: &str) -> Result<()> {
        let write = |directory: &Path| Ok(fs::write(directory.join("value"), content)?);
        self.cache().put(factory, self.made(code), &Contents::default(), write)
    }

    fn made(&self, code: u128) -> Made {
        let reads = Reads::default();
        reads.record(&self.file()).unwrap();
        Made {
            took: Duration::from_secs(3),
            max_age: None,
            components: components(code),
            reads: reads.recorded().into_iter().collect(),
            rows: None,
            by_fallback: false,
            writes: true,
            wrote: false,
            kept_writes: Vec::new(),
            wrote_above: BTreeSet::new(),
            acted: BTreeSet::new(),
            unwritten: BTreeSet::new(),
        }
    }

    fn file(&self) -> PathBuf {
        self.state.path().join("rates.csv")
    }

    fn look_up(&self, code: u128) -> LookUp {
        self.cache().look_up("Rates", &components(code), true, self.limits.max_age, &Contents::default())
    }

    /// Takes the output for this code. The error says why there is none.
    fn take(&self, code: u128) -> std::result::Result<String, String> {
        let LookUp { found, because } = self.look_up(code);
        match found.first() {
            Some(found) => self.cache().take(found, |path| Ok(fs::read_to_string(path.join("value"))?)),
            None => Err(because.unwrap_or_else(|| "there is none".to_owned())),
        }
    }

    /// Returns the directory of the only entry.
    fn only(&self) -> PathBuf {
        let all = list(self.state.path()).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].path.clone()
    }

    fn entries(&self) -> usize {
        list(self.state.path()).unwrap().len()
    }
}

fn is(text: &str) -> std::result::Result<String, String> {
    Ok(text.to_owned())
}

fn because(text: &str) -> std::result::Result<String, String> {
    Err(text.to_owned())
}

#[test]
fn what_is_added_is_taken_as_often_as_it_is_asked_for() {
    let office = Office::new();
    assert_eq!(office.take(1), because("there is none"));
    assert!(!office.state.path().join(CACHE).exists());
    office.put(1, "payload");
    for hits in 0..3 {
        let listed = list(office.state.path()).unwrap();
        assert_eq!((listed[0].hits, &*listed[0].factory, &*listed[0].pipeline), (hits, "Rates", "Delays"));
        assert_eq!((listed[0].took, &*listed[0].setl), (Duration::from_secs(3), env!("CARGO_PKG_VERSION")));
        assert_eq!(office.take(1), is("payload"));
    }
    assert_eq!(office.take(2), because("its code has changed"));
}

#[test]
fn several_versions_are_there_at_once() {
    let office = Office::new();
    for code in [1, 2, 3] {
        office.put(code, &format!("payload {code}"));
    }
    for content in ["a", "b"] {
        fs::write(office.file(), content).unwrap();
        office.put(1, content);
    }
    assert_eq!(office.entries(), 5);
    assert_eq!(office.take(1), is("b"));
    fs::write(office.file(), "a").unwrap();
    assert_eq!(office.take(1), is("a"));
    assert!(office.take(2).unwrap_err().ends_with("rates.csv has changed"));
    fs::remove_file(office.file()).unwrap();
    assert_eq!(office.take(1), is("payload 1"));
    assert_eq!(office.take(3), is("payload 3"));
    // The same output replaces the existing entry.
    office.put(3, "payload 3");
    assert_eq!(office.entries(), 5);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let mut office = Office::new();
    let content = "x".repeat(10_000);
    for code in 1..=4 {
        office.put(code, &content);
    }
    let bytes = list(office.state.path()).unwrap()[0].bytes;
    assert!((10_000..15_000).contains(&bytes), "{bytes}");
    assert!(office.take(1).is_ok());
    // The order of the last use is 2, 3, 4, 1.
    for (at, code) in [2, 3, 4, 1].into_iter().enumerate() {
        let entry = office.look_up(code).found.remove(0).path;
        let then = SystemTime::now() - Duration::from_secs(100 - at as u64);
        File::options().append(true).open(entry.join(USED)).unwrap().set_modified(then).unwrap();
    }
    office.limits.max_bytes = 3 * bytes + bytes / 2;
    office.put_of("Other", 5, &content).unwrap();
    assert!(office.look_up(2).found.is_empty() && office.look_up(3).found.is_empty());
    assert!(!office.look_up(4).found.is_empty() && !office.look_up(1).found.is_empty());
    let removed = prune(office.state.path(), &CachePolicy::declared().max_bytes(bytes)).unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(list(office.state.path()).unwrap()[0].factory, "Other");
}

#[test]
fn what_is_more_than_the_cache_may_hold_is_not_added() {
    let mut office = Office::new();
    office.limits.max_bytes = 5000;
    office.put(1, "small");
    let error = office.put_of("Rates", 2, &"x".repeat(10_000)).unwrap_err().to_string();
    assert!(error.ends_with("and the cache may hold 5000: allow for more with `max_bytes`"), "{error}");
    assert_eq!(office.take(1), is("small"));
    check_clean(&office);
}

#[test]
fn what_a_clock_that_was_set_back_has_made_is_of_no_known_age() {
    let now = crate::checkpoint::seconds(SystemTime::now());
    assert!(super::disk::age(now + 2 * LONG.as_secs()) > LONG);
    assert!(super::disk::age(now - 2 * LONG.as_secs()) > LONG);
}

#[test]
fn what_is_too_old_is_neither_taken_nor_kept() {
    let mut office = Office::new();
    office.put(1, "old");
    let age = |seconds: u64| {
        let path = office.only().join(MANIFEST);
        let mut manifest = Manifest::read(&path).unwrap();
        manifest.made -= seconds;
        manifest.write(&path).unwrap();
    };
    age(900);
    assert_eq!(office.take(1), is("old"));
    age(200);
    assert_eq!(office.take(1), because("it was made longer ago than 16m 40s"));
    assert_eq!(office.entries(), 1);
    office.put_of("Other", 1, "new").unwrap();
    assert_eq!(list(office.state.path()).unwrap()[0].factory, "Other");
    // The setting of a factory takes precedence over that of the run.
    let made = Made { max_age: Some(10 * LONG), ..office.made(1) };
    office
        .cache()
        .put("Rates", made, &Contents::default(), |path| Ok(fs::write(path.join("value"), "lasting")?))
        .unwrap();
    office.limits.max_age = Duration::ZERO;
    clear(office.state.path()).unwrap();
    assert!(!office.state.path().join(CACHE).exists() || office.entries() == 0);
}

/// Damages each file of an entry in each of these ways.
#[test]
fn whatever_is_damaged_is_noticed_and_removed() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("cut off", |path| fs::write(path, &fs::read(path).unwrap()[..1]).unwrap()),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("changed", |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("deleted", |path| fs::remove_file(path).unwrap()),
    ];
    for file in ["manifest", "payload/value"] {
        for (how, damage) in damages {
            let office = Office::new();
            office.put(1, "payload");
            let entry = office.only();
            damage(&entry.join(file));
            let because = office.take(1).unwrap_err();
            assert!(because.starts_with("its "), "{file} {how}: {because}");
            assert!(!entry.exists(), "{file} {how}");
            office.put(1, "payload");
            assert_eq!(office.take(1), is("payload"));
        }
    }
    // The count of uses is not part of the identity.
    for (_, damage) in &damages[1..] {
        let office = Office::new();
        office.put(1, "payload");
        assert_eq!(office.take(1), is("payload"));
        damage(&office.only().join(USED));
        assert_eq!(office.take(1), is("payload"));
    }
    // Damages each byte of the manifest.
    let office = Office::new();
    office.put(1, "payload");
    let path = office.only().join(MANIFEST);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert!(Manifest::read(&path).is_err(), "{at}");
    }
    assert!(list(office.state.path()).unwrap().is_empty());
    assert!(!path.exists());
}

#[test]
fn a_directory_in_place_of_a_file_is_noticed() {
    let office = Office::new();
    office.put(1, "payload");
    let entry = office.only();
    fs::remove_dir_all(entry.join("payload")).unwrap();
    assert_eq!(office.take(1), because("its file is missing"));
    assert!(!entry.exists());
    office.put(1, "payload");
    let entry = office.only();
    fs::write(entry.join("payload/more"), "").unwrap();
    assert_eq!(office.take(1), because("its file is damaged"));
    assert!(!entry.exists());
}

/// The states that a killed program can leave of an entry that it was adding.
#[test]
fn a_kill_leaves_nothing_or_all_of_it() {
    let whole = Office::new();
    whole.put(1, "payload");
    let entry = whole.only();
    // Only the directory exists, without a marker file.
    let begun = Office::new();
    begun.put(2, "other");
    fs::create_dir_all(begun.only().with_file_name(".new-1")).unwrap();
    assert_eq!(begun.entries(), 1);
    check_clean(&begun);
    let files = ["payload/value", "manifest", "used"];
    for step in 0..=files.len() {
        for cut in [0, 1, usize::MAX] {
            let office = Office::new();
            office.put(2, "other");
            let aside = office.only().with_file_name(".new-1");
            fs::create_dir_all(aside.join("payload")).unwrap();
            File::create(aside.join(MAKING)).unwrap();
            for (at, file) in files.iter().enumerate().take(step + 1) {
                let content = fs::read(entry.join(file)).unwrap();
                let len = if at == step { cut.min(content.len()) } else { content.len() };
                fs::write(aside.join(file), &content[..len]).unwrap();
            }
            if step == files.len() && cfg!(not(windows)) {
                // The entry only lacks its name.
                fs::remove_file(aside.join(MAKING)).unwrap();
            }
            assert_eq!(office.take(1), because("its code has changed"));
            assert_eq!(office.take(2), is("other"));
            // Each listing and each addition removes abandoned entries.
            assert_eq!(office.entries(), 1);
            check_clean(&office);
        }
    }
}

#[test]
fn what_somebody_makes_is_left_alone() {
    let office = Office::new();
    office
        .cache()
        .put("Rates", office.made(1), &Contents::default(), |_| {
            office.put(2, "other");
            clear(office.state.path()).map(drop)?;
            Ok(())
        })
        .unwrap();
    assert!(!office.look_up(1).found.is_empty());
    check_clean(&office);
}

#[test]
fn what_somebody_uses_is_not_removed() {
    let office = Office::new();
    office.put(1, "payload");
    let found = office.look_up(1).found.remove(0);
    office
        .cache()
        .take(&found, |path| {
            assert!(clear(office.state.path())?.is_empty());
            prune(office.state.path(), &CachePolicy::declared().max_bytes(0))?;
            assert_eq!(fs::read_to_string(path.join("value"))?, "payload");
            Ok(())
        })
        .unwrap();
    assert_eq!(clear(office.state.path()).unwrap().len(), 1);
    // An entry that was found and is gone by now is not an error.
    let gone = office.cache().take(&found, |_| Ok(()));
    assert_eq!(gone, Err("somebody has removed it".to_owned()));
}

#[test]
fn any_number_use_it_at_once() {
    let mut office = Office::new();
    office.limits.max_bytes = 20_000;
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8u128 {
            let (office, barrier) = (&office, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..30u128 {
                    let code = (thread + round) % 5;
                    let content = format!("{code}{}", "x".repeat(4000));
                    // An entry is complete, whatever other threads remove meanwhile.
                    match office.take(code) {
                        Ok(taken) => assert_eq!(taken, content),
                        Err(_) => office.put_of("Rates", code, &content).unwrap(),
                    }
                }
            });
        }
    });
    assert!((1..=4).contains(&office.entries()), "{}", office.entries());
    check_clean(&office);
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let office = Office::new();
    let failed = office.cache().put("Rates", office.made(1), &Contents::default(), |path| {
        fs::write(path.join("value"), "half")?;
        Err::<(), _>(Error::msg("no space"))
    });
    assert_eq!(failed.unwrap_err().root_cause().to_string(), "no space");
    check_clean(&office);
    fs::remove_dir_all(office.state.path().join(CACHE)).unwrap();
    fs::write(office.state.path().join(CACHE), "").unwrap();
    let error = office.put_of("Rates", 1, "payload").unwrap_err();
    assert!(error.to_string().starts_with("cannot create "), "{error}");
    assert_eq!(office.take(1), because("there is none"));
}

#[test]
fn another_version_of_setl_is_left_alone_and_not_used() {
    let office = Office::new();
    office.put(1, "payload");
    let path = office.only().join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    let (_, text) = text.trim_end().split_once('\n').unwrap();
    let other = text.replace(env!("CARGO_PKG_VERSION"), "0.0.9");
    let checksum = crate::checkpoint::Fingerprint::of_bytes(other.as_bytes());
    fs::write(&path, format!("{checksum:#}\n{other}\n")).unwrap();
    assert_eq!(office.take(1), because("made by setl 0.0.9"));
    assert_eq!(list(office.state.path()).unwrap()[0].setl, "0.0.9");
    assert!(path.exists());
}

/// A query reads the file when it is run, which is when its output is stored.
#[test]
fn what_was_made_of_a_file_that_changes_meanwhile_is_not_added() {
    let office = Office::new();
    fs::write(office.file(), "a").unwrap();
    let added = office.cache().put("Rates", office.made(1), &Contents::default(), |path| {
        fs::write(office.file(), "b")?;
        Ok(fs::copy(office.file(), path.join("value")).map(drop)?)
    });
    assert!(added.unwrap_err().to_string().ends_with("rates.csv has changed meanwhile"));
    check_clean(&office);
    // The entry would be taken for the output of the old content.
    fs::write(office.file(), "a").unwrap();
    assert_eq!(office.take(1), because("there is none"));
}

#[track_caller]
fn check_clean(office: &Office) {
    for pipeline in disk::directories(&office.state.path().join(CACHE)).unwrap() {
        for factory in disk::directories(&pipeline).unwrap() {
            for entry in fs::read_dir(factory).unwrap() {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                assert!(!name.starts_with('.'), "{name} is left");
            }
        }
    }
}
