//! The pipeline that is compared with its peers: `peers-setl <tables> <target> <lazy|shared>`.

mod clean;
mod figures;
mod rows;
mod sinks;

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use setl::prelude::*;
use setl_tpch::tables::file;

use clean::{brands_of_parts, buyers, clean_lines, late_lines, orders_of_years, places, sellers, sold_lines};
use figures::{
    brand_report, customer_revenue, month_report, nation_purchases, nation_report, supplier_delays,
    supplier_report, supplier_revenue,
};
use rows::*;
use sinks::{save_brands, save_customers, save_months, save_nations, save_suppliers};

/// Whether what several factories take stays a query, or is computed once where it is made.
#[derive(Clone, Copy)]
pub enum Sharing {
    Lazy,
    Materialised,
}

impl Sharing {
    pub async fn of<T: Row>(self, dataset: Dataset<T>) -> Result<Dataset<T>> {
        match self {
            Self::Lazy => Ok(dataset),
            Self::Materialised => dataset.materialize().await,
        }
    }
}

#[pipeline(
    clean(clean_lines, orders_of_years, places, buyers, sellers, brands_of_parts, sold_lines, late_lines),
    figures(customer_revenue, supplier_revenue, supplier_delays, nation_purchases),
    reports(supplier_report, nation_report, brand_report, month_report),
    load(save_customers, save_suppliers, save_nations, save_brands, save_months)
)]
struct Sales {
    lines: Repository<LineItem>,
    orders: Repository<Order>,
    customers: Repository<Customer>,
    suppliers: Repository<Supplier>,
    parts: Repository<Part>,
    nations: Repository<Nation>,
    regions: Repository<Region>,
    sharing: Sharing,
    customer_report: Repository<CustomerRevenue>,
    supplier_report: Repository<SupplierReport>,
    nation_report: Repository<NationReport>,
    brand_report: Repository<BrandReport>,
    month_report: Repository<MonthReport>,
}

impl Sales {
    fn between(tables: &Path, target: &Path, sharing: Sharing) -> Result<Self> {
        Ok(Self {
            lines: Parquet::open(file(tables, "lineitem"))?,
            orders: Parquet::open(file(tables, "orders"))?,
            customers: Parquet::open(file(tables, "customer"))?,
            suppliers: Parquet::open(file(tables, "supplier"))?,
            parts: Parquet::open(file(tables, "part"))?,
            nations: Parquet::open(file(tables, "nation"))?,
            regions: Parquet::open(file(tables, "region"))?,
            sharing,
            customer_report: Parquet::create(file(target, "customers"))?,
            supplier_report: Parquet::create(file(target, "suppliers"))?,
            nation_report: Parquet::create(file(target, "nations"))?,
            brand_report: Parquet::create(file(target, "brands"))?,
            month_report: Parquet::create(file(target, "months"))?,
        })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, target, variant] = &arguments[..] else {
        bail!("peers-setl <tables> <target> <lazy|shared>")
    };
    let sharing = match variant.as_str() {
        "lazy" => Sharing::Lazy,
        "shared" => Sharing::Materialised,
        _ => bail!("lazy or shared"),
    };
    let started = Instant::now();
    let run = Sales::between(Path::new(tables), Path::new(target), sharing)?.run().await?;
    let seconds = started.elapsed().as_secs_f64();
    if std::env::var_os("REPORT").is_some() {
        eprintln!("{run}");
        for queries in run.queries() {
            eprintln!("{queries}");
        }
    }
    println!("{{\"seconds\": {seconds:.6}}}");
    Ok(())
}
