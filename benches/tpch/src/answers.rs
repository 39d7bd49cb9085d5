//! Compares results with those of DuckDB, row for row.

use std::path::Path;

use anyhow::{Result, ensure};
use polars::prelude::*;

/// What `answers.py` wrote for the query.
pub fn read(directory: &Path, query: &str) -> PolarsResult<DataFrame> {
    let path = PlRefPath::try_from_path(&crate::tables::file(directory, query))?;
    LazyFrame::scan_parquet(path, ScanArgsParquet::default())?.collect()
}

/// The names, the number of rows, and every value in its row; floats to a millionth.
pub fn compare(query: &str, found: &DataFrame, expected: &DataFrame) -> Result<()> {
    let names = |frame: &DataFrame| frame.get_column_names_owned();
    ensure!(names(found) == names(expected), "{query}: columns {:?}, not {:?}", names(found), names(expected));
    let rows = (found.height(), expected.height());
    ensure!(rows.0 == rows.1, "{query}: {} rows, not {}", rows.0, rows.1);
    for (found, expected) in found.columns().iter().zip(expected.columns()) {
        let name = found.name();
        if found.dtype().is_primitive_numeric() {
            let (found, expected) = (found.cast(&DataType::Float64)?, expected.cast(&DataType::Float64)?);
            for (row, (found, expected)) in found.f64()?.iter().zip(expected.f64()?.iter()).enumerate() {
                let same = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() <= 1e-6 * expected.abs().max(1e-9),
                    (found, expected) => found == expected,
                };
                ensure!(same, "{query}: {name} of row {row} is {found:?}, not {expected:?}");
            }
        } else {
            let (found, expected) = (found.cast(&DataType::String)?, expected.cast(&DataType::String)?);
            for (row, (found, expected)) in found.str()?.iter().zip(expected.str()?.iter()).enumerate() {
                ensure!(found == expected, "{query}: {name} of row {row} is {found:?}, not {expected:?}");
            }
        }
    }
    Ok(())
}
