//! The decisions about queries that were run together, with the results.

use std::fmt;
use std::time::Duration;

use crate::run::report::Report;
use setl_learn::history::ReadRecord;

/// Queries that were run together: their shared parts, and the reasons.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explained {
    /// The factories that waited for the queries, once for each query.
    pub factories: Vec<String>,
    /// The parts that were computed once.
    pub shared: Vec<SharedPart>,
    /// The parts that were not shared, each with the reason.
    pub left: Vec<(String, String)>,
    /// The time of each query, without the parts that it shared with others.
    pub queries: Vec<Duration>,
    /// The engine that ran each query.
    pub engines: Vec<&'static str>,
    /// The reason for each engine, as in `since it took 12 ms in 4 runs, and in memory 31 ms in 4 runs`. Empty if nothing is
    /// learned, or if the other engine must not be taken.
    pub because: Vec<String>,
    /// The files and frames that each query reads. Empty if nothing is learned.
    pub reads: Vec<ReadRecord>,
    /// The time from the start of the first query to the end of the last.
    pub wall: Duration,
}

/// A part of several queries that was computed once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SharedPart {
    /// A description: the factory that made the part and the files that it reads, as in ``output of `late_orders`, from
    /// orders.parquet``, or else the operation, as in `join on o_orderkey of orders.parquet, lineitem.parquet`.
    pub about: String,
    /// The fingerprint: the same for the same plan, in all runs.
    pub fingerprint: String,
    /// The columns that are read.
    pub columns: Vec<String>,
    /// The factories whose queries share the part.
    pub factories: Vec<String>,
    /// The reason why it was computed once.
    pub because: String,
    /// The time to compute it.
    pub wall: Duration,
    /// The number of rows.
    pub rows: usize,
    /// The size in memory, in bytes.
    pub bytes: usize,
    /// The factories whose whole query is this part.
    pub whole_of: Vec<String>,
    /// The engine that computed it.
    pub engine: &'static str,
    /// The reason for the engine, as for a query.
    pub engine_because: String,
}

impl Explained {
    pub(crate) fn new(factories: Vec<String>) -> Self {
        Self {
            factories,
            shared: Vec::new(),
            left: Vec::new(),
            queries: Vec::new(),
            engines: Vec::new(),
            because: Vec::new(),
            reads: Vec::new(),
            wall: Duration::ZERO,
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut factories = self.factories.clone();
        factories.dedup();
        match &factories[..] {
            [factory] => writeln!(f, "a query of `{factory}`, by itself")?,
            _ => writeln!(f, "{} queries together: {}", self.factories.len(), factories.join(", "))?,
        }
        for (at, part) in self.shared.iter().enumerate() {
            writeln!(f, "  part {}, computed once: {}", at + 1, part.about)?;
            writeln!(f, "    because {}", part.because)?;
            writeln!(f, "    for {}", part.factories.join(", "))?;
            write!(
                f,
                "    {} rows, {:.1} MiB, {:.1} ms",
                part.rows,
                part.bytes as f64 / f64::from(1 << 20),
                1e3 * part.wall.as_secs_f64(),
            )?;
            if !part.engine_because.is_empty() {
                write!(f, ", {}, {}", part.engine, part.engine_because)?;
            }
            writeln!(f)?;
        }
        for (about, why) in &self.left {
            writeln!(f, "  left to each: {about}, since {why}")?;
        }
        let engines = self.engines.iter().zip(&self.because);
        for ((factory, wall), (engine, because)) in self.factories.iter().zip(&self.queries).zip(engines) {
            write!(f, "  {factory}: {:.1} ms, {engine}", 1e3 * wall.as_secs_f64())?;
            if !because.is_empty() {
                write!(f, ", {because}")?;
            }
            let parts = self.shared.iter().enumerate().filter(|(_, part)| part.factories.contains(factory));
            let parts: Vec<_> = parts.map(|(at, _)| format!("part {}", at + 1)).collect();
            if !parts.is_empty() {
                write!(f, "; takes {}", parts.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The part of a report about queries that were run together. It has no text if they share nothing.
#[derive(Debug)]
pub(crate) struct QueriesSection(pub(crate) Vec<Explained>);

impl fmt::Display for QueriesSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: usize = self.0.iter().map(|queries| queries.shared.len()).sum();
        let queries: usize = self.0.iter().map(|queries| queries.factories.len()).sum();
        match parts {
            0 => Ok(()),
            1 => write!(f, "{queries} queries share 1 part, which was computed once"),
            parts => write!(f, "{queries} queries share {parts} parts, which were computed once"),
        }
    }
}

impl Report {
    /// The queries that were run together, in their order, with their shared parts.
    ///
    /// ```
    /// use setl::polars::prelude::*;
    /// use setl::prelude::*;
    ///
    /// #[factory]
    /// fn sales() -> Result<LazyFrame> {
    ///     Ok(df!("product" => ["tea", "coffee", "tea"], "price" => [2.5, 6.0, 4.0])?.lazy())
    /// }
    ///
    /// #[factory]
    /// async fn dearest(sales: LazyFrame) -> Result<DataFrame> {
    ///     let by_product = sales.group_by([col("product")]).agg([col("price").sum()]);
    ///     setl::collect(by_product.filter(col("price").gt(lit(6.0)))).await
    /// }
    ///
    /// #[factory(id = Count)]
    /// async fn products(sales: LazyFrame) -> Result<DataFrame> {
    ///     let by_product = sales.group_by([col("product")]).agg([col("price").sum()]);
    ///     setl::collect(by_product.select([len()])).await
    /// }
    ///
    /// struct Count;
    ///
    /// #[pipeline(extract(sales), transform(dearest, products))]
    /// struct Shop;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let run = Shop.run().await?;
    /// let shared = &run.queries()[0].shared[0];
    /// assert_eq!(shared.about, "aggregate by product");
    /// assert_eq!(shared.factories, ["dearest", "products"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn queries(&self) -> &[Explained] {
        self.section::<QueriesSection>().map_or(&[], |section| &section.0)
    }
}
