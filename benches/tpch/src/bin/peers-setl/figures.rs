//! Revenue and delays, and the reports that join them.

use setl::polars::prelude::*;
use setl::prelude::*;

use super::Sharing;
use super::clean::inner;
use super::rows::*;

#[factory]
pub async fn customer_revenue(
    lines: Dataset<SoldLine>,
    buyers: Dataset<Buyer>,
    sharing: Sharing,
) -> Result<Dataset<CustomerRevenue>> {
    let by_customer = lines
        .lazy()
        .group_by([SoldLine::CUSTKEY.col()])
        .agg([SoldLine::REVENUE.col().sum(), len().alias("lines")]);
    sharing.of(Dataset::new(inner(by_customer, buyers.lazy(), "custkey", "custkey"))?).await
}

#[factory]
pub async fn supplier_revenue(
    lines: Dataset<SoldLine>,
    sellers: Dataset<Seller>,
    sharing: Sharing,
) -> Result<Dataset<SupplierRevenue>> {
    let by_supplier = lines
        .lazy()
        .group_by([SoldLine::SUPPKEY.col()])
        .agg([SoldLine::REVENUE.col().sum(), len().alias("lines")]);
    sharing.of(Dataset::new(inner(by_supplier, sellers.lazy(), "suppkey", "suppkey"))?).await
}

#[factory]
pub fn supplier_delays(late: Dataset<LateLine>) -> Result<Dataset<SupplierDelay>> {
    Dataset::new(
        late.lazy()
            .group_by([LateLine::SUPPKEY.col()])
            .agg([len().alias("late"), LateLine::DAYS_LATE.col().mean().alias("mean_days_late")]),
    )
}

#[factory]
pub fn nation_purchases(customers: Dataset<CustomerRevenue>) -> Result<Dataset<NationPurchases>> {
    Dataset::new(
        customers
            .lazy()
            .group_by([CustomerRevenue::NATION.col(), CustomerRevenue::REGION.col()])
            .agg([len().alias("customers"), CustomerRevenue::REVENUE.col().sum().alias("bought")]),
    )
}

#[factory]
pub fn supplier_report(
    revenue: Dataset<SupplierRevenue>,
    delays: Dataset<SupplierDelay>,
) -> Result<Dataset<SupplierReport>> {
    let share_late = SupplierDelay::LATE.col().fill_null(lit(0u32)).cast(DataType::Float64)
        / SupplierRevenue::LINES.col().cast(DataType::Float64);
    let key = [col("suppkey")];
    Dataset::new(
        revenue
            .lazy()
            .join(delays.lazy(), &key, &key, JoinArgs::new(JoinType::Left))
            .with_column(share_late.alias("share_late")),
    )
}

/// What each nation bought beside what it sold.
#[factory]
pub fn nation_report(
    purchases: Dataset<NationPurchases>,
    suppliers: Dataset<SupplierRevenue>,
) -> Result<Dataset<NationReport>> {
    let sales = suppliers
        .lazy()
        .group_by([SupplierRevenue::NATION.col()])
        .agg([len().alias("suppliers"), SupplierRevenue::REVENUE.col().sum().alias("sold")]);
    Dataset::new(
        inner(purchases.lazy(), sales, "nation", "nation")
            .with_column((col("sold") - col("bought")).alias("balance")),
    )
}

#[factory]
pub fn brand_report(lines: Dataset<SoldLine>, parts: Dataset<Branded>) -> Result<Dataset<BrandReport>> {
    Dataset::new(
        inner(lines.lazy(), parts.lazy(), "partkey", "partkey")
            .group_by([Branded::BRAND.col(), Branded::MAKER.col()])
            .agg([len().alias("lines"), SoldLine::QUANTITY.col().sum(), SoldLine::REVENUE.col().sum()]),
    )
}

#[factory]
pub fn month_report(lines: Dataset<SoldLine>, late: Dataset<LateLine>) -> Result<Dataset<MonthReport>> {
    let late = late
        .lazy()
        .group_by([LateLine::MONTH.col()])
        .agg([len().alias("late"), LateLine::DAYS_LATE.col().mean().alias("mean_days_late")]);
    let months = lines
        .lazy()
        .group_by([SoldLine::MONTH.col()])
        .agg([len().alias("lines"), SoldLine::REVENUE.col().sum()]);
    Dataset::new(inner(months, late, "month", "month"))
}
