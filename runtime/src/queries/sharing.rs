//! Decides from the evidence of earlier runs whether a file is read once for several queries. The compared time is the sum of the
//! times of all queries that read the file, and of the reading.

use std::collections::BTreeSet;
use std::time::Duration;

use super::execute::Measured;
use setl_learn::advisor::{Advice, Advisor, Question};

pub(super) const CHOICE: &str = "file";
pub(super) const ONCE: &str = "read once";
pub(super) const EACH: &str = "read by each";

/// The decision about a file.
pub(super) struct Decided {
    advice: Advice,
    /// The queries, and then the pieces, that read it.
    readers: BTreeSet<usize>,
    /// The piece that is read once.
    pub(super) piece: Option<usize>,
}

/// The advice about a file.
pub(super) struct Advised {
    pub(super) once: bool,
    pub(super) because: String,
}

/// Asks the advisor. `None` if its advice cannot be followed: only one file at a time is tried, so that its effect can be
/// measured.
pub(super) fn decide(
    advisor: &Advisor,
    question: Question,
    may_try: bool,
    decided: &mut Vec<Decided>,
    readers: &BTreeSet<usize>,
) -> Option<Advised> {
    let first = question.ways[0];
    let advice = advisor.decide(question);
    let another = decided.iter().any(|other| other.advice.tries);
    if (advice.tries && another) || (advice.way != first && !may_try) {
        return None;
    }
    let advised =
        Advised { once: advice.way == ONCE, because: advice.because.trim_start_matches("since ").to_owned() };
    decided.push(Decided { advice, readers: readers.clone(), piece: None });
    Some(advised)
}

/// Records the measured times, if all queries have succeeded and nothing else was tried.
pub(super) fn measured(decided: &[Decided], advisor: &Advisor, queries: &[Measured], pieces: &[Measured]) {
    let tries = decided.iter().any(|one| one.advice.tries);
    for one in decided.iter().filter(|one| one.advice.tries || !tries) {
        let of_reader = |reader: &usize| match reader.checked_sub(queries.len()) {
            None => &queries[*reader],
            Some(piece) => &pieces[piece],
        };
        let costs = one.readers.iter().map(of_reader).chain(one.piece.map(|piece| &pieces[piece]));
        let costs: Vec<_> = costs.collect();
        if costs.iter().all(|cost| cost.wall > Duration::ZERO && !cost.tried) {
            advisor.measured(one.advice.clone(), costs.iter().map(|cost| cost.wall).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::time::{Duration, SystemTime};

    use polars::prelude::*;

    use super::*;
    use crate::optimize::{Optimizer, Pass};
    use crate::queries::Explained;
    use crate::queries::tests::run;
    use setl_learn::history::ChoiceRun;

    fn one_run(past: &[ChoiceRun], path: &str, once: fn(&str) -> Duration) -> (Explained, Vec<ChoiceRun>) {
        let mut advisor = Advisor::of(past.to_vec());
        advisor.pretended = Some(once);
        let scan = || LazyCsvReader::new(PlRefPath::new(path)).finish().unwrap();
        let dear = scan().filter(col("price").gt(lit(3))).select([col("price").sum()]);
        let count = scan().filter(col("price").lt(lit(3))).select([len()]);
        let optimizer = Optimizer::new().without(Pass::ChooseEngine);
        let (answers, explained) =
            run(&optimizer, Some(&advisor), vec![("dear", dear), ("count", count)], None);
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers[0].column("price").unwrap().get(0).unwrap().extract::<i64>(), Some(9));
        assert_eq!(answers[1].column("len").unwrap().get(0).unwrap().extract::<i64>(), Some(2));
        let started = SystemTime::UNIX_EPOCH;
        let made = advisor.made().into_iter();
        (explained, made.map(|record| ChoiceRun { run_id: String::new(), started, record }).collect())
    }

    /// Plays the runs. Returns how often the file was read once in the last five.
    fn play(once: fn(&str) -> Duration) -> (usize, Vec<ChoiceRun>, Explained) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prices.csv");
        std::fs::write(&path, "product,price\ntea,1\ncoffee,4\ncake,5\nwater,2\n").unwrap();
        let mut past = Vec::new();
        let mut last = Vec::new();
        let mut explained = None;
        for _ in 0..24 {
            let (explains, made) = one_run(&past, path.to_str().unwrap(), once);
            past.extend(made);
            last.push(explains.shared.len());
            explained = Some(explains);
        }
        assert_eq!(last[0], 1, "as is guessed");
        (last[19..].iter().sum(), past, explained.unwrap())
    }

    #[test]
    fn a_file_that_is_better_read_by_each_is_found_out() {
        let (once, past, explained) = play(|way| Duration::from_millis(if way == ONCE { 30 } else { 10 }));
        assert_eq!(once, 0, "{explained}");
        assert_eq!(past.len(), 24);
        assert!(past.iter().any(|choice| choice.record.tried && choice.record.alternative == EACH));
        let why = &explained.left[0].1;
        assert!(why.starts_with("2 queries read it, each by itself: it took 10.0 ms in"), "{why}");
        assert!(why.contains("and read once 30.0 ms in"), "{why}");
    }

    #[test]
    fn a_file_that_is_better_read_once_stays_so() {
        let (once, past, explained) = play(|way| Duration::from_millis(if way == ONCE { 10 } else { 30 }));
        assert_eq!(once, 5);
        let tried = past.iter().filter(|choice| choice.record.alternative == EACH).count();
        assert!((1..=2).contains(&tried), "{tried}");
        assert!(explained.shared[0].because.contains("; it took 10.0 ms in"), "{explained}");
    }
}
