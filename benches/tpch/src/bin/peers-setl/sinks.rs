//! Writes the reports.

use setl::prelude::*;

use super::rows::*;

#[factory]
pub async fn save_customers(
    rows: Dataset<CustomerRevenue>,
    target: Repository<CustomerRevenue>,
) -> Result<()> {
    target.save(&rows).await?;
    Ok(())
}

#[factory]
pub async fn save_suppliers(rows: Dataset<SupplierReport>, target: Repository<SupplierReport>) -> Result<()> {
    target.save(&rows).await?;
    Ok(())
}

#[factory]
pub async fn save_nations(rows: Dataset<NationReport>, target: Repository<NationReport>) -> Result<()> {
    target.save(&rows).await?;
    Ok(())
}

#[factory]
pub async fn save_brands(rows: Dataset<BrandReport>, target: Repository<BrandReport>) -> Result<()> {
    target.save(&rows).await?;
    Ok(())
}

#[factory]
pub async fn save_months(rows: Dataset<MonthReport>, target: Repository<MonthReport>) -> Result<()> {
    target.save(&rows).await?;
    Ok(())
}
