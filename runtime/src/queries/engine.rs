//! Estimates which engine of Polars is faster for a query.
//!
//! Aggregates and joins of many rows are faster with the streaming engine: rows are counted and matched while they are read, and
//! need not all be in memory. Everything else is faster with the in-memory engine: filters that keep few rows, and small inputs.
//! The number of rows that reach an aggregate, or leave a join, is estimated from the size of the files and the filters on the
//! way, as in databases without statistics (Selinger et al., Access Path Selection in a Relational Database Management System,
//! SIGMOD 1979).

use std::collections::HashMap;

use polars::prelude::Engine;
use polars_plan::dsl::{DslPlan, Expr, Operator, ScanSources};

use super::tree::{bottom_up, inputs};
use crate::dataset::required::{check_of, tells_nulls};

/// The number of rows from which on an aggregate or a join is streamed.
const MANY_ROWS: f64 = 500_000.0;
/// The approximate size of a row in a file, in bytes.
const BYTES_PER_ROW: f64 = 40.0;
/// The size in bytes from which on every query of a file is streamed, because the data may not fit into memory.
const MANY_BYTES: f64 = (1_u64 << 30) as f64;

/// The assumed ratio of the time of the other engine to that of the better one, without further evidence.
pub(super) const WORSE: f64 = 1.5;

/// The estimate for the engines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// The faster engine.
    pub(super) engine: Engine,
    /// The ratio of the time of the other engine to that of this one. `None` if the other engine must not be taken.
    pub(super) ratio: Option<f64>,
}

/// The estimated engine for a query, with the ratio to the other. The streaming engine is used or tried only if it gives the same
/// result: `streams` checks this.
pub(super) fn guess(plan: &DslPlan, streams: impl FnOnce() -> bool, may_try: bool) -> Guess {
    let nodes = bottom_up(plan);
    let guess = by_cost(plan, &nodes);
    let is_tried = may_try && guess.ratio.is_some();
    if (guess.engine == Engine::Streaming || is_tried) && !streams() {
        return Guess { engine: Engine::InMemory, ratio: None };
    }
    guess
}

/// `true` if the plan is estimated to run faster with the streaming engine, whatever its rows are used for.
pub(super) fn is_streamed(plan: &DslPlan) -> bool {
    by_cost(plan, &bottom_up(plan)).engine == Engine::Streaming
}

fn by_cost(plan: &DslPlan, nodes: &[&DslPlan]) -> Guess {
    // Only the streaming engine writes files.
    if nodes.iter().any(|plan| matches!(plan, DslPlan::Sink { .. })) {
        return Guess { engine: Engine::Streaming, ratio: None };
    }
    if nodes.iter().any(|plan| matches!(plan, DslPlan::Scan { sources, .. } if bytes(sources) >= MANY_BYTES))
    {
        return Guess { engine: Engine::Streaming, ratio: None };
    }
    if only_reads(plan) {
        return Guess { engine: Engine::Streaming, ratio: Some(WORSE) };
    }
    let Some(rows) = worked(nodes) else {
        return Guess { engine: Engine::InMemory, ratio: Some(WORSE) };
    };
    let engine = if rows >= many_rows() { Engine::Streaming } else { Engine::InMemory };
    // Both take the same time at the bound. At ten times or a tenth of it, one is clearly better.
    let ratio = 1.0 + (WORSE - 1.0) * (rows.max(1.0) / MANY_ROWS).log10().abs().min(1.0);
    Guess { engine, ratio: Some(ratio) }
}

fn many_rows() -> f64 {
    #[cfg(test)]
    if let Some(rows) = super::equivalence::MANY_ROWS.get() {
        return *rows;
    }
    MANY_ROWS
}

/// The approximate maximum number of rows that reach an aggregate or leave a join, if there is one.
fn worked(nodes: &[&DslPlan]) -> Option<f64> {
    let mut sizes: HashMap<*const DslPlan, Size> = HashMap::new();
    let mut most: Option<f64> = None;
    for node in nodes {
        let of = |input: &DslPlan| sizes.get(&std::ptr::from_ref(input)).copied().unwrap_or(Size::NONE);
        let own = size(node, &of);
        let worked = match node {
            DslPlan::GroupBy { input, .. } | DslPlan::Distinct { input, .. } => Some(of(input).rows),
            DslPlan::Join { .. } => Some(own.rows),
            _ => None,
        };
        most = worked.map(|rows| rows.max(most.unwrap_or(0.0))).or(most);
        sizes.insert(std::ptr::from_ref(*node), own);
    }
    most
}

/// The total size of the files and frames of a plan in bytes, if it is known.
pub(super) fn taken(plan: &DslPlan) -> Option<u64> {
    let of_node = |plan: &DslPlan| match plan {
        DslPlan::Scan { sources, .. } => bytes(sources),
        DslPlan::DataFrameScan { df, .. } => df.estimated_size() as f64,
        _ => 0.0,
    };
    let all: f64 = bottom_up(plan).into_iter().map(of_node).sum();
    all.is_finite().then_some(all as u64)
}

/// `true` if the plan only selects columns of a file.
fn only_reads(mut plan: &DslPlan) -> bool {
    loop {
        plan = match plan {
            DslPlan::Select { input, expr, .. }
                if expr.iter().all(|expr| matches!(expr, Expr::Column(_)) || tells_nulls(expr)) =>
            {
                input
            }
            DslPlan::MapFunction { input, .. } if check_of(plan).is_some() => input,
            _ => return matches!(plan, DslPlan::Scan { .. }),
        };
    }
}

/// The total size of files. Infinite if it is unknown.
fn bytes(sources: &ScanSources) -> f64 {
    let size = |path: &str| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let sizes = sources.as_paths().map(|paths| paths.iter().map(|path| size(path.as_str())));
    sizes.map_or(f64::INFINITY, |sizes| {
        sizes.map(|file| file.map_or(f64::INFINITY, |file| file.len() as f64)).sum()
    })
}

/// The approximate number of rows, and the remaining share of the original rows.
#[derive(Clone, Copy)]
struct Size {
    rows: f64,
    part: f64,
}

impl Size {
    const NONE: Self = Self { rows: 0.0, part: 1.0 };
}

/// The size of a node, from the sizes of its inputs.
fn size(plan: &DslPlan, of: &dyn Fn(&DslPlan) -> Size) -> Size {
    match plan {
        DslPlan::DataFrameScan { df, .. } => Size { rows: df.height() as f64, part: 1.0 },
        DslPlan::Scan { sources, .. } => Size { rows: bytes(sources) / BYTES_PER_ROW, part: 1.0 },
        DslPlan::Filter { input, predicate } => {
            let (input, kept) = (of(input), selectivity(predicate));
            Size { rows: input.rows * kept, part: input.part * kept }
        }
        DslPlan::Join { input_left, input_right, .. } => {
            let (left, right) = (of(input_left), of(input_right));
            // Each row of the side with more matches finds a match on the other side, unless a filter has removed it.
            let rows = (left.rows * right.part).max(right.rows * left.part);
            Size { rows, part: left.part * right.part }
        }
        DslPlan::GroupBy { input, .. } => {
            let input = of(input);
            Size { rows: input.rows * 0.25, part: input.part }
        }
        _ => inputs(plan).into_iter().map(of).fold(Size::NONE, |sum, input| Size {
            rows: sum.rows + input.rows,
            part: sum.part.min(input.part),
        }),
    }
}

/// The approximate share of the rows that a condition keeps.
fn selectivity(condition: &Expr) -> f64 {
    match condition {
        Expr::BinaryExpr { left, op, right } => match op {
            Operator::Eq => 0.1,
            Operator::And | Operator::LogicalAnd => selectivity(left) * selectivity(right),
            Operator::Or | Operator::LogicalOr => (selectivity(left) + selectivity(right)).min(1.0),
            Operator::NotEq => 0.9,
            _ => 1.0 / 3.0,
        },
        Expr::Function { function, .. } if function.to_string().contains("not") => 0.75,
        _ => 0.25,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use polars::prelude::*;

    use super::{Guess, bottom_up, check_of, guess, taken};
    use crate::dataset::order::{Demand, Order};
    use crate::dataset::required::keeping;
    use crate::dataset::{ColumnDef, Provenance, RowSchema};

    fn frame() -> LazyFrame {
        of_rows(1_000_000)
    }

    fn of_rows(rows: i64) -> LazyFrame {
        df!("key" => Vec::from_iter(0..rows), "value" => Vec::from_iter(0..rows)).unwrap().lazy()
    }

    fn is_streamed(frame: &LazyFrame) -> bool {
        guessed(frame).engine == Engine::Streaming
    }

    fn guessed(frame: &LazyFrame) -> Guess {
        let plan = &frame.logical_plan;
        guess(plan, || Order::of(plan, Demand::ANSWER).streams, true)
    }

    fn by_key(frame: LazyFrame) -> LazyFrame {
        frame.group_by([col("key")]).agg([col("value").sum()])
    }

    #[test]
    fn aggregates_and_joins_of_many_rows_are_streamed() {
        assert!(is_streamed(&by_key(frame())));
        assert!(!is_streamed(&by_key(frame().filter(col("value").eq(lit(1))))));
        assert!(!is_streamed(&frame().filter(col("value").gt(lit(1)))));
        let few = frame().filter(col("value").eq(lit(1)));
        let joined =
            |one: LazyFrame, other| one.join(other, [col("key")], [col("key")], JoinType::Inner.into());
        assert!(!is_streamed(&joined(frame(), few.clone())));
        assert!(!is_streamed(&by_key(joined(frame(), few))));
        assert!(is_streamed(&by_key(joined(frame(), frame()))));
        // A third of them remain, and all find a match, although these are more.
        let third = of_rows(1_800_000).filter(col("value").gt(lit(1)));
        assert!(is_streamed(&by_key(joined(third, frame()))));
    }

    #[test]
    fn a_check_for_nulls_changes_nothing() {
        let columns = ["key", "value"].map(ColumnDef::of::<i64>);
        let shape = RowSchema { row: "Pair", columns: columns.into() };
        let plain = || of_rows(1_800_000).filter(col("value").gt(lit(1)));
        let checked = || keeping(plain(), &shape, &Provenance::of("Pair"), None);
        let names: Vec<_> =
            bottom_up(&checked().logical_plan).into_iter().filter_map(check_of).map(str::to_owned).collect();
        assert!(
            matches!(&names[..], [name] if name.ends_with("key, value of dataset of `Pair`")),
            "{names:?}"
        );
        assert!(is_streamed(&by_key(checked())) && is_streamed(&by_key(plain())));
        let map = |frame: LazyFrame| frame.map(Ok, Default::default(), None, None);
        assert_eq!(guessed(&by_key(map(plain()))).ratio, None);
    }

    #[test]
    fn what_observes_the_order_of_a_join_is_not_streamed() {
        let joined = || frame().join(frame(), [col("key")], [col("key")], JoinType::Left.into());
        let counted = |frame: LazyFrame| frame.group_by([col("key")]).agg([col("value").max()]);
        assert!(is_streamed(&counted(joined())));
        assert!(is_streamed(&counted(joined().filter(col("value").gt(lit(0))))));
        assert!(is_streamed(&counted(joined()).sort(["key"], Default::default()).limit(3)));
        assert!(!is_streamed(&joined()), "its rows are the answer");
        assert!(
            !is_streamed(&joined().sort(["key"], Default::default())),
            "of equal keys, the first comes first"
        );
        assert!(!is_streamed(&counted(joined().limit(3))));
        let before = joined().with_columns([col("value").shift(lit(1)).alias("before")]);
        assert!(!is_streamed(&counted(before)));
        assert!(!is_streamed(&joined().group_by([col("key")]).agg([col("value").first()])));
        // The order of rows is part of ordered groups and of lists.
        let list = |ordered| frame().group_by([col("key")]).agg([col("value").implode(ordered)]);
        assert!(!is_streamed(&list(false)) && !is_streamed(&list(true)));
    }

    #[test]
    fn small_files_are_not_streamed_unless_they_are_only_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("small.csv");
        std::fs::write(&path, "key,value\n1,2\n").unwrap();
        let scan = LazyCsvReader::new(PlRefPath::try_from_path(&path).unwrap()).finish().unwrap();
        assert!(is_streamed(&scan));
        assert!(is_streamed(&scan.clone().select([col("key")])));
        assert!(!is_streamed(&by_key(scan)));
    }

    #[test]
    fn what_is_close_is_guessed_to_be_close() {
        let ratio = |rows| guessed(&by_key(of_rows(rows))).ratio.unwrap();
        assert!((ratio(500_000) - 1.0).abs() < 1e-9);
        assert!((ratio(250_000) - ratio(1_000_000)).abs() < 1e-9 && ratio(1_000_000) < 1.2);
        assert_eq!((ratio(50_000), ratio(5)), (1.5, 1.5));
        // Data that may not fit into memory is not tried with the in-memory engine, and neither are queries that write.
        let scan = LazyCsvReader::new(PlRefPath::new("s3://bucket/*.csv")).finish().unwrap();
        assert_eq!(guessed(&by_key(scan)).ratio, None);
        assert_eq!(taken(&of_rows(1000).logical_plan), Some(16_000));
    }

    #[test]
    fn files_of_unknown_size_are_streamed() {
        let path = PlRefPath::new("s3://bucket/*.csv");
        let scan = LazyCsvReader::new(path).finish().unwrap();
        let guess = guess(&scan.filter(col("value").gt(lit(1))).logical_plan, || true, false);
        assert_eq!(guess.engine, Engine::Streaming);
    }
}
