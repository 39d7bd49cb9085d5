//! Writes the tables as Parquet, unless they are there: `tpch-data <scale factor> <directory>`.
//!
//! Decimals become Float64 and all integers Int64, so that every engine gets the same plain types.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use setl_tpch::tables;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

/// As DuckDB writes them.
const ROW_GROUP: usize = 122_880;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (scale, directory) = arguments.next().zip(arguments.next()).context("tpch-data <scale factor> <directory>")?;
    let (scale, directory) = (scale.parse()?, Path::new(&directory));
    if directory.exists() {
        println!("{} is there", directory.display());
        return Ok(());
    }
    let started = Instant::now();
    let aside = directory.with_extension("tmp");
    fs::create_dir_all(&aside)?;
    write(&aside, "region", RegionArrow::new(RegionGenerator::new(scale, 1, 1)))?;
    write(&aside, "nation", NationArrow::new(NationGenerator::new(scale, 1, 1)))?;
    write(&aside, "supplier", SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    write(&aside, "customer", CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    write(&aside, "part", PartArrow::new(PartGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    write(&aside, "partsupp", PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    write(&aside, "orders", OrderArrow::new(OrderGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    write(&aside, "lineitem", LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)).with_batch_size(ROW_GROUP))?;
    fs::rename(&aside, directory)?;
    println!("{} after {:.1?}", directory.display(), started.elapsed());
    Ok(())
}

fn write(directory: &Path, name: &str, batches: impl RecordBatchReader) -> Result<()> {
    let schema = plain(&batches.schema());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    let file = File::create(tables::file(directory, name))?;
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
    for batch in batches {
        let batch = batch?;
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(())
}

fn plain(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let data_type = match field.data_type() {
            DataType::Decimal128(..) => DataType::Float64,
            DataType::Int32 => DataType::Int64,
            DataType::Utf8View => DataType::Utf8,
            other => other.clone(),
        };
        Field::new(field.name(), data_type, field.is_nullable())
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}
