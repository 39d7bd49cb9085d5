//! A path names a file, whatever else its letters could mean.

use crate::scratch::Scratch;
use polars::prelude::*;
use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Csv, Ndjson, Parquet, Repository};

#[derive(Row, Clone, Debug, PartialEq)]
struct Line {
    a: i64,
    note: Option<String>,
}

fn lines(values: &[i64]) -> Vec<Line> {
    values.iter().map(|a| Line { a: *a, note: Some("n".into()) }).collect()
}

/// Saves, reads, appends and reads again, in every format, in a file and in a directory.
fn check_folder(folder: &str) {
    let scratch = Scratch::new();
    let at = |name: &str| scratch.path(folder).join(name);
    let repositories: Vec<Repository<Line>> = vec![
        Parquet::create(at("t.parquet")).unwrap(),
        Parquet::at(at("parts")).directory().create().unwrap(),
        Parquet::at(at("note=x.parquet")).cast().create().unwrap(),
        Csv::create(at("t.csv")).unwrap(),
        Ndjson::create(at("t.jsonl")).unwrap(),
    ];
    for repository in repositories {
        repository.save_blocking(&Dataset::from_rows(&lines(&[1, 2])).unwrap()).unwrap();
        let loaded = repository.load().unwrap();
        assert_eq!(loaded.to_rows_blocking().unwrap(), lines(&[1, 2]), "{repository} below {folder}");
        // A query on the very file that is replaced.
        let more = loaded.filter(Line::A.gt(1));
        repository.clone().append().save_blocking(&more).unwrap();
        let loaded = repository.load().unwrap();
        assert_eq!(loaded.to_rows_blocking().unwrap(), lines(&[1, 2, 2]), "{repository} below {folder}");
        let none = repository.find_by(Line::A.eq(5)).unwrap().to_rows_blocking().unwrap();
        assert_eq!(none, [], "{repository} below {folder}");
    }
}

#[test]
fn a_folder_with_an_equals_sign_is_no_column() {
    for folder in
        ["a=5", "a=7/note=x", "env=prod", "a=2013-01-01/b=__HIVE_DEFAULT_PARTITION__", "a%3D5", "=", "a="]
    {
        check_folder(folder);
    }
}

#[test]
fn a_path_is_no_pattern_and_no_url() {
    for folder in
        ["a*b", "[ab]", "w?t", "**", "a{b,c}", "s3:", "file:", "hf:/x", "~", "%41", "a b", "ä", "\\"]
    {
        check_folder(folder);
    }
}

#[test]
fn a_pattern_does_not_reach_its_neighbours() {
    let scratch = Scratch::new();
    let one: Repository<Line> = Parquet::create(scratch.path("[ab]*?.parquet")).unwrap();
    let other: Repository<Line> = Parquet::create(scratch.path("ab.parquet")).unwrap();
    other.save_blocking(&Dataset::from_rows(&lines(&[9])).unwrap()).unwrap();
    one.save_blocking(&Dataset::from_rows(&lines(&[1])).unwrap()).unwrap();
    assert_eq!(one.load().unwrap().to_rows_blocking().unwrap(), lines(&[1]));
    assert_eq!(other.load().unwrap().to_rows_blocking().unwrap(), lines(&[9]));
}

/// Temporary files and the cache lie in a directory of the user's choice.
mod in_a_run {
    use super::*;
    use setl::prelude::*;

    #[factory]
    async fn aside() -> Result<LazyFrame> {
        let rows = df!("a" => (0..1000_i64).collect::<Vec<_>>())?.lazy();
        setl::materialize(rows.with_column(col("a").cast(DataType::String).alias("text"))).await
    }

    #[factory(cache)]
    async fn kept(aside: LazyFrame) -> Result<DataFrame> {
        setl::collect(aside.select([col("*"), col("a").max().alias("largest")]).slice(5, 2)).await
    }

    #[pipeline(extract(aside), transform(kept))]
    struct Job;

    fn check(frame: &DataFrame) {
        let expected = df!("a" => [5_i64, 6], "text" => ["5", "6"], "largest" => [999_i64; 2]).unwrap();
        assert_eq!(frame, &expected);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn temporary_files_below_a_folder_with_an_equals_sign() {
        let scratch = Scratch::new();
        let state = scratch.path("a=5/zone=x");
        std::fs::create_dir_all(&state).unwrap();
        for _ in 0..2 {
            let run = Job.run().state_dir(&state).memory_limit(64 << 30).await.unwrap();
            check(run.get::<kept>());
        }
    }
}
