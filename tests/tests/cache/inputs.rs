//! Every kind of change of what a program is given, beside its code: it runs again, or the book names the change.
#![cfg(all(unix, feature = "config"))]

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use setl::policy::Settings;
use setl::prelude::*;

/// Whether this process is to run the pipeline.
const CHILD: &str = "SETL_INPUTS_CHILD";

#[derive(Clone, Serialize)]
struct Named(HashMap<String, u64>);
#[derive(Clone, Serialize)]
struct Perhaps(u64);
#[derive(Clone, Serialize)]
struct Asked(String);
#[derive(Clone, Serialize, Deserialize)]
struct Text(String);
#[derive(Clone, Serialize, Deserialize)]
struct Below(usize);

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[factory(volatile)]
fn asked() -> Asked {
    Asked(variable("ASKED").unwrap_or_default())
}

/// All that is in a file, or in the files of a directory, without those that are not whole yet.
fn content(path: &Path) -> String {
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            paths.retain(|path| path.extension().is_none());
            let all = paths.iter().map(|path| format!("{:?} {}", path.file_name().unwrap(), content(path)));
            all.collect::<Vec<_>>().join(", ")
        }
        Err(_) => fs::read_to_string(path).unwrap_or_else(|_| "absent".to_owned()),
    }
}

#[factory(cache, retry(times = 1, backoff = "1ms"))]
fn text(
    context: Context,
    named: Named,
    #[delivery(optional)] perhaps: Option<Perhaps>,
    asked: Asked,
) -> Result<Text> {
    println!("ran text");
    let mut said = format!("{} {:?} {}", named.0["a"], perhaps.map(|perhaps| perhaps.0), asked.0);
    if variable("FAILS_FIRST").is_some() && fs::remove_file(variable("FAILS_FIRST").unwrap()).is_ok() {
        return Err(setl::transient(setl::Error::msg("not yet")));
    }
    for place in variable("PLACES").unwrap_or_default().split_whitespace() {
        context.depends_on(place)?;
        said += &content(Path::new(place));
    }
    if variable("ASKS_FOR_RUN").is_some() {
        said += &context.run_id().to_string();
    }
    if variable("ASKS_FOR_ATTEMPT").is_some() {
        said += &context.attempt().to_string();
    }
    Ok(Text(said + &variable("HIDDEN").unwrap_or_default()))
}

#[factory(cache)]
fn below(text: Text) -> Below {
    println!("ran below");
    Below(text.0.len())
}

#[pipeline(all(asked, text, below), keep(text))]
struct Inputs {
    named: Named,
    #[delivery(optional)]
    perhaps: Option<Perhaps>,
}

/// Not a test of its own: what the processes of the others do.
#[test]
fn the_child_runs_the_pipeline() {
    if variable(CHILD).is_none() {
        return;
    }
    let a = variable("A").map_or(1, |text| text.parse().unwrap());
    // In another order in each process.
    let named = Named(('a'..='j').map(|name| (name.to_string(), a)).collect());
    let perhaps = variable("PERHAPS").map(|text| Perhaps(text.parse().unwrap()));
    let mut run = Inputs { named, perhaps }.run().settings(Settings::default().with_env());
    if variable("DRY").is_some() {
        run = run.no_write();
    }
    let run = setl_tests::runtime(1).block_on(async move { run.await }).unwrap();
    println!("\ncomes to {}", run.get::<text>().0);
}

#[derive(Clone, Copy)]
enum Expected {
    /// The factory runs again.
    Runs,
    /// Its output is taken.
    Taken,
    /// Its output is taken, although it would be another: the book says so in these words.
    Listed(&'static str),
}
use Expected::{Listed, Runs, Taken};

type Variables = &'static [(&'static str, &'static str)];

/// What two runs one after another are given.
struct Case {
    what: &'static str,
    variables: [Variables; 2],
    prepare: fn(&Path),
    change: fn(&Path),
    /// Where they run.
    directories: [&'static str; 2],
    program: fn(&Path) -> PathBuf,
    expected: Expected,
}

fn this_program(_: &Path) -> PathBuf {
    std::env::current_exe().unwrap()
}

fn copied(root: &Path, more: &[u8]) -> PathBuf {
    let path = root.join("a-program");
    let mut content = fs::read(this_program(root)).unwrap();
    content.extend_from_slice(more);
    // In place of what still runs.
    fs::write(root.join("new"), content).unwrap();
    fs::set_permissions(root.join("new"), fs::metadata(this_program(root)).unwrap().permissions()).unwrap();
    fs::rename(root.join("new"), &path).unwrap();
    path
}

/// `PLACES=file directory` of the current directory, where there are two files, a directory and a link to one.
const CASE: Case = Case {
    what: "nothing",
    variables: [&[("PLACES", "file directory")]; 2],
    prepare: |_| {},
    change: |_| {},
    directories: ["."; 2],
    program: this_program,
    expected: Taken,
};

fn write(root: &Path, file: &str, content: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn at_a_time(root: &Path, file: &str) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    File::options().write(true).open(root.join(file)).unwrap().set_modified(time).unwrap();
}

const fn given(what: &'static str, before: Variables, after: Variables, expected: Expected) -> Case {
    Case { what, variables: [before, after], expected, ..CASE }
}

const fn changed(what: &'static str, change: fn(&Path), expected: Expected) -> Case {
    Case { what, change, expected, ..CASE }
}

const VARIABLES: &str = "environment variables that are read at run time";
const NOT_TOLD: &str = "files that are read without a `Repository` and without `depends_on`";

const CASES: &[Case] = &[
    CASE,
    changed("a file", |root| write(root, "file", "other"), Runs),
    changed("a file of the same size", |root| write(root, "file", "FILE"), Runs),
    changed("the time of a file", |root| at_a_time(root, "file"), Taken),
    Case {
        what: "a file of the same size and time",
        prepare: |root| at_a_time(root, "file"),
        change: |root| {
            write(root, "file", "FILE");
            at_a_time(root, "file");
        },
        expected: Runs,
        ..CASE
    },
    changed(
        "a file that another was moved over",
        |root| {
            write(root, "new", "FILE");
            fs::rename(root.join("new"), root.join("file")).unwrap();
        },
        Runs,
    ),
    changed("a file that was copied over itself", |root| write(root, "file", "file"), Taken),
    changed("a file that is gone", |root| fs::remove_file(root.join("file")).unwrap(), Runs),
    Case {
        what: "a file that was not there",
        prepare: |root| fs::remove_file(root.join("file")).unwrap(),
        change: |root| write(root, "file", ""),
        expected: Runs,
        ..CASE
    },
    changed(
        "a directory in the place of a file",
        |root| {
            fs::remove_file(root.join("file")).unwrap();
            fs::create_dir(root.join("file")).unwrap();
        },
        Runs,
    ),
    changed("a file in a directory", |root| write(root, "directory/a", "2"), Runs),
    changed("a file more", |root| write(root, "directory/b", ""), Runs),
    changed("a file less", |root| fs::remove_file(root.join("directory/a")).unwrap(), Runs),
    changed(
        "another name",
        |root| fs::rename(root.join("directory/a"), root.join("directory/b")).unwrap(),
        Runs,
    ),
    changed("a file further in", |root| write(root, "directory/within/a", "2"), Runs),
    changed("an empty directory", |root| fs::create_dir(root.join("directory/empty")).unwrap(), Runs),
    changed("a file in a linked directory", |root| write(root, "elsewhere/a", "2"), Runs),
    changed("a file that is linked", |root| write(root, "elsewhere/b", "2"), Runs),
    changed(
        "a link to somewhere else",
        |root| {
            write(root, "other/a", "2");
            fs::remove_file(root.join("directory/link")).unwrap();
            symlink("../other", root.join("directory/link")).unwrap();
        },
        Runs,
    ),
    changed("a file that nobody reads", |root| write(root, "unread", "2"), Taken),
    changed("what a run writes aside", |root| write(root, "directory/.a.1.setl-tmp", "2"), Taken),
    Case { what: "another directory", directories: [".", "copy"], expected: Runs, ..CASE },
    Case {
        what: "another directory, and places that are absolute",
        variables: [&[("PLACES", "/etc/hostname")]; 2],
        directories: [".", "copy"],
        ..CASE
    },
    Case {
        what: "another directory, and no places",
        variables: [&[]; 2],
        directories: [".", "copy"],
        ..CASE
    },
    given("an input", &[("A", "1")], &[("A", "2")], Runs),
    given("an input that is back", &[("A", "1")], &[("A", "1")], Taken),
    given("an input that was absent", &[], &[("PERHAPS", "1")], Runs),
    given("an input that is absent", &[("PERHAPS", "1")], &[], Runs),
    given("an optional input", &[("PERHAPS", "1")], &[("PERHAPS", "2")], Runs),
    given("what a volatile factory delivers", &[("ASKED", "1")], &[("ASKED", "2")], Runs),
    given("what a volatile factory delivers again", &[("ASKED", "1")], &[("ASKED", "1")], Taken),
    given("the run", &[("ASKS_FOR_RUN", "")], &[("ASKS_FOR_RUN", "")], Runs),
    given("the first attempt", &[("ASKS_FOR_ATTEMPT", "")], &[("ASKS_FOR_ATTEMPT", "")], Taken),
    given(
        "the second attempt",
        &[("ASKS_FOR_ATTEMPT", ""), ("FAILS_FIRST", "unread")],
        &[("ASKS_FOR_ATTEMPT", "")],
        Runs,
    ),
    given("a second attempt that nobody asks for", &[("FAILS_FIRST", "unread")], &[], Taken),
    given("a dry run", &[("DRY", "")], &[], Runs),
    given("a dry run after a real one", &[], &[("DRY", "")], Taken),
    given("a variable", &[("HIDDEN", "1")], &[("HIDDEN", "2")], Listed(VARIABLES)),
    given("the code that counts", &[], &[("SETL_CODE", "package")], Runs),
    given("the code that counts, by default", &[], &[("SETL_DEFAULTS__CODE", "package")], Runs),
    given("the code that counts of a factory", &[], &[("SETL_FACTORY__TEXT__CODE", "package")], Runs),
    given("the code that counted", &[("SETL_CODE", "package")], &[("SETL_CODE", "program")], Runs),
    given("the same code in other words", &[], &[("SETL_CODE", "program")], Taken),
    given(
        "the code of a factory, before that of all",
        &[
            ("SETL_CODE", "package"),
            ("SETL_FACTORY__TEXT__CODE", "program"),
            ("SETL_FACTORY__ASKED__CODE", "program"),
        ],
        &[("SETL_FACTORY__BELOW__CODE", "package")],
        Taken,
    ),
    given("a timeout", &[], &[("SETL_FACTORY__TEXT__TIMEOUT", "1m")], Taken),
    given("retries", &[], &[("SETL_DEFAULTS__RETRY", "false")], Taken),
    given("the number of threads", &[], &[("SETL_CONCURRENCY", "1")], Taken),
    Case {
        what: "another place of the program",
        change: |root| drop(copied(root, &[])),
        program: |root| {
            let copied = root.join("a-program");
            if copied.exists() { copied } else { this_program(root) }
        },
        ..CASE
    },
    Case {
        what: "one byte more of the program",
        change: |root| drop(copied(root, &[0])),
        program: |root| {
            let copied = root.join("a-program");
            if copied.exists() { copied } else { this_program(root) }
        },
        expected: Runs,
        ..CASE
    },
    Case {
        what: "a file that is not told of",
        variables: [&[("HIDDEN", "1")], &[("HIDDEN", "2")]],
        change: |root| write(root, "unread", "2"),
        expected: Listed(NOT_TOLD),
        ..CASE
    },
];

impl Case {
    /// Whether the factory ran, and what it came to, with what the one before has left in `state`.
    fn run(&self, root: &Path, at: usize, state: &str) -> (bool, String) {
        let mut command = Command::new((self.program)(root));
        command.args(["--exact", "inputs::the_child_runs_the_pipeline", "--nocapture"]);
        command
            .env(CHILD, "")
            .env("SETL_STATE_DIR", root.join(state))
            .envs(self.variables[at].iter().copied());
        let ended = command.current_dir(root.join(self.directories[at])).output().unwrap();
        assert!(ended.status.success(), "{}: {}", self.what, String::from_utf8_lossy(&ended.stderr));
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let comes_to = said.lines().find_map(|line| line.strip_prefix("comes to ")).unwrap().to_owned();
        (said.contains("ran text"), comes_to)
    }

    fn check(&self, book: &str) {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for directory in [root.to_owned(), root.join("copy")] {
            write(&directory, "file", "file");
            write(&directory, "unread", "1");
            write(&directory, "directory/a", "1");
            write(&directory, "directory/within/a", "1");
            write(&directory, "elsewhere/a", "1");
            write(&directory, "elsewhere/b", "1");
            symlink("../elsewhere", directory.join("directory/link")).unwrap();
            symlink("../elsewhere/b", directory.join("directory/linked")).unwrap();
        }
        (self.prepare)(root);
        let (ran, before) = self.run(root, 0, "state");
        assert!(ran, "{}", self.what);
        (self.change)(root);
        let fresh = self.run(root, 1, "fresh").1;
        let (ran, comes_to) = self.run(root, 1, "state");
        match self.expected {
            // What the factory knows of its run differs.
            Runs => {
                assert!(ran && (comes_to == fresh || self.what == "the run"), "{}: {comes_to}", self.what)
            }
            Taken => assert_eq!((ran, comes_to), (false, fresh), "{}", self.what),
            Listed(words) => {
                assert_eq!((ran, comes_to), (false, before), "{}", self.what);
                assert!(book.contains(words), "the book does not list: {words}");
            }
        }
    }
}

#[test]
fn every_change_of_what_is_given_is_seen_or_listed() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/resuming.md");
    let book = fs::read_to_string(book).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    CASES.iter().for_each(|case| case.check(&book));
}
