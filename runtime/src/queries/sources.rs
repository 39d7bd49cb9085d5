//! Finds the sources that a query reads, for the history, with the optimiser of Polars.

use std::fs::{Metadata, metadata};

use polars::prelude::LazyFrame;
use polars_plan::dsl::{DslPlan, FileScanIR};
use polars_plan::plans::IR;

use crate::dataset::waiting;
use crate::storage::locate::format_of;
use setl_learn::history::ReadRecord;

/// The files and frames that a query reads. Empty if the query is not valid.
pub(super) fn sources(plan: &DslPlan, factory: &str) -> Vec<ReadRecord> {
    let plan = plan.clone();
    let Ok(optimised) = waiting(|| LazyFrame::from(plan).to_alp_optimized()) else { return Vec::new() };
    let mut reads: Vec<ReadRecord> = Vec::new();
    let mut stack = vec![optimised.lp_top];
    while let Some(node) = stack.pop() {
        let ir = optimised.lp_arena.get(node);
        let read = |path: Option<String>, format: &str, columns_read, columns| ReadRecord {
            factories: vec![factory.to_owned()],
            path,
            format: format.to_owned(),
            bytes: 0,
            modified: None,
            columns_read,
            columns,
            from: None,
        };
        match ir {
            IR::DataFrameScan { df, schema, output_schema } => {
                let columns_read = output_schema.as_ref().map_or(schema.len(), |schema| schema.len());
                let bytes = df.estimated_size() as u64;
                reads.push(ReadRecord { bytes, ..read(None, "frame", columns_read, schema.len()) });
            }
            IR::Scan { sources, file_info, scan_type, unified_scan_args, .. } => {
                let columns = file_info.schema.len();
                let columns_read = unified_scan_args.projection.as_ref().map_or(columns, |names| names.len());
                let format = match &**scan_type {
                    FileScanIR::Csv { options } => format_of(options),
                    FileScanIR::NDJson { .. } => "NDJSON",
                    FileScanIR::Parquet { .. } => "Parquet",
                    _ => "file",
                };
                for path in sources.as_paths().unwrap_or_default() {
                    let path = path.as_str();
                    // The size of a remote file is not looked up.
                    let Some(file) = metadata(path).ok().filter(Metadata::is_file) else { continue };
                    let (bytes, modified) = (file.len(), file.modified().ok());
                    let read = read(Some(path.to_owned()), format, columns_read, columns);
                    reads.push(ReadRecord { bytes, modified, ..read });
                }
            }
            _ => {}
        }
        ir.copy_inputs(&mut stack);
    }
    reads
}
