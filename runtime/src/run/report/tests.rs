//! What the book says of statuses.

use super::*;

/// The next status of all, in the order of the book. A new variant has to be put in here.
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
