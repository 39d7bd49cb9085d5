//! Finds the aggregates of a query that can be streamed although the query itself must run in memory.
//!
//! A query whose answer depends on the order of rows after a join runs in memory. But groups come in any order with either engine.
//! So a `group_by` or a `unique` below that join is computed first with the streaming engine, if it gives the same rows there. The
//! rest of the query then runs in memory, with the groups as a frame.

use std::collections::{HashMap, HashSet};

use polars::prelude::{DataFrame, IntoLazy as _, LazyFrame, PolarsResult, SchemaRef};
use polars_plan::dsl::{DslPlan, Expr};
use polars_plan::utils::expr_output_name;

use super::execute::widened;
use super::reads::{Placeholder, Placeholders, columns_read};
use super::tree::{Key, Keys, bottom_up, bottom_up_until, inputs, is_expensive};
use crate::dataset::cast::named;
use crate::dataset::order::{Demand, Order, RowOrder};
use crate::dataset::waiting;

/// A query, with the aggregates that are computed before it.
pub(super) struct Aggregates {
    /// The query. The aggregates in it are placeholders.
    rest: DslPlan,
    all: Vec<Aggregate>,
}

/// An aggregate that is computed with the streaming engine.
struct Aggregate {
    /// The key of its placeholder.
    stands: Key,
    /// The plan, with the columns that the query reads.
    plan: DslPlan,
    /// The schema with all columns.
    schema: SchemaRef,
}

impl Aggregates {
    /// Finds the largest aggregates of a plan that can be streamed and for which `pays` is true. `order` is the order of the
    /// plan. `None` if there are no such aggregates.
    pub(super) fn of(plan: &DslPlan, order: &Order, pays: impl Fn(&DslPlan) -> bool) -> Option<Self> {
        // Where all digits of a sum decide, the in-memory engine has to add.
        if !order.is_exact {
            return None;
        }
        let mut keys = Keys::default();
        let mut found: HashMap<Key, &DslPlan> = HashMap::new();
        let mut seen = HashSet::new();
        let mut todo = vec![plan];
        while let Some(node) = todo.pop() {
            if !seen.insert(std::ptr::from_ref(node)) {
                continue;
            }
            if is_aggregate(node) && pays(node) && is_apart(node, plan, &mut keys) && is_streamed(node) {
                found.insert(keys.of(node), node);
            } else {
                todo.extend(inputs(node));
            }
        }
        if found.is_empty() {
            return None;
        }
        // A query that is not valid reports its error when it is run.
        Self::with(plan, &found, &mut keys).ok()
    }

    fn with(plan: &DslPlan, found: &HashMap<Key, &DslPlan>, keys: &mut Keys) -> PolarsResult<Self> {
        let mut placeholders = Placeholders::default();
        let mut all = HashMap::new();
        let mut by = HashMap::new();
        for (key, node) in found {
            let schema = waiting(|| LazyFrame::from((*node).clone()).collect_schema())?;
            let placeholder = Placeholder::new(&schema);
            let stands = keys.of_leaf(&placeholder.plan());
            by.insert(*key, placeholder.plan());
            placeholders.insert(stands, placeholder);
            all.insert(stands, (*node, schema, HashSet::new()));
        }
        let rest = keys.replace(plan, &|key| by.get(key).cloned());
        for (key, columns) in columns_read(rest.clone(), &placeholders)? {
            if let Some((.., read)) = all.get_mut(&key) {
                read.extend(columns);
            }
        }
        let all = all.into_iter().map(|(stands, (node, schema, read))| {
            let columns = schema.iter_names().filter(|name| read.contains(name.as_str()));
            let mut columns: Vec<_> = columns.map(|name| named(name)).collect();
            if columns.is_empty() {
                // Only the rows are counted.
                columns.extend(schema.iter_names().take(1).map(|name| named(name)));
            }
            let plan = LazyFrame::from(node.clone()).select(columns).logical_plan;
            Aggregate { stands, plan, schema }
        });
        Ok(Self { rest, all: all.collect() })
    }

    /// Computes the aggregates with `run`. Returns the query with their rows.
    pub(super) fn computed<E>(&self, run: impl Fn(LazyFrame) -> Result<DataFrame, E>) -> Result<DslPlan, E> {
        let mut frames = HashMap::new();
        for one in &self.all {
            let frame = run(LazyFrame::from(one.plan.clone()))?;
            frames.insert(one.stands, widened(frame, &one.schema).lazy().logical_plan);
        }
        Ok(Keys::default().replace(&self.rest, &|key| frames.get(key).cloned()))
    }
}

fn is_aggregate(node: &DslPlan) -> bool {
    matches!(node, DslPlan::GroupBy { .. } | DslPlan::Distinct { .. })
}

/// `true` if the streaming engine gives the same rows, in an order that neither engine defines.
fn is_streamed(node: &DslPlan) -> bool {
    let order = Order::of(node, Demand::ANSWER);
    order.streams && order.rows == RowOrder::Arbitrary
}

/// `true` if Polars does not compute the node in a better way within the plan: it computes a part that also occurs elsewhere once,
/// and moves a filter by the keys of groups below them.
fn is_apart(node: &DslPlan, plan: &DslPlan, keys: &mut Keys) -> bool {
    keys.of(plan);
    let key = keys.of(node);
    let of_key: HashSet<_> =
        bottom_up(plan).into_iter().filter(|other| keys.of(other) == key).map(std::ptr::from_ref).collect();
    let rest =
        bottom_up_until(plan, |other| of_key.contains(&std::ptr::from_ref(other)), &mut HashSet::new());
    let rest: Vec<_> =
        rest.into_iter().filter(|other| !of_key.contains(&std::ptr::from_ref(*other))).collect();
    let moves = |predicate: &Expr| match node {
        DslPlan::GroupBy { keys, .. } => {
            let by: Vec<_> = keys.iter().filter_map(|key| expr_output_name(key).ok()).collect();
            predicate.into_iter().all(|expr| !matches!(expr, Expr::Column(name) if !by.contains(name)))
        }
        _ => true,
    };
    let is_moved =
        rest.iter().any(|other| matches!(other, DslPlan::Filter { predicate, .. } if moves(predicate)));
    let is_read = |other: &DslPlan| is_expensive(other) || matches!(other, DslPlan::Scan { .. });
    let of_rest: HashSet<Key> =
        rest.into_iter().filter(|other| is_read(other)).map(|other| keys.of(other)).collect();
    !is_moved && !bottom_up(node).into_iter().any(|other| is_read(other) && of_rest.contains(&keys.of(other)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use polars::df;
    use polars::prelude::*;

    use super::*;
    use crate::memory::Memory;
    use crate::optimize::Optimizer;
    use crate::queries::tests::run;

    /// Orders by day, more than there are groups of lines, so that the join keeps their order. Each day has several, so that a sort by day leaves orders equal.
    fn orders() -> LazyFrame {
        let rows = 0..900_i64;
        df!("order" => Vec::from_iter(rows.clone()), "day" => Vec::from_iter(rows.map(|row| row % 7)))
            .unwrap()
            .lazy()
    }

    fn lines() -> LazyFrame {
        let rows = 0..600_000_i64;
        df!(
            "of" => Vec::from_iter(rows.clone().map(|row| row * 31 % 500)),
            "quantity" => Vec::from_iter(rows.clone().map(|row| row % 40)),
            "price" => Vec::from_iter(rows.map(|row| row as f64 / 4.0)),
        )
        .unwrap()
        .lazy()
    }

    fn sums() -> LazyFrame {
        lines().group_by([col("of")]).agg([col("quantity").sum(), col("price").sum()])
    }

    /// The first orders of the first days: which of them depends on the order of the rows of the join.
    fn first(right: LazyFrame) -> LazyFrame {
        let joined = orders().join(right, [col("order")], [col("of")], JoinType::Inner.into());
        joined.sort(["day"], SortMultipleOptions::default().with_maintain_order(true)).limit(9)
    }

    fn found(frame: &LazyFrame) -> Vec<Vec<String>> {
        let plan = &frame.logical_plan;
        let order = Order::of(plan, Demand::ANSWER);
        assert!(!order.streams, "{}", frame.describe_plan().unwrap());
        let found = Aggregates::of(plan, &order, |_| true).map_or_else(Vec::new, |aggregates| aggregates.all);
        let columns = |one: Aggregate| {
            let schema = LazyFrame::from(one.plan).collect_schema().unwrap();
            schema.iter_names().map(ToString::to_string).collect()
        };
        found.into_iter().map(columns).collect()
    }

    fn engine_of(frame: LazyFrame) -> &'static str {
        let expected = frame.clone().collect().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::new(0, Some(directory.path()));
        let engines = [None, Some(&memory)].map(|memory| {
            let (answers, explained) = run(&Optimizer::new(), None, vec![("one", frame.clone())], memory);
            let answer = answers.into_iter().next().unwrap().unwrap();
            assert!(answer.equals_missing(&expected), "{explained}\n{answer}\n{expected}");
            explained.engines[0]
        });
        assert_eq!(engines[0], engines[1]);
        engines[0]
    }

    const IN_MEMORY: &str = "in memory";
    const APART: &str = "in memory, aggregates streaming";

    #[test]
    fn groups_below_a_join_whose_order_is_observed_are_streamed() {
        let large = || sums().filter(col("quantity").gt(lit(70)));
        assert_eq!(found(&first(large().select([col("of")]))), [["of", "quantity"]], "prices are not read");
        assert_eq!(found(&first(large().select([col("of"), col("price")]))), [["of", "quantity", "price"]]);
        assert_eq!(engine_of(first(large())), APART);
        let distinct = lines().select([col("of")]).unique(None, UniqueKeepStrategy::Any);
        assert_eq!(engine_of(first(distinct)), APART);
        let semi = orders().join(sums(), [col("order")], [col("of")], JoinType::Semi.into());
        let days = df!("day" => [1_i64, 1, 2], "name" => ["a", "b", "c"]).unwrap().lazy();
        let named = semi.join(days, [col("day")], [col("day")], JoinType::Left.into());
        assert_eq!(engine_of(named.select([col("name"), col("order").cum_sum(false)])), APART);
    }

    #[test]
    fn groups_that_depend_on_the_order_or_on_all_digits_stay_in_memory() {
        let of = |frame: LazyFrame, expr: Expr| frame.group_by([col("of")]).agg([expr]);
        for expr in [col("quantity").first(), col("quantity").shift(lit(1)).max(), col("quantity")] {
            assert!(found(&first(of(lines(), expr))).is_empty());
        }
        assert!(found(&first(lines().group_by_stable([col("of")]).agg([len()]))).is_empty());
        assert!(found(&first(lines().unique(Some(cols(["of"])), UniqueKeepStrategy::Any))).is_empty());
        let best = sums().filter(col("price").eq(col("price").max()));
        assert!(found(&first(best.clone())).is_empty());
        assert_eq!(engine_of(first(best)), IN_MEMORY);
        let rounded = sums().with_columns([col("price").round(0, RoundMode::default())]);
        assert!(found(&first(rounded)).is_empty());
        // What is below such groups may still be streamed.
        let firsts = sums().group_by([(col("of") % lit(9)).alias("of")]).agg([col("quantity").first()]);
        assert_eq!(found(&first(firsts.clone())), [["of", "quantity"]]);
    }

    #[test]
    fn groups_that_polars_computes_with_less_work_in_the_query_stay_there() {
        // Polars reads only the lines of these orders.
        assert!(found(&first(sums().filter(col("of").lt(lit(9))))).is_empty());
        let distinct = || lines().select([col("of")]).unique(None, UniqueKeepStrategy::Any);
        assert!(found(&first(distinct().filter(col("of").lt(lit(9))))).is_empty());
        // Polars computes the join once.
        let joined = orders().join(lines(), [col("order")], [col("of")], JoinType::Inner.into());
        let least = joined.clone().group_by([col("order")]).agg([col("quantity").min().alias("least")]);
        let both = joined.join(least, [col("order")], [col("order")], JoinType::Inner.into()).limit(5);
        assert!(found(&both).is_empty());
        // The same groups in two places are one aggregate.
        let sums = sums();
        let twice = first(sums.clone()).join(sums, [col("day")], [col("of")], JoinType::Left.into());
        assert_eq!(found(&twice), [["of", "quantity", "price"]]);
        assert_eq!(engine_of(twice), APART);
    }

    #[test]
    fn a_query_with_flags_of_its_own_runs_as_a_whole() {
        assert_eq!(engine_of(first(sums()).with_predicate_pushdown(false)), IN_MEMORY);
    }

    #[test]
    fn a_query_whose_groups_fail_reports_its_own_error() {
        let wrong = lines().with_columns([col("price").cast(DataType::String).strict_cast(DataType::Date)]);
        let frame = first(wrong.group_by([col("of")]).agg([col("price").max()]));
        let expected = frame.clone().collect().unwrap_err().to_string();
        let (answers, explained) = run(&Optimizer::new(), None, vec![("one", frame)], None);
        let found = match answers.into_iter().next().unwrap() {
            Err(super::super::Fault::Query(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!((found, explained.engines[0]), (expected, ""));
    }
}
