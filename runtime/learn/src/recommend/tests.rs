//! Histories that support a recommendation, and histories that almost do.

use std::time::{Duration, SystemTime};

use super::*;
use crate::history::{FactoryRecord, LookupRecord, ReadRecord, SubplanRecord};

const MB: u64 = 1_000_000;

/// Runs at noon of `days` days. `read` and `clean` take one second each; `report` waits for both and also takes one second.
fn runs(days: u64) -> Vec<RunRecord> {
    let run = |day: u64| {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_hours(12 + 24 * day);
        let mut run = RunRecord::new(format!("day-{day}"), "Nightly", noon);
        let factory = |name| FactoryRecord::new(name, "c0de", Duration::from_secs(1));
        run.factories = ["read", "clean", "report"].map(factory).into();
        (run.cores, run.workers, run.links) = (Some(4), 4, vec![(0, 2), (1, 2)]);
        run.makespan = Duration::from_secs(2);
        run
    };
    (0..days).map(run).collect()
}

/// Runs to each of which `change` is applied.
fn changed(days: u64, change: impl Fn(u64, &mut RunRecord)) -> Vec<RunRecord> {
    let mut runs = runs(days);
    (0..).zip(&mut runs).for_each(|(day, run)| change(day, run));
    runs
}

fn of_kind(kind: Kind, runs: &[RunRecord]) -> Option<String> {
    let all = recommend(runs, &[]);
    let mut own = all.iter().filter(|of| of.kind == kind);
    let first = own.next().map(ToString::to_string);
    assert!(own.next().is_none(), "{all:?}");
    first
}

/// Checks that these runs give this text, and that their first four and all of `others` give nothing.
fn check(kind: Kind, runs: &[RunRecord], says: &str, others: &[Vec<RunRecord>]) {
    assert_eq!(of_kind(kind, runs).as_deref(), Some(says));
    assert_eq!(of_kind(kind, &runs[..4]), None, "on thin data");
    for (at, other) in others.iter().enumerate() {
        assert_eq!(of_kind(kind, other), None, "{at}");
    }
}

#[test]
fn nothing_is_recommended_where_all_is_well() {
    assert_eq!(recommend(&runs(20), &[]), []);
    assert_eq!(recommend(&[], &[]), []);
}

#[test]
fn a_factory_that_is_most_of_the_critical_path_is_to_be_split() {
    let with = |seconds, workers| {
        changed(12, move |_, run| {
            run.factories[1].wall = Duration::from_secs_f64(seconds);
            run.workers = workers;
            run.makespan = Duration::from_secs_f64(1.0 + seconds);
        })
    };
    let says = "split `clean` into parts that run at once: it is 90 % of the critical path, 9.00 s of 10.0 s (median of 12 \
                runs); saves about 4.50 s in each run";
    // 1.1 s are less than the minimum share, one worker gains nothing, and new code has no history.
    let mut new_code = with(9.0, 4);
    new_code[11].factories[1].code = "new".into();
    check(Kind::Split, &with(9.0, 4), says, &[with(1.1, 4), with(9.0, 1), new_code]);
}

#[test]
fn where_workers_are_missing_more_are_recommended() {
    let with = |workers, cores| {
        changed(7, move |_, run| {
            run.factories =
                (0..6).map(|at| FactoryRecord::new(format!("f{at}"), "", Duration::from_secs(1))).collect();
            run.links = Vec::new();
            (run.workers, run.cores) = (workers, Some(cores));
            run.makespan = Duration::from_secs(3);
        })
    };
    let says = "let 3 factories run at once (`concurrency`, or threads of the runtime): 2 can, of 4 cores 2 are idle, and \
                with 3 the same times make 2.00 s of 3.00 s (medians of 7 runs); saves about 1.00 s in each run";
    check(Kind::Concurrency, &with(2, 4), says, &[with(4, 4), with(2, 2), with(3, 4), runs(7)]);
}

fn read(path: &str, format: &str, bytes: u64, columns_read: usize) -> ReadRecord {
    ReadRecord {
        factories: vec!["read".into()],
        path: Some(path.into()),
        format: format.into(),
        bytes,
        modified: Some(SystemTime::UNIX_EPOCH),
        columns_read,
        columns: 16,
        from: None,
    }
}

#[test]
fn a_text_file_that_is_read_again_and_again_is_to_be_parquet() {
    let with = |format: &'static str, bytes, twice: bool| {
        changed(11, move |day, run| {
            run.reads = vec![read("data/sales.csv", format, bytes, 4)];
            // Three runs a day.
            run.started = SystemTime::UNIX_EPOCH + Duration::from_hours(8 * day);
            if !twice && day > 3 {
                run.reads.clear();
            }
        })
    };
    let says = "keep `sales.csv` as Parquet: CSV of 200 MB, 4 of 16 columns used, is read in 3.0 runs a day (11 runs), which \
                takes about 600 ms each time, by its size; saves about 575 ms in each run";
    let others = [with("Parquet", 200 * MB, true), with("CSV", 10 * MB, true), with("CSV", 200 * MB, false)];
    check(Kind::Format, &with("CSV", 200 * MB, true), says, &others);
    // The gain is limited by the time of the factory that reads the file.
    let runs = changed(11, |_, run| {
        run.reads = vec![read("sales.csv", "CSV", 9000 * MB, 4)];
    });
    assert!(
        of_kind(Kind::Format, &runs).is_some_and(|text| text.ends_with("saves about 1.00 s in each run"))
    );
}

#[test]
fn columns_that_nobody_uses_are_to_be_left_out() {
    let with = |bytes, used, by: &'static str| {
        changed(9, move |_, run| {
            let frame = read("", "frame", bytes, used);
            run.reads = vec![ReadRecord {
                path: None,
                from: Some("clean".into()),
                factories: vec![by.into()],
                ..frame
            }];
        })
    };
    let says = "deliver only those columns of `clean` that are used, or a `LazyFrame`: it holds 16 columns in 400 MB, and \
                queries of `report` use 2 of them (9 runs); saves about 350 MB";
    // Small, mostly used, and not used by the factory that takes it.
    let others = [with(MB, 2, "report"), with(400 * MB, 9, "report"), with(400 * MB, 2, "read")];
    check(Kind::Columns, &with(400 * MB, 2, "report"), says, &others);
}

#[test]
fn factories_that_compute_the_same_are_told() {
    let with = |whole_of: &'static [&'static str]| {
        changed(8, move |_, run| {
            run.subplans = vec![SubplanRecord {
                fingerprint: "f1".into(),
                consumers: vec!["clean".into(), "read".into(), "report".into()],
                wall: Duration::from_millis(120),
                rows: None,
                bytes: None,
                whole_of: whole_of.iter().map(ToString::to_string).collect(),
            }];
        })
    };
    let says = "let `clean` deliver to those who take `read`, and leave out the rest: `clean` and `read` compute the same in 8 \
                runs; the optimiser computes it once, in 120 ms (median), which each would take without it";
    let mut gone = with(&["clean", "read"]);
    gone[7].subplans.clear();
    check(Kind::Same, &with(&["clean", "read"]), says, &[with(&["clean"]), with(&[]), gone]);
}

#[test]
fn a_cache_that_never_hits_is_told() {
    let with = |hit: fn(u64) -> bool| {
        changed(8, move |day, run| {
            let because = Some("file rates.csv has changed".to_owned()).filter(|_| !hit(day));
            run.lookups = vec![LookupRecord { factory: "clean".into(), hit: hit(day), because }];
        })
    };
    let says = "leave out the cache of `clean`, or see to it that what it depends on stays the same: in 8 runs nothing could \
                be taken, the last time because file rates.csv has changed";
    check(Kind::CacheNeverHits, &with(|_| false), says, &[with(|day| day == 3), runs(8)]);
    let entry = CachedOutput { pipeline: "Nightly".into(), factory: "clean".into(), bytes: 7 * MB };
    let other = CachedOutput { pipeline: "Other".into(), ..entry.clone() };
    let all = recommend(&with(|_| false), &[entry.clone(), other, entry]);
    assert_eq!(all[0].bytes, Some(14 * MB));
    assert!(
        all[0].to_string().ends_with("it keeps 2 entries of 14.0 MB in all; saves about 14.0 MB"),
        "{}",
        all[0]
    );
}

#[test]
fn what_is_the_same_in_each_run_is_to_be_cached() {
    let with = |modified: fn(u64) -> u64, rows: fn(u64) -> u64, wall: u64| {
        changed(10, move |day, run| {
            let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(modified(day)));
            run.reads = vec![ReadRecord { modified, ..read("data/sales.parquet", "Parquet", MB, 4) }];
            run.factories[0].wall = Duration::from_secs(wall);
            run.factories[0].rows_out = Some(rows(day));
            run.makespan = Duration::from_secs(wall + 1);
        })
    };
    let steady = with(|_| 0, |_| 5, 6);
    let says = "keep what `read` delivers across runs (`#[factory(cache)]`): it takes 6.00 s (median), and in 9 of 9 runs its \
                code, the files that it reads and its rows were those of the run before; it pays if the inputs of the pipeline \
                are the same, too; saves about 5.00 s in each run";
    let mut cached = steady.clone();
    cached[9].lookups = vec![LookupRecord { factory: "read".into(), hit: false, because: None }];
    let mut frame = steady.clone();
    frame.iter_mut().for_each(|run| run.reads[0].path = None);
    // The factory waits for the queries of others, and would wait as long.
    let mut waiting = steady.clone();
    waiting.iter_mut().for_each(|run| run.factories[0].waited = run.factories[0].wall);
    let others =
        [with(|day| day, |_| 5, 6), with(|_| 0, |day| day, 6), with(|_| 0, |_| 5, 0), cached, frame, waiting];
    check(Kind::Cache, &steady, says, &others);
    // If the cache hits in 8 of 9 runs, it saves correspondingly less.
    let often = of_kind(Kind::Cache, &with(|day| day / 9, |_| 5, 6));
    assert!(often.as_ref().is_some_and(|text| text.ends_with("saves about 4.44 s in each run")), "{often:?}");
}

#[test]
fn what_gains_most_comes_first_and_other_plans_do_not_count() {
    let mut runs = changed(12, |_, run| {
        run.factories[1].wall = Duration::from_secs(9);
        run.reads = vec![read("sales.csv", "CSV", 200 * MB, 4)];
        run.makespan = Duration::from_secs(10);
    });
    let kinds: Vec<_> = recommend(&runs, &[]).iter().map(|of| of.kind).collect();
    assert_eq!(kinds, [Kind::Split, Kind::Format]);
    runs.iter_mut().take(8).for_each(|run| run.links.clear());
    assert_eq!(recommend(&runs, &[]), [], "four are left");
    runs.iter_mut().skip(8).for_each(|run| run.succeeded = false);
    runs[8].succeeded = true;
    assert_eq!(recommend(&runs, &[]), []);
}
