//! Tests of the text of a report, and of the list of statuses in the book.

use super::*;

/// The next status, in the order of the book. A new variant has to be added here.
fn next(status: Status) -> Option<Status> {
    Some(match status {
        Status::Succeeded => Status::Restored,
        Status::Restored => Status::Cached,
        Status::Cached => Status::Merged,
        Status::Merged => Status::Skipped,
        Status::Skipped => Status::Failed,
        Status::Failed => Status::Cancelled,
        Status::Cancelled => Status::NotRun,
        Status::NotRun => Status::NotSelected,
        Status::NotSelected => return None,
    })
}

#[test]
fn the_book_lists_all_statuses() {
    let book = include_str!("../../../../book/src/running.md");
    let rows: Vec<_> = book
        .lines()
        .skip_while(|line| *line != "## Statuses")
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .collect();
    let all: Vec<_> = std::iter::successors(Some(Status::Succeeded), |status| next(*status)).collect();
    assert_eq!(rows.len(), all.len());
    for (row, status) in rows.iter().zip(all) {
        assert_eq!((row[1], row[2]), (&*format!("`{status}`"), &*format!("`{status:?}`")));
        let is_there = row[4] == "is there";
        assert_eq!(is_there, status.has_delivered(), "{status}");
    }
}

fn entry(factory: &str, work: u64, waiting: u64) -> FactoryReport {
    let ms = Duration::from_millis;
    let timing =
        Timing { start: ms(7), process: ms(work + waiting), waiting: ms(waiting), ..Timing::default() };
    FactoryReport {
        factory: factory.to_owned(),
        stage: "transform".to_owned(),
        status: Status::Succeeded,
        timing,
        rows: None,
        is_lazy: false,
        computed_by: Vec::new(),
        attempts: 1,
        failed_upstream: None,
        note: None,
    }
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn work_and_waiting_are_apart() {
    // A computes for ten seconds. B has asked for its query at the same time, and works for two seconds.
    let entries = [entry("a", 10_000, 0), entry("b", 2000, 8000)];
    let text = show::factories(&entries);
    let lines: Vec<_> = text.lines().map(words).collect();
    assert_eq!(lines[0], "stage factory status start work waiting rows");
    assert_eq!(lines[2], "transform a ok 7.00 ms 10.0 s");
    assert_eq!(lines[3], "b ok 7.00 ms 2.00 s 8.00 s");
    let work = entries.iter().map(|entry| entry.timing.work()).sum();
    let line = show::summary(Duration::from_secs(10), work, 2);
    assert_eq!(line, "makespan 10.0 s, work of the factories 12.0 s, mean parallelism 1.2");
}

#[test]
fn mean_parallelism_is_no_more_than_the_threads() {
    let seconds = Duration::from_secs;
    for (work, threads, expected) in [(70, 2, 2.0), (15, 2, 1.5), (3, 4, 0.3), (0, 0, 0.0)] {
        assert!((mean_parallelism(seconds(work), seconds(10), threads) - expected).abs() < 1e-9);
    }
    assert_eq!(mean_parallelism(seconds(1), Duration::ZERO, 3), 3.0);
}

#[test]
fn a_lazy_output_is_not_taken_for_a_computed_one() {
    let mut lazy = entry("read", 2, 0);
    lazy.is_lazy = true;
    let mut unknown = lazy.clone();
    lazy.computed_by = vec!["clean".to_owned(), "count".to_owned()];
    unknown.factory = "other".to_owned();
    let text = show::factories(&[lazy, unknown, FactoryReport { rows: Some(1234), ..entry("clean", 9, 0) }]);
    let lines: Vec<_> = text.lines().map(words).collect();
    assert_eq!(lines[0], "stage factory status start read process write total rows");
    assert!(lines[2].ends_with("2.00 ms lazy"), "{text}");
    assert!(lines[3].ends_with("2.00 ms lazy"), "{text}");
    assert!(lines[4].ends_with("9.00 ms 1,234"), "{text}");
    assert_eq!(lines[5], "read: run by clean and 1 more");
    assert_eq!(lines[6], "lazy: only the query was built; its time is in the factories that run it");
    assert!(!show::factories(&[entry("clean", 9, 0)]).contains("lazy"));
}

#[test]
fn a_table_is_no_wider_than_a_hundred_columns() {
    let name = "delays_by_precipitation_and_hour";
    for (waiting, length) in [(0, 12), (0, 20), (0, 32), (5, 12), (5, 20), (5, 32)] {
        let mut entries = vec![entry(&name[..length], 999, waiting), entry("b", 1, 0), entry("c", 1, 0)];
        entries[0].rows = Some(100_000_000);
        entries[1].note = Some("x".repeat(32));
        entries[2].failed_upstream = Some("a failed one with a long name".to_owned());
        let text = show::factories(&entries);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{text}");
        }
        assert!(text.contains(&"x".repeat(32)) && text.contains("needs `a failed"), "{text}");
    }
}
