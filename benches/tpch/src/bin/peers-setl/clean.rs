//! Prepares the tables for the figures. All stays lazy.

use setl::chrono::NaiveDate;
use setl::polars::prelude::*;
use setl::prelude::*;

use super::Sharing;
use super::rows::*;

pub fn inner(left: LazyFrame, right: LazyFrame, left_on: &str, right_on: &str) -> LazyFrame {
    left.join(right, [col(left_on)], [col(right_on)], JoinArgs::new(JoinType::Inner))
}

/// Lines that were not returned.
#[factory]
pub fn clean_lines(#[delivery(auto_load)] lines: Dataset<LineItem>) -> Result<Dataset<Line>> {
    let late_by = LineItem::RECEIVED.col() - LineItem::PROMISED.col();
    Dataset::new(lines.lazy().filter(LineItem::RETURNED.col().neq(lit("R"))).select([
        LineItem::ORDERKEY.col().alias("orderkey"),
        LineItem::PARTKEY.col().alias("partkey"),
        LineItem::SUPPKEY.col().alias("suppkey"),
        LineItem::QUANTITY.col().alias("quantity"),
        (LineItem::PRICE.col() * (lit(1) - LineItem::DISCOUNT.col())).alias("revenue"),
        late_by.dt().total_days(false).alias("days_late"),
    ]))
}

/// Orders of 1995 and 1996.
#[factory]
pub fn orders_of_years(#[delivery(auto_load)] orders: Dataset<Order>) -> Result<Dataset<RecentOrder>> {
    let first_of = |year| lit(NaiveDate::from_ymd_opt(year, 1, 1).expect("a day"));
    let day = Order::DAY.col();
    let number = |part: Expr| part.cast(DataType::Int64);
    let years = day.clone().gt_eq(first_of(1995)).and(day.clone().lt(first_of(1997)));
    Dataset::new(orders.lazy().filter(years).select([
        Order::ORDERKEY.col().alias("orderkey"),
        Order::CUSTKEY.col().alias("custkey"),
        (number(day.clone().dt().year()) * lit(100) + number(day.dt().month())).alias("month"),
    ]))
}

#[factory]
pub fn places(
    #[delivery(auto_load)] nations: Dataset<Nation>,
    #[delivery(auto_load)] regions: Dataset<Region>,
) -> Result<Dataset<Place>> {
    Dataset::new(inner(nations.lazy(), regions.lazy(), "n_regionkey", "r_regionkey").select([
        Nation::NATIONKEY.col().alias("nationkey"),
        Nation::NAME.col().alias("nation"),
        Region::NAME.col().alias("region"),
    ]))
}

#[factory]
pub fn buyers(
    #[delivery(auto_load)] customers: Dataset<Customer>,
    places: Dataset<Place>,
) -> Result<Dataset<Buyer>> {
    Dataset::new(inner(customers.lazy(), places.lazy(), "c_nationkey", "nationkey").select([
        Customer::CUSTKEY.col().alias("custkey"),
        Customer::NAME.col().alias("customer"),
        Place::NATION.col(),
        Place::REGION.col(),
        Customer::SEGMENT.col().alias("segment"),
    ]))
}

#[factory]
pub fn sellers(
    #[delivery(auto_load)] suppliers: Dataset<Supplier>,
    places: Dataset<Place>,
) -> Result<Dataset<Seller>> {
    Dataset::new(inner(suppliers.lazy(), places.lazy(), "s_nationkey", "nationkey").select([
        Supplier::SUPPKEY.col().alias("suppkey"),
        Supplier::NAME.col().alias("supplier"),
        Place::NATION.col(),
    ]))
}

#[factory]
pub fn brands_of_parts(#[delivery(auto_load)] parts: Dataset<Part>) -> Result<Dataset<Branded>> {
    Dataset::new(parts.lazy().select([
        Part::PARTKEY.col().alias("partkey"),
        Part::BRAND.col().alias("brand"),
        Part::MAKER.col().alias("maker"),
    ]))
}

/// What all figures are made of.
#[factory]
pub async fn sold_lines(
    lines: Dataset<Line>,
    orders: Dataset<RecentOrder>,
    sharing: Sharing,
) -> Result<Dataset<SoldLine>> {
    sharing.of(Dataset::new(inner(lines.lazy(), orders.lazy(), "orderkey", "orderkey"))?).await
}

#[factory]
pub fn late_lines(lines: Dataset<SoldLine>) -> Result<Dataset<LateLine>> {
    Dataset::new(lines.filter(SoldLine::DAYS_LATE.gt(0)).into_lazy())
}
