#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use polars::df;
use polars::prelude::*;

use super::{Demand, Order, RowOrder};

fn table() -> LazyFrame {
    df!("key" => [1_i64, 2, 1], "value" => [3_i64, 4, 5], "number" => [0.5, 1.5, 2.5], "text" => ["a", "b", "c"])
        .unwrap()
        .lazy()
}

fn joined(how: JoinType) -> LazyFrame {
    table().join(table(), [col("key")], [col("key")], how.into())
}

fn order(frame: &LazyFrame) -> Order {
    Order::of(&frame.logical_plan, Demand::ANSWER)
}

fn summed(frame: LazyFrame) -> LazyFrame {
    frame.group_by([col("key")]).agg([col("value").sum(), len().alias("rows")])
}

#[test]
fn aggregates_do_not_observe_the_order_of_a_join() {
    for how in [JoinType::Inner, JoinType::Left, JoinType::Full, JoinType::Right, JoinType::Cross] {
        let joined = match how {
            JoinType::Cross => table().cross_join(table(), None),
            _ => joined(how.clone()),
        };
        assert!(!order(&joined).streams, "{how}: the order of its rows is that of the answer");
        assert!(order(&summed(joined.clone())).streams, "{how}");
        assert!(order(&joined.select([col("value").max(), col("number").mean()])).streams, "{how}");
    }
    for how in [JoinType::Semi, JoinType::Anti] {
        assert!(order(&joined(how.clone())).streams, "{how}: rows stay in order");
    }
}

#[test]
fn whatever_observes_order_above_a_join_is_found() {
    let over = |expr: Expr| expr.over([col("key")]).unwrap();
    let rank = RankOptions { method: RankMethod::Ordinal, descending: false };
    let observing = [
        col("value").shift(lit(1)),
        col("value").cum_sum(false),
        col("value").cum_count(false).cast(DataType::Int64),
        col("value").diff(lit(1), Default::default()),
        col("value").rank(rank, None).cast(DataType::Int64),
        over(col("value").cum_sum(false)),
        over(col("value").first()),
        col("value").sort_by([col("key")], Default::default()),
        col("value").is_first_distinct().cast(DataType::Int64),
        col("value").reverse(),
        col("value").arg_max().cast(DataType::Int64),
        col("value").first(),
        lit(Series::new("value".into(), [1_i64, 2, 3, 4, 5])),
        col("value").map(Ok, |_, field| Ok(field.clone())),
        col("value").apply(Ok, |_, field| Ok(field.clone())),
    ];
    for expr in observing {
        let frame = joined(JoinType::Left).with_columns([expr.clone().alias("value")]);
        assert!(!order(&summed(frame)).streams, "{expr}");
    }
    let aggregates = [
        col("value").first(),
        col("value").last(),
        col("value").implode(true).list().first(),
        col("value").head(Some(1)).sum(),
        col("value"),
        col("value").arg_max(),
        col("text").str().join(",", true),
    ];
    for expr in aggregates {
        let frame = joined(JoinType::Left).group_by([col("key")]).agg([expr.clone().alias("value")]);
        assert!(!order(&frame).streams, "{expr}");
    }
    let first = |frame: LazyFrame| frame.unique(Some(cols(["key"])), UniqueKeepStrategy::First);
    let nodes = [
        joined(JoinType::Left).limit(2),
        joined(JoinType::Left).sort(["key"], Default::default()).limit(2),
        joined(JoinType::Left).with_row_index("at", None),
        first(joined(JoinType::Left)),
        first(joined(JoinType::Inner)),
        joined(JoinType::Left).map(Ok, Default::default(), None, None),
    ];
    for frame in nodes {
        assert!(!order(&summed(frame.clone())).streams, "{}", frame.describe_plan().unwrap());
    }
}

#[test]
fn groups_are_in_any_order_and_what_follows_them_may_observe_it() {
    let sums = summed(joined(JoinType::Inner));
    assert_eq!(order(&sums).rows, RowOrder::Arbitrary);
    assert!(order(&sums.clone().sort(["value"], Default::default()).limit(2)).streams);
    // A left join with them does not stream, because the in-memory engine keeps the order of the left side.
    let left = table().join(sums, [col("key")], [col("key")], JoinType::Left.into());
    assert!(!order(&left).streams && order(&left).streams_maintained);
    assert!(order(&left.clone().select([len()])).streams);
    // Below a filter, Polars may choose another kind of join, with another order.
    assert!(!order(&left.filter(col("rows").gt(lit(1)))).streams_maintained);
}

#[test]
fn where_all_digits_of_a_rounded_sum_decide_nothing_is_streamed() {
    let sums = || table().group_by([col("key")]).agg([col("number").sum()]);
    assert!(order(&sums()).streams);
    assert!(order(&sums().filter(col("number").gt(lit(1.0)))).streams);
    assert!(!order(&sums().filter(col("number").eq(col("number").max()))).streams);
    assert!(!order(&sums().group_by([col("number")]).agg([len()])).streams);
    assert!(!order(&sums().select([col("number").round(0, RoundMode::default())])).streams);
    assert!(!order(&sums().select([col("number").cast(DataType::String)])).streams);
    assert!(!order(&sums().join(table(), [col("number")], [col("number")], JoinType::Semi.into())).streams);
    // Numbers have all their digits before they are added.
    let few = table().filter(col("number").eq(lit(0.5)));
    assert!(order(&few.group_by([col("key")]).agg([col("number").sum()])).streams);
}
