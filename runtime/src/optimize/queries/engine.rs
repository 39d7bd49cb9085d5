//! Which of the engines of Polars runs a query.
//!
//! Aggregates and joins of many rows are faster with the engine that streams: rows are counted and matched while they are
//! read, and need not all be there. All else is faster with the one that works on whole columns: filters that leave little,
//! and what is small anyway. How many rows reach an aggregate, or leave a join, is guessed from the size of the files and the filters on the way, as databases
//! without statistics do (Selinger et al., Access Path Selection in a Relational Database Management System, SIGMOD 1979).

use polars::prelude::{Engine, UniqueKeepStrategy};
use polars_plan::dsl::{AggExpr, DslPlan, Expr, Operator, ScanSources};

use super::tree::inputs;
use crate::dataset::required::check_of;

/// From so many rows on, an aggregate or a join is streamed.
const MANY_ROWS: f64 = 500_000.0;
/// Bytes of a row in a file, about.
const BYTES_PER_ROW: f64 = 40.0;
/// Files of so many bytes are streamed whatever is asked of them, since what is read of them may not fit into memory.
const MANY_BYTES: f64 = (1_u64 << 30) as f64;

/// Where nothing says more, the other engine is guessed to take so many times as long.
pub(super) const WORSE: f64 = 1.5;

/// What is guessed of the engines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    /// The faster one.
    pub(super) engine: Engine,
    /// So many times as long the other takes; none if it must not be taken.
    pub(super) ratio: Option<f64>,
}

/// The engine for a query, and how much better it is.
pub(super) fn guess(plan: &DslPlan) -> Guess {
    // Files are written in the order of the rows, and the engine for that is chosen by Polars.
    let is_opaque = |plan: &DslPlan| matches!(plan, DslPlan::MapFunction { .. }) && check_of(plan).is_none();
    if contains(plan, &|plan| matches!(plan, DslPlan::Sink { .. }) || is_opaque(plan)) {
        return Guess { engine: Engine::Auto, ratio: None };
    }
    if contains(plan, &|plan| matches!(plan, DslPlan::Scan { sources, .. } if bytes(sources) >= MANY_BYTES)) {
        return Guess { engine: Engine::Streaming, ratio: None };
    }
    if only_reads(plan) {
        return Guess { engine: Engine::Streaming, ratio: Some(WORSE) };
    }
    // The engine that streams does not keep the order within lists that are made without saying so.
    if contains(plan, &|plan| expressions(plan).any(|expr| is_any(expr, &makes_lists_in_any_order))) {
        return Guess { engine: Engine::InMemory, ratio: None };
    }
    let Some(rows) = worked(plan, !depends_on_order(plan)) else {
        return Guess { engine: Engine::InMemory, ratio: Some(WORSE) };
    };
    let engine = if rows >= MANY_ROWS { Engine::Streaming } else { Engine::InMemory };
    // Both take as long at the bound, and at ten times or a tenth of it one is clearly better.
    let ratio = 1.0 + (WORSE - 1.0) * (rows.max(1.0) / MANY_ROWS).log10().abs().min(1.0);
    Guess { engine, ratio: Some(ratio) }
}

/// The most rows that reach an aggregate or, if these count, leave a join, about, if there is one.
fn worked(plan: &DslPlan, joins: bool) -> Option<f64> {
    let own = match plan {
        DslPlan::GroupBy { input, .. } | DslPlan::Distinct { input, .. } => Some(size(input).rows),
        DslPlan::Join { .. } if joins => Some(size(plan).rows),
        _ => None,
    };
    inputs(plan).into_iter().map(|input| worked(input, joins)).fold(own, |most, rows| match (most, rows) {
        (Some(most), Some(rows)) => Some(f64::max(most, rows)),
        (most, rows) => most.or(rows),
    })
}

/// Whether what comes out may be other values if rows are in another order. Polars promises no order after a join, but the engine
/// for whole columns has one, to which many are used.
fn depends_on_order(plan: &DslPlan) -> bool {
    contains(plan, &|plan| match plan {
        DslPlan::Slice { input, .. } => !matches!(**input, DslPlan::Sort { .. }),
        DslPlan::GroupBy { maintain_order: true, .. } | DslPlan::Gather { .. } => true,
        DslPlan::Distinct { options, .. } => {
            options.maintain_order
                || matches!(options.keep_strategy, UniqueKeepStrategy::First | UniqueKeepStrategy::Last)
        }
        _ => expressions(plan).any(|expr| is_any(expr, &looks_at_order)),
    })
}

fn expressions(plan: &DslPlan) -> impl Iterator<Item = &Expr> {
    let (one, many): (&[Expr], &[Expr]) = match plan {
        DslPlan::Select { expr, .. } => (expr, &[]),
        DslPlan::HStack { exprs, .. } => (exprs, &[]),
        DslPlan::Filter { predicate, .. } => (std::slice::from_ref(predicate), &[]),
        DslPlan::GroupBy { keys, aggs, .. } => (keys, aggs),
        _ => (&[], &[]),
    };
    one.iter().chain(many)
}

fn is_any(expr: &Expr, is_it: &dyn Fn(&Expr) -> bool) -> bool {
    expr.into_iter().any(is_it)
}

fn makes_lists_in_any_order(expr: &Expr) -> bool {
    matches!(expr, Expr::Agg(AggExpr::Implode { maintain_order: false, .. }))
}

/// Functions whose value for a row depends on those around it.
const OF_ORDER: [&str; 16] = [
    "arg_",
    "backward",
    "cum",
    "diff",
    "ewm",
    "fill_null",
    "forward",
    "gather",
    "index",
    "interpolate",
    "peak",
    "pct_change",
    "reverse",
    "rle",
    "rolling",
    "shift",
];

fn looks_at_order(expr: &Expr) -> bool {
    match expr {
        Expr::Slice { .. } | Expr::Gather { .. } | Expr::Over { .. } => true,
        // Nobody can look into it.
        Expr::AnonymousFunction { .. } => true,
        Expr::Agg(aggregate) => matches!(
            aggregate,
            AggExpr::First(_)
                | AggExpr::FirstNonNull(_)
                | AggExpr::Last(_)
                | AggExpr::LastNonNull(_)
                | AggExpr::Implode { .. }
                | AggExpr::AggGroups(_)
        ),
        Expr::Function { function, .. } => {
            let name = function.to_string();
            OF_ORDER.iter().any(|part| name.contains(part))
        }
        _ => false,
    }
}

/// The bytes of all that a plan takes, files and frames, if that can be told.
pub(super) fn taken(plan: &DslPlan) -> Option<u64> {
    let own = match plan {
        DslPlan::Scan { sources, .. } => bytes(sources),
        DslPlan::DataFrameScan { df, .. } => df.estimated_size() as f64,
        _ => 0.0,
    };
    let below = inputs(plan).into_iter().map(taken).sum::<Option<u64>>()?;
    own.is_finite().then_some(own as u64 + below)
}

/// Whether a plan is columns of a file.
fn only_reads(plan: &DslPlan) -> bool {
    match plan {
        DslPlan::Scan { .. } => true,
        DslPlan::MapFunction { input, .. } => check_of(plan).is_some() && only_reads(input),
        DslPlan::Select { input, expr, .. } => {
            expr.iter().all(|expr| matches!(expr, Expr::Column(_))) && only_reads(input)
        }
        _ => false,
    }
}

/// How large files are; endless if that cannot be told.
fn bytes(sources: &ScanSources) -> f64 {
    let size = |path: &str| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let sizes = sources.as_paths().map(|paths| paths.iter().map(|path| size(path.as_str())));
    sizes.map_or(f64::INFINITY, |sizes| {
        sizes.map(|file| file.map_or(f64::INFINITY, |file| file.len() as f64)).sum()
    })
}

fn contains(plan: &DslPlan, is_it: &dyn Fn(&DslPlan) -> bool) -> bool {
    is_it(plan) || inputs(plan).into_iter().any(|input| contains(input, is_it))
}

/// How many rows there are, about, and which part of what was there at first.
#[derive(Clone, Copy)]
struct Size {
    rows: f64,
    part: f64,
}

fn size(plan: &DslPlan) -> Size {
    match plan {
        DslPlan::DataFrameScan { df, .. } => Size { rows: df.height() as f64, part: 1.0 },
        DslPlan::Scan { sources, .. } => Size { rows: bytes(sources) / BYTES_PER_ROW, part: 1.0 },
        DslPlan::Filter { input, predicate } => {
            let (input, kept) = (size(input), selectivity(predicate));
            Size { rows: input.rows * kept, part: input.part * kept }
        }
        DslPlan::Join { input_left, input_right, .. } => {
            let (left, right) = (size(input_left), size(input_right));
            // A row finds its like on the other side, unless that is filtered: for the side of which there are several.
            let rows = (left.rows * right.part).max(right.rows * left.part);
            Size { rows, part: left.part * right.part }
        }
        DslPlan::GroupBy { input, .. } => {
            let input = size(input);
            Size { rows: input.rows * 0.25, part: input.part }
        }
        _ => inputs(plan).into_iter().map(size).fold(Size { rows: 0.0, part: 1.0 }, |sum, input| Size {
            rows: sum.rows + input.rows,
            part: sum.part.min(input.part),
        }),
    }
}

/// Which part of the rows a condition keeps, about.
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

    use super::{check_of, guess, taken};
    use crate::dataset::required::keeping;
    use crate::dataset::{ColumnDef, Provenance, Shape};

    fn frame() -> LazyFrame {
        of_rows(1_000_000)
    }

    fn of_rows(rows: i64) -> LazyFrame {
        df!("key" => Vec::from_iter(0..rows), "value" => Vec::from_iter(0..rows)).unwrap().lazy()
    }

    fn is_streamed(frame: &LazyFrame) -> bool {
        guess(&frame.logical_plan).engine == Engine::Streaming
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
        assert!(is_streamed(&joined(frame(), frame())));
        // A third of them are left, and all find their like, although there are more of these.
        let third = of_rows(1_800_000).filter(col("value").gt(lit(1)));
        assert!(is_streamed(&by_key(joined(third, frame()))));
    }

    #[test]
    fn a_check_for_nulls_changes_nothing() {
        let columns = ["key", "value"].map(ColumnDef::of::<i64>);
        let shape = Shape { row: "Pair", columns: columns.into() };
        let plain = || frame().filter(col("value").gt(lit(1)));
        let checked = || keeping(plain(), &shape, &Provenance::of("Pair"));
        assert!(check_of(&checked().logical_plan).unwrap().ends_with("key, value of dataset of `Pair`"));
        assert!(is_streamed(&by_key(checked())) && is_streamed(&by_key(plain())));
        let map = |frame: LazyFrame| frame.map(Ok, Default::default(), None, None);
        assert_eq!(guess(&by_key(map(plain())).logical_plan).ratio, None);
    }

    #[test]
    fn joins_whose_order_is_looked_at_are_not_streamed() {
        let joined = || frame().join(frame(), [col("key")], [col("key")], JoinType::Left.into());
        assert!(is_streamed(&joined()));
        assert!(is_streamed(&joined().filter(col("value").gt(lit(0))).with_columns([col("value") + lit(1)])));
        assert!(is_streamed(&joined().sort(["key"], Default::default()).limit(3)));
        assert!(!is_streamed(&joined().limit(3)));
        assert!(!is_streamed(&joined().with_columns([col("value").shift(lit(1)).alias("before")])));
        assert!(!is_streamed(&joined().select([col("value").first()])));
        assert!(!is_streamed(&joined().with_columns([col("value").sum().over([col("key")]).unwrap()])));
        let first = joined().unique(Some(cols(["key"])), UniqueKeepStrategy::First);
        assert!(is_streamed(&first), "for its rows, whatever leaves the join");
        // Aggregates are streamed as they were, but for lists in no order.
        let list = |ordered| frame().group_by([col("key")]).agg([col("value").implode(ordered)]);
        assert!(!is_streamed(&list(false)) && is_streamed(&list(true)));
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
        let ratio = |rows| guess(&by_key(of_rows(rows)).logical_plan).ratio.unwrap();
        assert!((ratio(500_000) - 1.0).abs() < 1e-9);
        assert!((ratio(250_000) - ratio(1_000_000)).abs() < 1e-9 && ratio(1_000_000) < 1.2);
        assert_eq!((ratio(50_000), ratio(5)), (1.5, 1.5));
        // What may not fit into memory is not tried there, nor is what writes.
        let scan = LazyCsvReader::new(PlRefPath::new("s3://bucket/*.csv")).finish().unwrap();
        assert_eq!(guess(&by_key(scan).logical_plan).ratio, None);
        assert_eq!(taken(&of_rows(1000).logical_plan), Some(16_000));
    }

    #[test]
    fn files_of_unknown_size_are_streamed() {
        let path = PlRefPath::new("s3://bucket/*.csv");
        let scan = LazyCsvReader::new(path).finish().unwrap();
        assert!(is_streamed(&scan.filter(col("value").gt(lit(1)))));
    }
}
