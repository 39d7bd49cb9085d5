//! The queries. Those that look up what is known of orders are written here; the others are those that are written by hand.

use polars::prelude::*;
use setl::prelude::*;

use super::{ByHand, ByOrder, Discounts};
use crate::by_hand::{self, ascending, between_dates, count, date, ordered};
use crate::tables::Tables;

/// Says whose answer a frame is.
pub struct Of<const QUERY: u8>;

macro_rules! queries {
    ($($name:ident $number:literal)*) => {$(
        #[factory(id = Of<$number>)]
        pub async fn $name(tables: Tables) -> Result<DataFrame> {
            setl::collect(by_hand::$name(&tables)?).await
        }
    )*};
}

queries! {
    q01 1   q02 2   q03 3   q05 5   q07 7   q08 8   q09 9   q10 10  q11 11
    q12 12  q13 13  q14 14  q15 15  q16 16  q17 17  q19 19  q20 20  q22 22
}

/// Forecasting revenue change.
#[factory(id = Of<6>)]
pub async fn q06(tables: Tables, discounts: Discounts) -> Result<DataFrame> {
    setl::collect(by_hand::q06_between(&tables, discounts.low, discounts.high)?).await
}

#[factory]
pub async fn single(tables: Tables, query: ByHand) -> Result<DataFrame> {
    setl::collect((query.0)(&tables)?).await
}

/// Order priority checking.
#[factory(id = Of<4>)]
pub async fn q04(t: Tables, by_order: ByOrder) -> Result<DataFrame> {
    let query = t
        .orders
        .filter(between_dates("o_orderdate", date(1993, 7, 1), date(1993, 10, 1)))
        .semi_join(by_order.0.filter(col("late_lines").gt(lit(0))), "o_orderkey", "l_orderkey")
        .group_by(["o_orderpriority"])
        .agg([count().alias("order_count")])
        .sort(["o_orderpriority"], ascending());
    setl::collect(query).await
}

/// Large volume customer.
#[factory(id = Of<18>)]
pub async fn q18(t: Tables, by_order: ByOrder) -> Result<DataFrame> {
    let query = t
        .orders
        .inner_join(by_order.0.filter(col("sum_qty").gt(lit(300.0))), "o_orderkey", "l_orderkey")
        .inner_join(t.customer, "o_custkey", "c_custkey")
        .select([
            col("c_name"),
            col("o_custkey").alias("c_custkey"),
            col("o_orderkey"),
            col("o_orderdate"),
            col("o_totalprice"),
            col("sum_qty"),
        ])
        .sort(["o_totalprice", "o_orderdate"], ordered([true, false]))
        .limit(100);
    setl::collect(query).await
}

/// Suppliers who kept orders waiting.
#[factory(id = Of<21>)]
pub async fn q21(t: Tables, by_order: ByOrder) -> Result<DataFrame> {
    let late_alone =
        by_order.0.filter(col("late_first").eq(col("late_last")).and(col("first").neq(col("last"))));
    let query = t
        .nation
        .filter(col("n_name").eq(lit("SAUDI ARABIA")))
        .inner_join(t.supplier, "n_nationkey", "s_nationkey")
        .inner_join(late_alone, "s_suppkey", "late_first")
        .inner_join(t.orders.filter(col("o_orderstatus").eq(lit("F"))), "l_orderkey", "o_orderkey")
        .group_by(["s_name"])
        .agg([col("late_lines").sum().alias("numwait")])
        .sort(["numwait", "s_name"], ordered([true, false]))
        .limit(100);
    setl::collect(query).await
}
