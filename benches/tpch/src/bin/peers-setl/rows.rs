//! The tables: what is read, what goes from one factory to the next, and what is written.

use setl::chrono::NaiveDate;
use setl::prelude::*;

#[derive(Row)]
pub struct LineItem {
    #[column("l_orderkey")]
    pub orderkey: i64,
    #[column("l_partkey")]
    pub partkey: i64,
    #[column("l_suppkey")]
    pub suppkey: i64,
    #[column("l_quantity")]
    pub quantity: f64,
    #[column("l_extendedprice")]
    pub price: f64,
    #[column("l_discount")]
    pub discount: f64,
    #[column("l_returnflag")]
    pub returned: String,
    #[column("l_commitdate")]
    pub promised: NaiveDate,
    #[column("l_receiptdate")]
    pub received: NaiveDate,
}

#[derive(Row)]
pub struct Order {
    #[column("o_orderkey")]
    pub orderkey: i64,
    #[column("o_custkey")]
    pub custkey: i64,
    #[column("o_orderdate")]
    pub day: NaiveDate,
}

#[derive(Row)]
pub struct Customer {
    #[column("c_custkey")]
    pub custkey: i64,
    #[column("c_name")]
    pub name: String,
    #[column("c_nationkey")]
    pub nationkey: i64,
    #[column("c_mktsegment")]
    pub segment: String,
}

#[derive(Row)]
pub struct Supplier {
    #[column("s_suppkey")]
    pub suppkey: i64,
    #[column("s_name")]
    pub name: String,
    #[column("s_nationkey")]
    pub nationkey: i64,
}

#[derive(Row)]
pub struct Part {
    #[column("p_partkey")]
    pub partkey: i64,
    #[column("p_brand")]
    pub brand: String,
    #[column("p_mfgr")]
    pub maker: String,
}

#[derive(Row)]
pub struct Nation {
    #[column("n_nationkey")]
    pub nationkey: i64,
    #[column("n_name")]
    pub name: String,
    #[column("n_regionkey")]
    pub regionkey: i64,
}

#[derive(Row)]
pub struct Region {
    #[column("r_regionkey")]
    pub regionkey: i64,
    #[column("r_name")]
    pub name: String,
}

/// A line that was not returned.
#[derive(Row)]
pub struct Line {
    pub orderkey: i64,
    pub partkey: i64,
    pub suppkey: i64,
    pub quantity: f64,
    pub revenue: f64,
    /// Negative if early.
    pub days_late: i64,
}

/// An order of the years that are reported.
#[derive(Row)]
pub struct RecentOrder {
    pub orderkey: i64,
    pub custkey: i64,
    /// As in 199512.
    pub month: i64,
}

#[derive(Row)]
pub struct Place {
    pub nationkey: i64,
    pub nation: String,
    pub region: String,
}

#[derive(Row)]
pub struct Buyer {
    pub custkey: i64,
    pub customer: String,
    pub nation: String,
    pub region: String,
    pub segment: String,
}

#[derive(Row)]
pub struct Seller {
    pub suppkey: i64,
    pub supplier: String,
    pub nation: String,
}

#[derive(Row)]
pub struct Branded {
    pub partkey: i64,
    pub brand: String,
    pub maker: String,
}

/// A line with its order.
#[derive(Row)]
pub struct SoldLine {
    pub custkey: i64,
    pub partkey: i64,
    pub suppkey: i64,
    pub month: i64,
    pub quantity: f64,
    pub revenue: f64,
    pub days_late: i64,
}

#[derive(Row)]
pub struct LateLine {
    pub suppkey: i64,
    pub month: i64,
    pub days_late: i64,
}

#[derive(Row)]
pub struct CustomerRevenue {
    pub custkey: i64,
    pub customer: String,
    pub nation: String,
    pub region: String,
    pub segment: String,
    pub revenue: f64,
    pub lines: u32,
}

#[derive(Row)]
pub struct SupplierRevenue {
    pub suppkey: i64,
    pub supplier: String,
    pub nation: String,
    pub revenue: f64,
    pub lines: u32,
}

#[derive(Row)]
pub struct SupplierDelay {
    pub suppkey: i64,
    pub late: u32,
    pub mean_days_late: f64,
}

#[derive(Row)]
pub struct NationPurchases {
    pub nation: String,
    pub region: String,
    pub customers: u32,
    pub bought: f64,
}

#[derive(Row)]
pub struct SupplierReport {
    pub suppkey: i64,
    pub supplier: String,
    pub nation: String,
    pub revenue: f64,
    pub lines: u32,
    /// None if nothing was late.
    pub mean_days_late: Option<f64>,
    pub share_late: f64,
}

#[derive(Row)]
pub struct NationReport {
    pub nation: String,
    pub region: String,
    pub customers: u32,
    pub suppliers: u32,
    pub bought: f64,
    pub sold: f64,
    pub balance: f64,
}

#[derive(Row)]
pub struct BrandReport {
    pub brand: String,
    pub maker: String,
    pub lines: u32,
    pub quantity: f64,
    pub revenue: f64,
}

#[derive(Row)]
pub struct MonthReport {
    pub month: i64,
    pub lines: u32,
    pub revenue: f64,
    pub late: u32,
    pub mean_days_late: f64,
}
