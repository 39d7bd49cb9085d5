//! A process that saves is told to end, once or twice, at any moment.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use setl::prelude::*;
use setl::storage::Parquet;

use crate::random::{Random, seed};
use crate::targets::walk;

/// In which directory a process is to run.
const CHILD: &str = "SETL_CRASH_INTERRUPTED";
const SIGNALS: usize = 24;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

#[derive(Row, Clone, Debug)]
struct Number {
    number: u64,
}

#[factory]
fn numbers() -> Result<Dataset<Number>> {
    println!("ready");
    Dataset::from_rows(&(0..40_000).map(|number| Number { number }).collect::<Vec<_>>())
}

#[derive(Clone)]
struct Root(PathBuf);

#[factory]
async fn save_file(numbers: Dataset<Number>, root: Root) -> Result<()> {
    Csv::create(root.0.join("a.csv"))?.save(&numbers).await.map(drop)
}

#[factory]
async fn save_directory(numbers: Dataset<Number>, root: Root) -> Result<()> {
    Parquet::at(root.0.join("b")).rows_per_file(500).create()?.save(&numbers).await.map(drop)
}

#[pipeline(extract(numbers), load(save_file, save_directory))]
struct Saving {
    root: Root,
}

/// What the test below runs in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let run = Saving { root: Root(root.clone()) }.run().state_dir(root.join("state")).cancel_on_ctrl_c();
    let code = runtime.block_on(run.outcome()).code();
    // As after `main`: what goes on in the background ends with the process.
    std::process::exit(code.into());
}

/// Another run to the same targets puts in order what was left.
fn save(root: &Path) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "interrupted::child"]).env(CHILD, root);
    assert!(command.output().unwrap().status.success());
    let left = left(root);
    assert!(left.is_empty(), "{left:?}");
}

fn left(root: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    walk(root, &mut |path| {
        if path.to_string_lossy().contains(".setl-") {
            left.push(path.to_owned());
        }
    });
    left
}

#[test]
fn nothing_is_left_by_a_process_that_is_told_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let seed = seed();
    println!("SETL_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let mut interrupted = 0;
    for round in 0..SIGNALS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "interrupted::child", "--nocapture"]).env(CHILD, directory.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(output.any(|line| line.contains("ready")));
        std::thread::sleep(Duration::from_micros(random.next() % 60_000));
        let signal = ["-INT", "-TERM"][round % 2];
        let id = child.id().to_string();
        let twice = round % 4 >= 2;
        for _ in 0..=usize::from(twice) {
            // Where it has ended by itself, there is nobody to be told.
            let _ = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().unwrap();
        }
        let status = child.wait().unwrap();
        let code = status.code();
        drop(output);
        // A signal that comes when the run is over does to the process what it does without setl.
        let by_default = status.signal() == Some([SIGINT, SIGTERM][round % 2]);
        assert!(by_default || matches!(code, Some(0 | 130)), "round {round}: {status:?}");
        interrupted += u32::from(code == Some(130));
        // The second ends the process while something is written, perhaps in the middle of its commit: see below.
        if !twice {
            let left = left(directory.path());
            assert!(left.is_empty(), "round {round}, {signal}: {left:?}");
        } else {
            save(directory.path());
        }
    }
    println!("{interrupted} of {SIGNALS} were interrupted");
    assert!(interrupted > 0, "all had ended before");
}
