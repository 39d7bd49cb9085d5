//! What becomes of runs whose cache is damaged, gone, or cannot be written to.

use std::fs;
use std::future::IntoFuture as _;

use setl::run::Status;

use crate::office::{Office, files};

const ALL: [&str; 4] = ["clean", "late", "read", "total"];

/// Every file of the store, one after the other, in each way.
#[test]
fn whatever_is_damaged_costs_time_only() {
    let damages: [fn(&std::path::Path); 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, "").unwrap(),
        |path| fs::write(path, "something else").unwrap(),
        |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
    ];
    for at in 0..9 {
        for damage in damages {
            let office = Office::new();
            office.run();
            let all = files(&office.state().join("cache"));
            assert_eq!(all.len(), 9, "{all:?}");
            damage(&all[at]);
            let run = setl_tests::runtime(1).block_on(office.daily().state_dir(office.state()).into_future());
            assert_eq!(run.unwrap().get::<crate::office::total>().0, 140);
            // What was noticed is repaired, and what nobody needed is noticed when it is needed.
            assert_eq!(office.run().ran.len(), 0, "{}", all[at].display());
            office.write("input.txt", "4");
            let went = office.run();
            assert_eq!((went.ran.len(), went.error), (4, None));
        }
    }
}

#[test]
fn what_runs_again_is_what_the_damage_was_done_to() {
    let office = Office::new();
    office.run();
    fs::write(office.entry("total").join("payload/value"), "x").unwrap();
    let went = office.run();
    assert_eq!((went.ran.clone(), went.with(Status::Cached)), (vec!["total".to_owned()], vec!["late"]));
    assert_eq!(went.remark("total"), "not taken from the cache: its file is damaged");
    // Two at once, the upper of which nobody would look at otherwise.
    fs::write(office.entry("total").join("payload/value"), "x").unwrap();
    fs::write(office.entry("late").join("payload/value"), "x").unwrap();
    let went = office.run();
    assert_eq!(
        (went.ran.clone(), went.with(Status::Cached)),
        (owned(&["clean", "late", "total"]), vec!["read"])
    );
    for name in ["total", "late", "read"] {
        fs::write(office.entry(name).join("payload/value"), "x").unwrap();
    }
    assert_eq!(office.run().ran, ALL);
    assert_eq!(office.run().ran.len(), 0);
    fs::remove_dir_all(office.state()).unwrap();
    assert_eq!(office.run().ran, ALL);
}

#[test]
fn a_cache_that_cannot_be_written_to_fails_nobody() {
    let office = Office::new();
    fs::create_dir_all(office.state()).unwrap();
    fs::write(office.state().join("cache"), "").unwrap();
    for _ in 0..2 {
        let went = office.run();
        assert_eq!((went.ran.as_slice(), &went.error), (ALL.map(str::to_owned).as_slice(), &None));
        assert!(went.remark("late").starts_with("not cached: cannot create "), "{went:?}");
        let report = went.report.unwrap();
        let late = report.cache().iter().find(|of| of.factory == "late").unwrap();
        assert!(!late.added && late.not_added.is_some(), "{late:?}");
    }
}

/// A directory without the right to write, where that means something.
#[cfg(unix)]
#[test]
fn what_can_only_be_read_is_taken() {
    use std::os::unix::fs::PermissionsExt as _;

    let office = Office::new();
    office.run();
    let directories = |mode: u32| {
        let all = files(&office.state());
        let parents = all.iter().flat_map(|path| path.ancestors().skip(1));
        for path in parents.filter(|path| path.starts_with(office.state())) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for path in all {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
    };
    directories(0o555);
    let went = office.run();
    directories(0o755);
    assert_eq!((went.ran.len(), went.error), (0, None));
}

/// A disk that is full at some point of the payload, as far as the payload can tell.
mod full {
    use serde::{Deserialize, Serialize, Serializer};
    use setl::prelude::*;

    use super::*;
    use crate::office::Desk;

    #[derive(Clone, Debug, Deserialize)]
    struct Endless(u32);

    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => Err(serde::ser::Error::custom("No space left on device")),
                1 => panic!("no more"),
                other => serializer.serialize_u32(other),
            }
        }
    }

    #[factory(cache)]
    fn endless(desk: Desk) -> Result<Endless> {
        desk.begin("endless")?;
        Ok(Endless(desk.root.join("panics").exists().into()))
    }

    #[factory]
    fn user(endless: Endless, desk: Desk) -> Result<u32> {
        desk.begin("user")?;
        Ok(endless.0)
    }

    #[pipeline(all(endless, user))]
    struct Full {
        #[delivery(opaque)]
        desk: Desk,
    }

    #[test]
    fn what_cannot_be_written_is_delivered() {
        let office = Office::new();
        let run = || office.run_any(Full { desk: office.desk.clone() }.run());
        let went = run();
        assert_eq!((went.ran.as_slice(), &went.error), (owned(&["endless", "user"]).as_slice(), &None));
        let remark = went.remark("endless");
        assert!(remark.starts_with("not cached: cannot write to "), "{remark}");
        assert!(remark.ends_with("No space left on device"), "{remark}");
        office.write("panics", "");
        let went = run();
        assert_eq!(went.error, None);
        assert!(went.remark("endless").contains("no more"), "{went:?}");
        assert!(files(&office.state()).is_empty());
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
