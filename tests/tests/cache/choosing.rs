//! Whose outputs are cached, for how long, and how much of them is kept.

use std::time::Duration;

use setl::cache::CachePolicy;
use setl::prelude::*;

use crate::office::{Desk, Limit, Office};

/// Cannot be kept.
#[derive(Clone)]
struct Opaque(u64);

#[factory]
fn plain(limit: Limit, desk: Desk) -> Result<u64> {
    desk.begin("plain")?;
    Ok(limit.0)
}

#[factory(cache(max_age = "7d"))]
fn declared(plain: u64, desk: Desk) -> Result<u32> {
    desk.begin("declared")?;
    Ok(plain as u32)
}

#[factory]
fn opaque(declared: u32, desk: Desk) -> Result<Opaque> {
    desk.begin("opaque")?;
    Ok(Opaque(u64::from(declared)))
}

#[factory(volatile)]
fn volatile(opaque: Opaque, desk: Desk) -> Result<i64> {
    desk.begin("volatile")?;
    Ok(opaque.0 as i64)
}

#[factory]
fn last(volatile: i64, desk: Desk) -> Result<String> {
    desk.begin("last")?;
    Ok(volatile.to_string())
}

#[pipeline(all(plain, declared, opaque, volatile, last))]
struct Mixed {
    limit: Limit,
    #[delivery(opaque)]
    desk: Desk,
}

fn mixed(office: &Office) -> setl::RunBuilder<Mixed> {
    Mixed { limit: Limit(office.limit), desk: office.desk.clone() }.run()
}

/// Two runs: what the second computes, and what is cached then.
#[track_caller]
fn check(
    how: impl Fn(setl::RunBuilder<Mixed>) -> setl::RunBuilder<Mixed>,
    ran: &[&str],
    cached: &[&str],
) -> Office {
    let office = Office::new();
    assert_eq!(office.run_any(how(mixed(&office))).ran.len(), 5);
    let went = office.run_any(how(mixed(&office)));
    assert_eq!((went.ran, office.cached()), (owned(ran), owned(cached)), "{:?}", went.error);
    office
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn it_is_the_run_that_chooses() {
    let runs = ["last", "opaque", "volatile"];
    check(|run| run, &runs, &["declared"]);
    check(|run| run.cache(CachePolicy::declared()), &runs, &["declared"]);
    // Below what is volatile, its content counts.
    let all = check(|run| run.cache(CachePolicy::all()), &runs[1..], &["declared", "last", "plain"]);
    let went = all.run_any(mixed(&all).cache(CachePolicy::all()));
    assert_eq!((went.counts("last"), went.counts("opaque")), ((1, 0), (0, 0)));
    check(|run| run.cache(CachePolicy::off()), &["declared", "last", "opaque", "plain", "volatile"], &[]);
    check(
        |run| run.cache(CachePolicy::only(["plain"])),
        &["declared", "last", "opaque", "volatile"],
        &["plain"],
    );
    let also = || CachePolicy::declared().also(["last"]);
    check(|run| run.cache(also()), &runs[1..], &["declared", "last"]);
}

#[test]
fn who_cannot_be_cached_is_told() {
    let office = Office::new();
    let went = office.run_any(mixed(&office).cache(CachePolicy::only(["opaque", "volatile", "plian"])));
    let error = went.error.unwrap();
    for mistake in [
        "the output of factory `opaque` cannot be kept on disk, so it cannot be cached",
        "factory `volatile` is volatile and runs in every run, so nothing of it is cached",
        "pipeline `Mixed` has no factory `plian`, did you mean `plain`?",
    ] {
        assert!(error.contains(mistake), "{error}");
    }
    assert!(went.ran.is_empty());
}

#[test]
fn what_is_too_old_runs_again() {
    let office =
        check(|run| run.cache(CachePolicy::all()), &["opaque", "volatile"], &["declared", "last", "plain"]);
    std::thread::sleep(Duration::from_millis(2100));
    let young = || CachePolicy::all().max_age(Duration::from_secs(1));
    let went = office.run_any(mixed(&office).cache(young()));
    assert_eq!(went.ran, ["last", "opaque", "volatile"]);
    assert_eq!(went.remark("last"), "not taken from the cache: it was made longer ago than 1s");
    // `declared` says itself for how long it is good; `plain` does not, and is gone.
    assert_eq!(office.cached(), ["declared", "last"]);
}

#[test]
fn the_state_directory_holds_no_more_than_is_said() {
    let mut office = Office::new();
    office.run_any(mixed(&office).cache(CachePolicy::all()));
    let bytes: u64 = office.entries().iter().map(|entry| entry.bytes).sum();
    office.run();
    let all: u64 = office.entries().iter().map(|entry| entry.bytes).sum();
    assert!(all > bytes);
    // Another pipeline's outputs go as well, since they were used longer ago.
    for limit in 0..10 {
        office.limit = limit;
        let went = office.run_any(mixed(&office).cache(CachePolicy::all().max_bytes(bytes)));
        assert_eq!(went.error, None);
        let now: u64 = office.entries().iter().map(|entry| entry.bytes).sum();
        assert!(now <= bytes, "{now} of {bytes}");
    }
    assert!(office.entries().iter().all(|entry| entry.pipeline == "Mixed"));
    let went = office.run_any(mixed(&office).cache(CachePolicy::all().max_bytes(10)));
    assert!(went.ran.len() > 1);
    office.limit = 77;
    let went = office.run_any(mixed(&office).cache(CachePolicy::all().max_bytes(10)));
    assert_eq!(went.error, None);
    assert!(went.remark("plain").contains("bytes, and the cache may hold 10"), "{went:?}");
}

#[cfg(feature = "config")]
#[test]
fn settings_go_before_what_the_program_says() {
    let settings = |text: &str| text.parse::<setl::policy::Settings>().unwrap();
    let every = ["declared", "last", "opaque", "plain", "volatile"];
    let all = CachePolicy::all;
    check(|run| run.cache(all()).settings(settings("cache = false")), &every, &[]);
    check(
        |run| run.settings(settings("cache.all = true")),
        &["opaque", "volatile"],
        &["declared", "last", "plain"],
    );
    let one = "factory.declared.cache = false\nfactory.plain.cache = { max_age = '1d' }";
    check(|run| run.settings(settings(one)), &["declared", "last", "opaque", "volatile"], &["plain"]);
    let less = "factory.last.cache = false";
    check(
        |run| run.cache(all()).settings(settings(less)),
        &["last", "opaque", "volatile"],
        &["declared", "plain"],
    );
    check(
        |run| run.cache(CachePolicy::off()).settings(settings("factory.plain.cache = true")),
        &["declared", "last", "opaque", "volatile"],
        &["plain"],
    );
    let small = check(|run| run.settings(settings("cache.max_bytes = 10")), &every, &[]);
    assert!(small.cached().is_empty());
}
