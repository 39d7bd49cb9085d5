//! Fingerprints and files of Polars values.
//!
//! Some features of Polars implement serde for frames, too, so the implementation is always named here.

use std::io::Write;
use std::path::Path;

use polars::prelude::{Column, DataFrame, DataType, ParquetWriter};

use super::{ByFrame, Checkpoint, Fingerprint, Fingerprinted, Fingerprinter};
use crate::Result;
use crate::dataset::scan::scan_parquet;
use crate::dataset::{Dataset, Row, waiting};
use crate::storage::Repository;
use setl_commit::state;

/// The file that holds a frame.
const FRAME: &str = "frame.parquet";

impl Fingerprinted<ByFrame> for DataFrame {
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprinter = Fingerprinter::new("frame");
        fingerprinter.number(self.height() as u64);
        fingerprinter.number(self.width() as u64);
        for column in self.columns() {
            fingerprinter.text(column.name());
            fingerprinter.text(&column.dtype().to_string());
            add_values(&mut fingerprinter, column)?;
        }
        Ok(fingerprinter.finish())
    }
}

/// Runs the query: two queries are the same if their results are.
impl<T: Row> Fingerprinted<ByFrame> for Dataset<T> {
    fn fingerprint(&self) -> Result<Fingerprint> {
        Fingerprinted::<ByFrame>::fingerprint(&self.collect_blocking()?)
    }
}

/// Covers the place, the options and the columns. The data is checked when it is read.
impl<T: Row> Fingerprinted<ByFrame> for Repository<T> {
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprinter = Fingerprinter::new("repository");
        fingerprinter.text(std::any::type_name::<T>());
        fingerprinter.text(&format!("{:?}", T::schema()));
        self.add_to(&mut fingerprinter)?;
        Ok(fingerprinter.finish())
    }
}

impl Checkpoint<ByFrame> for DataFrame {
    fn store(&self, directory: &Path) -> Result<Option<Self>> {
        write(&mut self.clone(), directory)?;
        Ok(None)
    }

    fn load(directory: &Path) -> Result<Self> {
        // Polars' reader for whole files does not support all of its types.
        Ok(waiting(|| scan_parquet(&directory.join(FRAME), None)?.collect())?)
    }
}

/// After storing, the dataset is a frame in memory. Its sources, which may include files that the run replaces, are read
/// only once.
impl<T: Row> Checkpoint<ByFrame> for Dataset<T> {
    fn store(&self, directory: &Path) -> Result<Option<Self>> {
        let known = self.clone().materialize_blocking()?;
        write(&mut known.collect_blocking()?, directory)?;
        Ok(Some(known))
    }

    fn load(directory: &Path) -> Result<Self> {
        Ok(<DataFrame as Checkpoint<ByFrame>>::load(directory)?.try_into()?)
    }
}

fn write(frame: &mut DataFrame, directory: &Path) -> Result<()> {
    let writer = ParquetWriter::new(state::create_file(&directory.join(FRAME))?);
    waiting(|| writer.finish(frame))?;
    Ok(())
}

/// Adds each value, independent of the chunks of the column.
fn add_values(fingerprinter: &mut Fingerprinter, column: &Column) -> Result<()> {
    // Categories count by their texts, because their numbers may differ.
    let texts = match column.dtype() {
        DataType::Categorical(..) | DataType::Enum(..) => Some(column.cast(&DataType::String)?),
        _ => None,
    };
    let column = texts.as_ref().unwrap_or(column);
    let series = column.as_materialized_series().to_physical_repr();
    let mut out = fingerprinter.writer();
    macro_rules! each {
        ($values:expr, |$value:ident| $bytes:expr) => {
            for value in $values.iter() {
                match value {
                    Some($value) => {
                        out.write_all(&[1])?;
                        out.write_all($bytes.as_ref())?;
                    }
                    None => out.write_all(&[0])?,
                }
            }
        };
    }
    match series.dtype() {
        DataType::Boolean => each!(series.bool()?, |value| [u8::from(value)]),
        DataType::Int8 => each!(series.i8()?, |value| value.to_le_bytes()),
        DataType::Int16 => each!(series.i16()?, |value| value.to_le_bytes()),
        DataType::Int32 => each!(series.i32()?, |value| value.to_le_bytes()),
        DataType::Int64 => each!(series.i64()?, |value| value.to_le_bytes()),
        DataType::UInt8 => each!(series.u8()?, |value| value.to_le_bytes()),
        DataType::UInt16 => each!(series.u16()?, |value| value.to_le_bytes()),
        DataType::UInt32 => each!(series.u32()?, |value| value.to_le_bytes()),
        DataType::UInt64 => each!(series.u64()?, |value| value.to_le_bytes()),
        // All NaNs are equal.
        DataType::Float32 => {
            each!(series.f32()?, |value| if value.is_nan() { f32::NAN } else { value }.to_le_bytes())
        }
        DataType::Float64 => {
            each!(series.f64()?, |value| if value.is_nan() { f64::NAN } else { value }.to_le_bytes())
        }
        DataType::String => each!(series.str()?, |value| sized(value.as_bytes())),
        DataType::Binary => each!(series.binary()?, |value| sized(value)),
        // Nested columns and dtypes without a row type are added as a file of the column alone, which holds all of it.
        _ => {
            let mut file = Vec::new();
            let mut frame = column.clone().into_frame();
            frame.rechunk_mut();
            ParquetWriter::new(&mut file).finish(&mut frame)?;
            out.write_all(&sized(&file))?;
        }
    }
    Ok(out.flush()?)
}

/// Returns `bytes`, preceded by their length.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
pub(super) mod tests {
    use polars::prelude::*;

    use super::*;
    use std::fs::File;

    use crate::dataset::{DataError, Layout, Provenance};

    pub(in crate::checkpoint) struct Flight {
        carrier: Option<String>,
        delay: Option<f64>,
        flights: i64,
        on_time: bool,
    }

    impl Row for Flight {
        const NAME: &'static str = "Flight";

        fn walk<L: Layout<Self>>(mut layout: L) -> Result<L::Output, DataError> {
            let mut carrier = layout.column("carrier", |row: &Self| &row.carrier)?;
            let mut delay = layout.column("delay", |row: &Self| &row.delay)?;
            let mut flights = layout.column("flights", |row: &Self| &row.flights)?;
            let mut on_time = layout.column("on_time", |row: &Self| &row.on_time)?;
            layout.finish(move || {
                let (carrier, delay) = (carrier.next()?, delay.next()?);
                Some(Self { carrier, delay, flights: flights.next()?, on_time: on_time.next()? })
            })
        }
    }

    fn of(frame: &DataFrame) -> Fingerprint {
        Fingerprinted::<ByFrame>::fingerprint(frame).unwrap()
    }

    fn frame() -> DataFrame {
        df!(
            "carrier" => [Some("UA"), None, Some("")],
            "delay" => [Some(1.5), None, Some(f64::NAN)],
            "flights" => [1i64, 2, 3],
            "on_time" => [true, false, true],
        )
        .unwrap()
    }

    #[test]
    fn equal_frames_have_equal_fingerprints_whatever_their_chunks() {
        let whole = frame();
        let mut chunked = frame().head(Some(1));
        chunked.vstack_mut(&frame().tail(Some(2))).unwrap();
        assert_eq!(of(&whole), of(&chunked));
        let nan = df!("delay" => [-f64::NAN]).unwrap();
        assert_eq!(of(&nan), of(&df!("delay" => [f64::NAN]).unwrap()));
    }

    #[test]
    fn other_content_has_another_fingerprint() {
        let all = [
            frame(),
            frame().head(Some(2)),
            frame().drop("flights").unwrap(),
            df!("a" => ["x", "yz"]).unwrap(),
            df!("a" => ["xy", "z"]).unwrap(),
            df!("b" => ["xy", "z"]).unwrap(),
            df!("a" => [1i32]).unwrap(),
            df!("a" => [1i64]).unwrap(),
            df!("a" => [1f64]).unwrap(),
            df!("a" => [0i64]).unwrap(),
            df!("a" => [None::<i64>]).unwrap(),
            df!("a" => [1i64]).unwrap().lazy().select([col("a").cast(DataType::Date)]).collect().unwrap(),
        ];
        let prints: Vec<_> = all.iter().map(of).collect();
        for (at, one) in prints.iter().enumerate() {
            assert!(!prints[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn categories_count_by_their_texts() {
        let of_texts = |texts: &[&str], dtype: &DataType| {
            let frame = df!("a" => texts).unwrap().lazy().select([col("a").cast(dtype.clone())]);
            of(&frame.collect().unwrap())
        };
        for (one, other) in [
            (
                DataType::from_categories(Categories::global()),
                DataType::from_categories(Categories::global()),
            ),
            (
                DataType::from_frozen_categories(FrozenCategories::new(["x", "y"]).unwrap()),
                DataType::from_frozen_categories(FrozenCategories::new(["v", "w"]).unwrap()),
            ),
        ] {
            let before = of_texts(&["x", "y"], &one);
            assert_eq!(of_texts(&["x", "y"], &one), before);
            assert_ne!(of_texts(&["y", "x"], &one), before);
            let texts = if one == other { ["p", "q"] } else { ["v", "w"] };
            assert_ne!(of_texts(&texts, &other), before);
        }
    }

    #[test]
    fn a_frame_is_kept_with_its_dtypes() {
        let directory = tempfile::tempdir().unwrap();
        let micros = DataType::Datetime(TimeUnit::Microseconds, None);
        let cast = |dtype| col("flights").cast(dtype).alias("cast");
        for dtype in [DataType::Date, DataType::Time, micros, DataType::UInt8, DataType::Int16] {
            let frame = frame().lazy().with_column(cast(dtype)).collect().unwrap();
            assert!(Checkpoint::<ByFrame>::store(&frame, directory.path()).unwrap().is_none());
            let loaded = <DataFrame as Checkpoint<ByFrame>>::load(directory.path()).unwrap();
            assert!(frame.equals_missing(&loaded), "{loaded}");
            assert_eq!(frame.schema(), loaded.schema());
            assert_eq!(of(&frame), of(&loaded));
        }
    }

    #[test]
    fn a_dataset_is_run_once_and_stays_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source.parquet");
        ParquetWriter::new(File::create(&source).unwrap()).finish(&mut frame()).unwrap();
        let kept = directory.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let scan = LazyFrame::scan_parquet(PlRefPath::try_from_path(&source).unwrap(), Default::default());
        let dataset = Dataset::<Flight>::trusted(scan.unwrap(), Provenance::of("Flight"));

        let known = dataset.store(&kept).unwrap().unwrap();
        std::fs::remove_file(source).unwrap();
        assert_eq!(known.row_count(), Some(3));
        let loaded = Dataset::<Flight>::load(&kept).unwrap();
        std::fs::remove_dir_all(&kept).unwrap();
        assert_eq!(loaded.row_count(), Some(3));
        assert_eq!(loaded.fingerprint().unwrap(), known.fingerprint().unwrap());
        assert_eq!(known.fingerprint().unwrap(), of(&frame()));
    }
}
