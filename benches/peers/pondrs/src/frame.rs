//! What goes from one node to the next, and the files: eager frames as in the documentation, or lazy ones.

use polars::prelude::*;
use pondrs::datasets::Dataset;
use pondrs::error::PondError;
use serde::Serialize;

/// A frame that nodes take and give.
pub trait Frame: Clone + Send + Sync + 'static {
    fn query(self) -> LazyFrame;

    fn of(query: LazyFrame) -> PolarsResult<Self>;
}

impl Frame for DataFrame {
    fn query(self) -> LazyFrame {
        self.lazy()
    }

    fn of(query: LazyFrame) -> PolarsResult<Self> {
        query.collect()
    }
}

impl Frame for LazyFrame {
    fn query(self) -> LazyFrame {
        self
    }

    fn of(query: LazyFrame) -> PolarsResult<Self> {
        Ok(query)
    }
}

/// A Parquet file that is scanned, and whose query runs when it is saved. pondrs has only eager datasets of Polars, and
/// its book says how to write others.
#[derive(Clone, Debug, Serialize)]
pub struct ScanDataset {
    path: String,
}

impl ScanDataset {
    pub fn new(path: String) -> Self {
        Self { path }
    }
}

impl Dataset for ScanDataset {
    type LoadItem = LazyFrame;
    type SaveItem = LazyFrame;
    type Error = PondError;

    fn load(&self) -> Result<LazyFrame, PondError> {
        Ok(LazyFrame::scan_parquet(PlRefPath::new(&self.path), ScanArgsParquet::default())?)
    }

    fn save(&self, query: LazyFrame) -> Result<(), PondError> {
        let mut frame = query.collect()?;
        ParquetWriter::new(std::fs::File::create(&self.path)?).finish(&mut frame)?;
        Ok(())
    }

    fn is_persistent(&self) -> bool {
        true
    }
}
