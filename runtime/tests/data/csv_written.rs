//! Texts that CSV could not give back as they are: they are refused when they are written.

use setl::Row;
use setl::dataset::Dataset;
use setl::storage::Csv;

use crate::csv_faults::said;
use crate::scratch::Scratch;

#[test]
fn a_text_that_looks_like_a_compressed_file() {
    #[derive(Row, Debug, PartialEq)]
    struct Squares {
        #[column("x^2")]
        square: i64,
        name: String,
    }
    #[derive(Row, Debug, PartialEq)]
    struct Short {
        #[column("x^")]
        power: i64,
    }
    #[derive(Row, Debug, PartialEq)]
    struct Named {
        name: String,
        #[column("x^2")]
        square: i64,
    }
    let scratch = Scratch::new();
    let path = scratch.path("f.csv");
    let refused = |saved: setl::Result<usize>, part: &str| {
        let error = said(saved.unwrap_err());
        assert!(error.contains(part), "{error}");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    };
    let squares = Dataset::from_rows(&[Squares { square: 4, name: "two".into() }]).unwrap();
    let file = Csv::create::<Squares>(&path).unwrap();
    refused(file.save_blocking(&squares), "the header `x^2,name` would be read back as a compressed file");
    let short = Dataset::from_rows(&[Short { power: 4 }]).unwrap();
    refused(Csv::create::<Short>(&path).unwrap().save_blocking(&short), "as a compressed file");
    let named = [Named { name: "x^2".into(), square: 4 }, Named { name: "x^".into(), square: 4 }];
    for row in &named {
        let rows = Dataset::from_rows(std::slice::from_ref(row)).unwrap();
        let bare = Csv::at(&path).header(false).create::<Named>().unwrap();
        refused(bare.save_blocking(&rows), "1 ambiguous value");
    }
    let headed = Csv::create::<Named>(&path).unwrap();
    headed.save_blocking(&Dataset::from_rows(&named).unwrap()).unwrap();
    assert_eq!(headed.load().unwrap().to_rows_blocking().unwrap(), named);
}

#[test]
fn a_text_that_looks_like_a_mark_of_the_encoding() {
    #[derive(Row, Debug, PartialEq)]
    struct One {
        only: String,
    }
    let scratch = Scratch::new();
    let rows = [One { only: "\u{feff}x".into() }];
    let set = Dataset::from_rows(&rows).unwrap();
    let bare = Csv::at(scratch.path("f.csv")).header(false).create::<One>().unwrap();
    assert!(said(bare.save_blocking(&set).unwrap_err()).contains("1 ambiguous value"));
    let headed = Csv::create::<One>(scratch.path("f.csv")).unwrap();
    headed.save_blocking(&set).unwrap();
    assert_eq!(headed.load().unwrap().to_rows_blocking().unwrap(), rows);
}
