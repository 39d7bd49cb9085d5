//! Scans of Parquet files, with every option of Polars named.
//!
//! The defaults of Polars suit a shell: they take folders such as `year=2013` for columns and a `*` for a pattern. Here,
//! a path is only a path, and a file holds exactly its written columns.

use std::path::Path;

use polars::io::HiveOptions;
use polars::io::parquet::read::ParallelStrategy;
use polars::prelude::*;

/// Converts a path for Polars. A path that looks like a URL is still a path on this machine.
pub(crate) fn polars_path(path: &Path) -> PolarsResult<PlRefPath> {
    let plain = PlRefPath::try_from_path(path)?;
    if plain.has_scheme() { PlRefPath::try_from_path(&std::path::absolute(path)?) } else { Ok(plain) }
}

/// Reads exactly the columns of the file at `path`. With a `schema`, the scan opens the file only when it runs.
pub(crate) fn scan_parquet(path: &Path, schema: Option<SchemaRef>) -> PolarsResult<LazyFrame> {
    let arguments = ScanArgsParquet {
        n_rows: None,
        parallel: ParallelStrategy::Auto,
        row_index: None,
        cloud_options: None,
        hive_options: HiveOptions::new_disabled(),
        use_statistics: true,
        schema,
        low_memory: false,
        rechunk: false,
        cache: true,
        glob: false,
        include_file_paths: None,
        allow_missing_columns: false,
    };
    LazyFrame::scan_parquet(polars_path(path)?, arguments)
}
