//! CSV files of random content and options, against the `csv` module of Python.

use std::fs;
use std::process::Command;

use crate::scratch::Scratch;
use serde_json::{Value, json};
use setl::Row;
use setl::dataset::Dataset;
use setl::storage::{Csv, CsvFile};

#[derive(Row, Clone, Debug, PartialEq)]
struct Texts {
    a: Option<String>,
    b: Option<String>,
    c: Option<String>,
}

/// A number of cases that CI has the time for; `SETL_TEST_CSV` asks for more.
fn cases() -> u64 {
    std::env::var("SETL_TEST_CSV").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

/// The options of a case.
struct Options {
    separator: u8,
    quote: Option<u8>,
    header: bool,
    null: Option<&'static str>,
    end: &'static str,
}

impl Options {
    fn random(random: &mut fastrand::Rng) -> Self {
        let separator = *random.choice(b",;\t|").unwrap_or(&b',');
        let quote = [Some(b'"'), Some(b'"'), Some(b'\''), None][random.usize(..4)];
        let null = [None, None, Some("NA"), Some("0"), Some("-")][random.usize(..5)];
        Self { separator, quote, header: random.bool(), null, end: ["\n", "\r\n"][random.usize(..2)] }
    }

    fn file(&self, path: &std::path::Path) -> CsvFile {
        let file = Csv::at(path).separator(self.separator).quote(self.quote).header(self.header);
        file.null_values(self.null)
    }

    /// What the referee is told.
    fn case(&self, path: &std::path::Path) -> Value {
        let quote = self.quote.map(|quote| char::from(quote).to_string());
        json!({"path": path, "separator": char::from(self.separator).to_string(), "quote": quote, "width": 3})
    }

    fn piece(&self, random: &mut fastrand::Rng) -> String {
        let quote = char::from(self.quote.unwrap_or(b'"'));
        let separator = char::from(self.separator);
        match random.usize(..16) {
            0 => quote.to_string(),
            1 => separator.to_string(),
            2 => self.end.to_owned(),
            3 => "\n".to_owned(),
            4 => "NA".to_owned(),
            5 => "0".to_owned(),
            6 => "-".to_owned(),
            7 => " ".to_owned(),
            8 => "\u{e9}\u{1f6eb}".to_owned(),
            9 => "\u{feff}".to_owned(),
            10 => "#".to_owned(),
            11 => format!("{quote}{quote}"),
            12 => "\r".to_owned(),
            _ => random.alphabetic().to_string(),
        }
    }

    fn text(&self, random: &mut fastrand::Rng) -> String {
        let pieces = random.usize(..5);
        (0..pieces).map(|_| self.piece(random)).collect()
    }

    /// A field as others write it, quoted where it must be, and sometimes where it need not.
    fn quoted(&self, text: &str, random: &mut fastrand::Rng) -> String {
        let Some(quote) = self.quote.map(char::from) else {
            return text.replace(['\r', '\n', char::from(self.separator)], "");
        };
        let special = [quote, '\r', '\n', char::from(self.separator), '\u{feff}'];
        if text.contains(special) || random.u8(..3) == 0 {
            let doubled = text.replace(quote, &format!("{quote}{quote}"));
            return format!("{quote}{doubled}{quote}");
        }
        text.to_owned()
    }
}

fn referee(scratch: &Scratch, cases: &[Value]) -> Vec<Value> {
    let list: Vec<_> = cases.iter().map(Value::to_string).collect();
    let (script, list) =
        (scratch.file("referee.py", include_str!("referee.py")), scratch.file("list", &list.join("\n")));
    let answer = Command::new("python3").arg(script).arg(list).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let lines = String::from_utf8(answer.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of the referee, to whom nothing is an empty text.
fn theirs(rows: &Value, options: &Options) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = serde_json::from_value(rows.clone()).unwrap();
    let rows = rows.into_iter().skip(usize::from(options.header));
    let plain = |text: String| if options.null == Some(&text) { String::new() } else { text };
    rows.map(|row| row.into_iter().map(plain).collect()).collect()
}

fn ours(rows: Vec<Texts>) -> Vec<Vec<String>> {
    rows.into_iter().map(|row| [row.a, row.b, row.c].map(Option::unwrap_or_default).to_vec()).collect()
}

fn load(file: CsvFile) -> setl::Result<Vec<Texts>> {
    file.open::<Texts>()?.load()?.to_rows_blocking()
}

/// Files of random pieces: what is read is what the referee reads, and all else is refused.
#[test]
fn files_of_random_content() {
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(20_130_131);
    let mut files = Vec::new();
    for case in 0..cases() {
        let options = Options::random(&mut random);
        let separator = char::from(options.separator).to_string();
        let mut content = String::new();
        if options.header {
            content += &(["a", "b", "c"].join(&separator) + options.end);
        }
        for _ in 0..random.usize(..6) {
            let fields = if random.u8(..8) == 0 { random.usize(1..5) } else { 3 };
            let fields: Vec<_> = (0..fields)
                .map(|_| {
                    let text = options.text(&mut random);
                    if random.u8(..6) == 0 { text } else { options.quoted(&text, &mut random) }
                })
                .collect();
            content += &(fields.join(&separator) + options.end);
            if random.u8(..6) == 0 {
                content += options.end;
            }
        }
        let path = scratch.file(&format!("{case}.csv"), &content);
        files.push((options, path, content));
    }
    let cases: Vec<_> = files.iter().map(|(options, path, _)| options.case(path)).collect();
    let (mut read, mut refused) = (0, 0);
    for ((options, path, content), answer) in files.iter().zip(referee(&scratch, &cases)) {
        match load(options.file(path)) {
            Ok(rows) => {
                read += 1;
                assert!(answer.get("rows").is_some(), "{content:?}: {answer}");
                assert_eq!(ours(rows), theirs(&answer["rows"], options), "{content:?}");
            }
            Err(error) => {
                refused += 1;
                let error = format!("{error:#}");
                assert!(error.contains("line ") && error.lines().count() <= 20, "{content:?}: {error}");
                // What the referee reads as three fields in each line is refused for what stands in a field only.
                let fits = answer
                    .get("rows")
                    .is_some_and(|rows| theirs(rows, options).iter().all(|row| row.len() == 3));
                assert!(
                    !fits || error.contains("a quote stands alone") || error.contains("a carriage return"),
                    "{content:?}: {error}"
                );
            }
        }
    }
    assert!(read > refused / 2 && refused > read / 10, "{read} read, {refused} refused");
}

/// What is written is read back as it was, by us and by the referee, or it is refused.
#[test]
fn rows_of_random_texts() {
    let scratch = Scratch::new();
    let mut random = fastrand::Rng::with_seed(42);
    let (mut written, mut refused) = (Vec::new(), 0);
    for case in 0..cases() {
        let options = Options::random(&mut random);
        let path = scratch.path(&format!("{case}.csv"));
        let text = |random: &mut fastrand::Rng| (random.u8(..5) > 0).then(|| options.text(random));
        let rows: Vec<_> = (0..random.usize(..5))
            .map(|_| Texts { a: text(&mut random), b: text(&mut random), c: text(&mut random) })
            .collect();
        let repository = options.file(&path).create::<Texts>().unwrap();
        match repository.save_blocking(&Dataset::from_rows(&rows).unwrap()) {
            Ok(_) => {
                let loaded = repository.load().and_then(|set| set.to_rows_blocking());
                let loaded = loaded.unwrap_or_else(|error| panic!("{rows:?}: {error:#}"));
                assert_eq!(loaded, rows, "{}", fs::read_to_string(&path).unwrap());
                written.push((options, path, rows));
            }
            Err(error) => {
                assert!(format!("{error:#}").contains("ambiguous value"), "{error:#}");
                refused += 1;
            }
        }
    }
    let cases: Vec<_> = written.iter().map(|(options, path, _)| options.case(path)).collect();
    assert!(cases.len() > refused, "{} written, {refused} refused", cases.len());
    for ((options, path, rows), answer) in written.into_iter().zip(referee(&scratch, &cases)) {
        assert_eq!(
            ours(rows),
            theirs(&answer["rows"], &options),
            "{}: {answer}",
            fs::read_to_string(path).unwrap()
        );
    }
}
