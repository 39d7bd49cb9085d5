//! Which of the engines of Polars runs a query.
//!
//! What reads files is streamed: rows are filtered while they are read. Of frames in memory, joins are faster with the engine
//! that works on whole columns, and aggregates of many rows with the one that streams. How many rows reach an aggregate is
//! guessed from the filters on the way, as databases without statistics do (Selinger et al., Access Path Selection in a
//! Relational Database Management System, SIGMOD 1979).

use polars::prelude::Engine;
use polars_plan::dsl::{DslPlan, Expr, Operator};

use super::tree::inputs;

/// From so many rows on, an aggregate is streamed.
const MANY_ROWS: f64 = 500_000.0;

/// The engine for a query.
pub(super) fn of(plan: &DslPlan) -> Engine {
    // Files are written in the order of the rows, and the engine for that is chosen by Polars.
    if contains(plan, &|plan| matches!(plan, DslPlan::Sink { .. } | DslPlan::MapFunction { .. })) {
        return Engine::Auto;
    }
    let reads_files = contains(plan, &|plan| matches!(plan, DslPlan::Scan { .. }));
    let aggregates = |plan: &DslPlan| match plan {
        DslPlan::GroupBy { input, .. } | DslPlan::Distinct { input, .. } => size(input).rows >= MANY_ROWS,
        _ => false,
    };
    if reads_files || contains(plan, &aggregates) { Engine::Streaming } else { Engine::InMemory }
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
        DslPlan::Filter { input, predicate } => {
            let (input, kept) = (size(input), selectivity(predicate));
            Size { rows: input.rows * kept, part: input.part * kept }
        }
        DslPlan::Join { input_left, input_right, .. } => {
            let (left, right) = (size(input_left), size(input_right));
            let (large, small) = if left.rows >= right.rows { (left, right) } else { (right, left) };
            Size { rows: large.rows * small.part, part: large.part * small.part }
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
