//! The pipeline in pondrs: `peers-pondrs <tables> <target> <eager|lazy|shared> <sequential|parallel>`.

mod frame;
mod steps;

use std::time::Instant;

use polars::prelude::*;
use pondrs::datasets::{Dataset, MemoryDataset, Param, PolarsParquetDataset};
use pondrs::error::PondError;
use pondrs::runners::{ParallelRunner, Runners, SequentialRunner};
use pondrs::{App, Node, Pipeline, Steps};
use serde::Serialize;

use frame::{Frame, ScanDataset};

/// The files are `D`, and what stays in memory is of `F`.
#[derive(Serialize)]
#[serde(bound(serialize = "D: Serialize"))]
struct Catalog<F: Clone, D> {
    lineitem: D,
    orders: D,
    customer: D,
    supplier: D,
    part: D,
    nation: D,
    region: D,
    clean_lines: MemoryDataset<F>,
    orders_of_years: MemoryDataset<F>,
    places: MemoryDataset<F>,
    buyers: MemoryDataset<F>,
    sellers: MemoryDataset<F>,
    brands_of_parts: MemoryDataset<F>,
    sold_lines: MemoryDataset<F>,
    late_lines: MemoryDataset<F>,
    supplier_revenue: MemoryDataset<F>,
    supplier_delays: MemoryDataset<F>,
    nation_purchases: MemoryDataset<F>,
    /// Another node takes it: it reads the file, as in pondrs's own examples.
    customers: D,
    suppliers: D,
    nations: D,
    brands: D,
    months: D,
}

impl<F: Clone, D> Catalog<F, D> {
    fn between(tables: &str, target: &str, file: impl Fn(String) -> D) -> Self {
        let table = |name: &str| file(format!("{tables}/{name}.parquet"));
        let report = |name: &str| file(format!("{target}/{name}.parquet"));
        Self {
            lineitem: table("lineitem"),
            orders: table("orders"),
            customer: table("customer"),
            supplier: table("supplier"),
            part: table("part"),
            nation: table("nation"),
            region: table("region"),
            clean_lines: MemoryDataset::new(),
            orders_of_years: MemoryDataset::new(),
            places: MemoryDataset::new(),
            buyers: MemoryDataset::new(),
            sellers: MemoryDataset::new(),
            brands_of_parts: MemoryDataset::new(),
            sold_lines: MemoryDataset::new(),
            late_lines: MemoryDataset::new(),
            supplier_revenue: MemoryDataset::new(),
            supplier_delays: MemoryDataset::new(),
            nation_purchases: MemoryDataset::new(),
            customers: report("customers"),
            suppliers: report("suppliers"),
            nations: report("nations"),
            brands: report("brands"),
            months: report("months"),
        }
    }
}

#[derive(Serialize)]
struct Params {
    /// Whether what several nodes take is computed once where it is made.
    shared: Param<bool>,
}

type Made<F> = PolarsResult<(F,)>;

fn kept<F: Frame>(query: LazyFrame, shared: bool) -> Made<F> {
    Ok((F::of(if shared { query.collect()?.lazy() } else { query })?,))
}

fn pipeline<'a, F, D>(cat: &'a Catalog<F, D>, params: &'a Params) -> impl Steps<PondError> + 'a
where
    F: Frame,
    D: Dataset<LoadItem = F, SaveItem = F, Error = PondError> + Send + Sync + 'static,
{
    (clean(cat, params), figures(cat, params), reports(cat))
}

fn clean<'a, F, D>(cat: &'a Catalog<F, D>, params: &'a Params) -> impl pondrs::Step<PondError> + 'a
where
    F: Frame,
    D: Dataset<LoadItem = F, SaveItem = F, Error = PondError> + Send + Sync + 'static,
{
    Pipeline {
        name: "clean",
        steps: (
            Node {
                name: "clean_lines",
                func: |lines: F| -> Made<F> { Ok((F::of(steps::clean_lines(lines.query()))?,)) },
                input: (&cat.lineitem,),
                output: (&cat.clean_lines,),
            },
            Node {
                name: "orders_of_years",
                func: |orders: F| -> Made<F> { Ok((F::of(steps::orders_of_years(orders.query()))?,)) },
                input: (&cat.orders,),
                output: (&cat.orders_of_years,),
            },
            Node {
                name: "places",
                func: |nation: F, region: F| -> Made<F> {
                    Ok((F::of(steps::places(nation.query(), region.query()))?,))
                },
                input: (&cat.nation, &cat.region),
                output: (&cat.places,),
            },
            Node {
                name: "buyers",
                func: |customer: F, places: F| -> Made<F> {
                    Ok((F::of(steps::buyers(customer.query(), places.query()))?,))
                },
                input: (&cat.customer, &cat.places),
                output: (&cat.buyers,),
            },
            Node {
                name: "sellers",
                func: |supplier: F, places: F| -> Made<F> {
                    Ok((F::of(steps::sellers(supplier.query(), places.query()))?,))
                },
                input: (&cat.supplier, &cat.places),
                output: (&cat.sellers,),
            },
            Node {
                name: "brands_of_parts",
                func: |part: F| -> Made<F> { Ok((F::of(steps::brands_of_parts(part.query()))?,)) },
                input: (&cat.part,),
                output: (&cat.brands_of_parts,),
            },
            Node {
                name: "sold_lines",
                func: |lines: F, orders: F, shared: bool| -> Made<F> {
                    kept(steps::sold_lines(lines.query(), orders.query()), shared)
                },
                input: (&cat.clean_lines, &cat.orders_of_years, &params.shared),
                output: (&cat.sold_lines,),
            },
            Node {
                name: "late_lines",
                func: |sold: F| -> Made<F> { Ok((F::of(steps::late_lines(sold.query()))?,)) },
                input: (&cat.sold_lines,),
                output: (&cat.late_lines,),
            },
        ),
        input: (
            &cat.lineitem,
            &cat.orders,
            &cat.nation,
            &cat.region,
            &cat.customer,
            &cat.supplier,
            &cat.part,
        ),
        output: (&cat.buyers, &cat.sellers, &cat.brands_of_parts, &cat.sold_lines, &cat.late_lines),
    }
}

fn figures<'a, F, D>(cat: &'a Catalog<F, D>, params: &'a Params) -> impl pondrs::Step<PondError> + 'a
where
    F: Frame,
    D: Dataset<LoadItem = F, SaveItem = F, Error = PondError> + Send + Sync + 'static,
{
    Pipeline {
        name: "figures",
        steps: (
            Node {
                name: "customer_revenue",
                func: |sold: F, buyers: F, shared: bool| -> Made<F> {
                    kept(steps::customer_revenue(sold.query(), buyers.query()), shared)
                },
                input: (&cat.sold_lines, &cat.buyers, &params.shared),
                output: (&cat.customers,),
            },
            Node {
                name: "supplier_revenue",
                func: |sold: F, sellers: F, shared: bool| -> Made<F> {
                    kept(steps::supplier_revenue(sold.query(), sellers.query()), shared)
                },
                input: (&cat.sold_lines, &cat.sellers, &params.shared),
                output: (&cat.supplier_revenue,),
            },
            Node {
                name: "supplier_delays",
                func: |late: F| -> Made<F> { Ok((F::of(steps::supplier_delays(late.query()))?,)) },
                input: (&cat.late_lines,),
                output: (&cat.supplier_delays,),
            },
            Node {
                name: "nation_purchases",
                func: |customers: F| -> Made<F> { Ok((F::of(steps::nation_purchases(customers.query()))?,)) },
                input: (&cat.customers,),
                output: (&cat.nation_purchases,),
            },
        ),
        input: (&cat.sold_lines, &cat.buyers, &cat.sellers, &cat.late_lines),
        output: (&cat.customers, &cat.supplier_revenue, &cat.supplier_delays, &cat.nation_purchases),
    }
}

fn reports<'a, F, D>(cat: &'a Catalog<F, D>) -> impl pondrs::Step<PondError> + 'a
where
    F: Frame,
    D: Dataset<LoadItem = F, SaveItem = F, Error = PondError> + Send + Sync + 'static,
{
    Pipeline {
        name: "reports",
        steps: (
            Node {
                name: "supplier_report",
                func: |revenue: F, delays: F| -> Made<F> {
                    Ok((F::of(steps::supplier_report(revenue.query(), delays.query()))?,))
                },
                input: (&cat.supplier_revenue, &cat.supplier_delays),
                output: (&cat.suppliers,),
            },
            Node {
                name: "nation_report",
                func: |purchases: F, suppliers: F| -> Made<F> {
                    Ok((F::of(steps::nation_report(purchases.query(), suppliers.query()))?,))
                },
                input: (&cat.nation_purchases, &cat.supplier_revenue),
                output: (&cat.nations,),
            },
            Node {
                name: "brand_report",
                func: |sold: F, brands: F| -> Made<F> {
                    Ok((F::of(steps::brand_report(sold.query(), brands.query()))?,))
                },
                input: (&cat.sold_lines, &cat.brands_of_parts),
                output: (&cat.brands,),
            },
            Node {
                name: "month_report",
                func: |sold: F, late: F| -> Made<F> {
                    Ok((F::of(steps::month_report(sold.query(), late.query()))?,))
                },
                input: (&cat.sold_lines, &cat.late_lines),
                output: (&cat.months,),
            },
        ),
        input: (
            &cat.supplier_revenue,
            &cat.supplier_delays,
            &cat.nation_purchases,
            &cat.sold_lines,
            &cat.late_lines,
        ),
        output: (&cat.suppliers, &cat.nations, &cat.brands, &cat.months),
    }
}

fn run(tables: &str, target: &str, variant: &str, runners: impl Runners) -> Result<(), PondError> {
    let params = Params { shared: Param(variant == "shared") };
    if variant == "eager" {
        let catalog = Catalog::between(tables, target, PolarsParquetDataset::new);
        return App::new(catalog, params)
            .with_runners(runners)
            .execute(pipeline::<DataFrame, PolarsParquetDataset>);
    }
    let catalog = Catalog::between(tables, target, ScanDataset::new);
    App::new(catalog, params).with_runners(runners).execute(pipeline::<LazyFrame, ScanDataset>)
}

fn main() -> Result<(), PondError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, target, variant, runner] = &arguments[..] else {
        panic!("peers-pondrs <tables> <target> <eager|lazy|shared> <sequential|parallel>")
    };
    let started = Instant::now();
    std::fs::create_dir_all(target)?;
    match runner.as_str() {
        "parallel" => run(tables, target, variant, (ParallelRunner::default(),))?,
        _ => run(tables, target, variant, (SequentialRunner,))?,
    }
    println!("{{\"seconds\": {:.6}}}", started.elapsed().as_secs_f64());
    Ok(())
}
