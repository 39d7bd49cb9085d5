use polars::prelude::*;

use super::{ascending, between_dates, count, date, one_of, ordered, revenue};
use crate::tables::Tables;

/// Large volume customer.
pub fn q18(t: &Tables) -> PolarsResult<LazyFrame> {
    let large = t
        .lineitem
        .clone()
        .group_by(["l_orderkey"])
        .agg([col("l_quantity").sum().alias("sum_qty")])
        .filter(col("sum_qty").gt(lit(300.0)));
    Ok(t.orders
        .clone()
        .inner_join(large, "o_orderkey", "l_orderkey")
        .inner_join(t.customer.clone(), "o_custkey", "c_custkey")
        .select([
            col("c_name"),
            col("o_custkey").alias("c_custkey"),
            col("o_orderkey"),
            col("o_orderdate"),
            col("o_totalprice"),
            col("sum_qty"),
        ])
        .sort(["o_totalprice", "o_orderdate"], ordered([true, false]))
        .limit(100))
}

/// Discounted revenue.
pub fn q19(t: &Tables) -> PolarsResult<LazyFrame> {
    let wanted = |brand: &str, containers: [&str; 4], quantity: f64, size: i64| {
        col("p_brand")
            .eq(lit(brand))
            .and(one_of(col("p_container"), containers))
            .and(col("l_quantity").gt_eq(lit(quantity)).and(col("l_quantity").lt_eq(lit(quantity + 10.0))))
            .and(col("p_size").gt_eq(lit(1)).and(col("p_size").lt_eq(lit(size))))
    };
    let small = wanted("Brand#12", ["SM CASE", "SM BOX", "SM PACK", "SM PKG"], 1.0, 5);
    let medium = wanted("Brand#23", ["MED BAG", "MED BOX", "MED PKG", "MED PACK"], 10.0, 10);
    let large = wanted("Brand#34", ["LG CASE", "LG BOX", "LG PACK", "LG PKG"], 20.0, 15);
    Ok(t.lineitem
        .clone()
        .filter(one_of(col("l_shipmode"), ["AIR", "AIR REG"]))
        .filter(col("l_shipinstruct").eq(lit("DELIVER IN PERSON")))
        .inner_join(t.part.clone(), "l_partkey", "p_partkey")
        .filter(small.or(medium).or(large))
        .select([revenue().sum().alias("revenue")]))
}

/// Potential part promotion.
pub fn q20(t: &Tables) -> PolarsResult<LazyFrame> {
    let shipped = t
        .lineitem
        .clone()
        .filter(between_dates("l_shipdate", date(1994, 1, 1), date(1995, 1, 1)))
        .group_by(["l_partkey", "l_suppkey"])
        .agg([(lit(0.5) * col("l_quantity").sum()).alias("half")]);
    let keys = ["ps_partkey", "ps_suppkey"].map(col);
    let excess = t
        .partsupp
        .clone()
        .semi_join(
            t.part.clone().filter(col("p_name").str().starts_with(lit("forest"))),
            "ps_partkey",
            "p_partkey",
        )
        .join(shipped, keys, ["l_partkey", "l_suppkey"].map(col), JoinArgs::new(JoinType::Inner))
        .filter(col("ps_availqty").gt(col("half")));
    Ok(t.nation
        .clone()
        .filter(col("n_name").eq(lit("CANADA")))
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey")
        .semi_join(excess, "s_suppkey", "ps_suppkey")
        .select([col("s_name"), col("s_address")])
        .sort(["s_name"], ascending()))
}

/// Suppliers who kept orders waiting.
pub fn q21(t: &Tables) -> PolarsResult<LazyFrame> {
    // One value, or several: cheaper than to count the different ones.
    let one = || col("l_suppkey").min().eq(col("l_suppkey").max()).alias("one");
    let late = t.lineitem.clone().filter(col("l_receiptdate").gt(col("l_commitdate")));
    let of_several = t.lineitem.clone().group_by(["l_orderkey"]).agg([one()]).filter(col("one").not());
    let late_by_one = late.clone().group_by(["l_orderkey"]).agg([one()]).filter(col("one"));
    Ok(t.nation
        .clone()
        .filter(col("n_name").eq(lit("SAUDI ARABIA")))
        .inner_join(t.supplier.clone(), "n_nationkey", "s_nationkey")
        .inner_join(late, "s_suppkey", "l_suppkey")
        .inner_join(t.orders.clone().filter(col("o_orderstatus").eq(lit("F"))), "l_orderkey", "o_orderkey")
        .semi_join(late_by_one, "l_orderkey", "l_orderkey")
        .semi_join(of_several, "l_orderkey", "l_orderkey")
        .group_by(["s_name"])
        .agg([count().alias("numwait")])
        .sort(["numwait", "s_name"], ordered([true, false]))
        .limit(100))
}

/// Global sales opportunity.
pub fn q22(t: &Tables) -> PolarsResult<LazyFrame> {
    let code = col("c_phone").str().slice(lit(0), lit(2));
    let customers = t
        .customer
        .clone()
        .with_columns([code.alias("cntrycode")])
        .filter(one_of(col("cntrycode"), ["13", "31", "23", "29", "30", "18", "17"]));
    let average = customers
        .clone()
        .filter(col("c_acctbal").gt(lit(0.0)))
        .select([col("c_acctbal").mean().alias("average")]);
    Ok(customers
        .cross_join(average, None)
        .filter(col("c_acctbal").gt(col("average")))
        .anti_join(t.orders.clone(), "c_custkey", "o_custkey")
        .group_by(["cntrycode"])
        .agg([count().alias("numcust"), col("c_acctbal").sum().alias("totacctbal")])
        .sort(["cntrycode"], ascending()))
}
