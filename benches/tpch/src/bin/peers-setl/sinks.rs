//! Writes the reports.

use setl::prelude::*;

use super::rows::*;

#[factory]
pub async fn save_customers(rows: Dataset<CustomerRevenue>, target: Repository<CustomerRevenue>) -> Result<usize> {
    target.save(&rows).await
}

#[factory]
pub async fn save_suppliers(rows: Dataset<SupplierReport>, target: Repository<SupplierReport>) -> Result<usize> {
    target.save(&rows).await
}

#[factory]
pub async fn save_nations(rows: Dataset<NationReport>, target: Repository<NationReport>) -> Result<usize> {
    target.save(&rows).await
}

#[factory]
pub async fn save_brands(rows: Dataset<BrandReport>, target: Repository<BrandReport>) -> Result<usize> {
    target.save(&rows).await
}

#[factory]
pub async fn save_months(rows: Dataset<MonthReport>, target: Repository<MonthReport>) -> Result<usize> {
    target.save(&rows).await
}
