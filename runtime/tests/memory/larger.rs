//! A pipeline whose peak is more than four times its limit, in processes of its own: the kernel keeps count of what each held.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use polars::prelude::*;
use setl::polars;
use setl::prelude::*;

/// In which directory a process is to run the pipeline, and with which limit; none if that is 0.
const CHILD: &str = "SETL_MEMORY_CHILD";
const LIMIT: &str = "SETL_MEMORY_LIMIT";
const MIB: u64 = 1 << 20;
const ROWS: i64 = 9_000_000;

#[derive(Clone)]
struct Place(PathBuf);

/// Events as they come, with a key that is in no order.
#[derive(Clone)]
struct Events(LazyFrame);

/// Their amounts, in many columns.
#[derive(Clone)]
struct Amounts(LazyFrame);

/// These, and what was made of them.
#[derive(Clone)]
struct Rated(LazyFrame);

#[factory]
async fn events(place: Place) -> Result<Events> {
    let path = PlRefPath::try_from_path(&place.0.join("events.parquet"))?;
    Ok(Events(LazyFrame::scan_parquet(path, ScanArgsParquet::default())?))
}

#[factory]
async fn amounts(events: Events) -> Result<Amounts> {
    let amounts = (0..10).map(|number| (col("number") * lit(number + 1)).alias(format!("amount {number}")));
    let all = events.0.with_columns(amounts.collect::<Vec<_>>());
    Ok(Amounts(setl::materialize(all).await?))
}

#[factory]
async fn rated(amounts: Amounts) -> Result<Rated> {
    let rated = (0..10).map(|number| col(format!("amount {number}")) + col("key"));
    Ok(Rated(setl::materialize(amounts.0.with_columns(rated.collect::<Vec<_>>())).await?))
}

struct OfAmounts;
struct OfRated;

fn sums(frame: LazyFrame) -> LazyFrame {
    let amounts = (0..10).map(|number| col(format!("amount {number}")).sum());
    frame.group_by([col("key") % lit(100)]).agg(amounts.collect::<Vec<_>>()).sort(["key"], Default::default())
}

#[factory(id = OfAmounts)]
async fn by_amount(amounts: Amounts) -> Result<DataFrame> {
    setl::collect(sums(amounts.0)).await
}

#[factory(id = OfRated)]
async fn by_rate(rated: Rated) -> Result<DataFrame> {
    setl::collect(sums(rated.0)).await
}

#[pipeline(extract(events), transform(amounts, rated), load(by_amount, by_rate))]
struct Larger {
    place: Place,
}

/// What the other test runs in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(place) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let limit: u64 = std::env::var(LIMIT).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let run = Larger { place: Place(place.clone()) }.run().state_dir(place.join("state"));
    let run = if limit > 0 { run.memory_limit(limit) } else { run };
    let run = runtime.block_on(async { run.await }).unwrap();
    let spilled = run.report().memory().map_or(0, |memory| memory.spilled);
    let mut answers = String::new();
    for frame in [run.get::<by_amount>(), run.get::<by_rate>()] {
        let text: Vec<_> =
            frame.columns().iter().map(|column| format!("{:?}", column.i64().unwrap().to_vec())).collect();
        answers.push_str(&text.join("\n"));
    }
    drop(run);
    fs::write(place.join("spilled"), spilled.to_string()).unwrap();
    fs::write(place.join("answers"), answers).unwrap();
}

/// What a process of the pipeline came to.
struct Ran {
    /// The most that it held, as the kernel says: what is resident and not part of a file.
    peak: u64,
    /// What it wrote to temporary files.
    spilled: u64,
    answers: String,
}

/// Runs the pipeline in a process of its own, within a group whose memory the kernel bounds, if there is one.
fn run(place: &Path, limit: u64, group: Option<&Group>) -> Ran {
    let mut command = match group {
        None => Command::new(std::env::current_exe().unwrap()),
        Some(group) => {
            let mut command = Command::new("sh");
            command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(group.0.join("cgroup.procs"));
            command.arg(std::env::current_exe().unwrap());
            command
        }
    };
    command.args(["--exact", "larger::child", "--nocapture"]).env(CHILD, place).env(LIMIT, limit.to_string());
    // Polars without optimisation keeps four groups at once where it otherwise keeps thousands, and rows of others wait.
    command.env("POLARS_HOT_TABLE_SIZE", "4096").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let held = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let held = held.and_then(|held| held.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(held.unwrap_or_default() * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| fs::read_to_string(place.join(name)).unwrap();
    Ran { peak, spilled: read("spilled").parse().unwrap(), answers: read("answers") }
}

/// A control group: what passes its bound is ended by the kernel.
struct Group(PathBuf);

impl Group {
    /// None where this user may not make one.
    fn new(limit: u64) -> Option<Self> {
        let name = format!("setl-{}", std::process::id());
        let one = (Path::new("/sys/fs/cgroup/memory"), "memory.limit_in_bytes");
        let two = (Path::new("/sys/fs/cgroup"), "memory.max");
        [one, two].into_iter().find_map(|(root, bound)| {
            let group = Self(root.join(&name));
            fs::create_dir(&group.0).ok()?;
            fs::write(group.0.join(bound), limit.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_pipeline_of_four_times_the_limit_stays_below_it_and_gives_the_same() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let place = directory.path();
    let rows = df!("number" => Vec::from_iter(0..ROWS)).unwrap().lazy();
    let keys = ((col("number") * lit(7_919)) % lit(1_000)).alias("key");
    let file = fs::File::create(place.join("events.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut rows.with_column(keys).collect().unwrap()).unwrap();
    let free = run(place, 0, None);
    assert_eq!(free.spilled, 0);
    let limit = free.peak / 4;
    let group = Group::new(limit);
    let limited = run(place, limit, group.as_ref());
    println!(
        "without a limit {} MiB; with one of {} MiB {} MiB, and {} MiB in files; {}",
        free.peak / MIB,
        limit / MIB,
        limited.peak / MIB,
        limited.spilled / MIB,
        if group.is_some() {
            "the kernel would have ended it"
        } else {
            "NOT BOUND BY THE KERNEL: no control groups"
        }
    );
    assert!(limited.peak <= limit, "{} MiB with a limit of {} MiB", limited.peak / MIB, limit / MIB);
    assert_eq!(limited.answers, free.answers);
    assert!(limited.spilled > 0);
    let left = fs::read_dir(place.join("state/spill")).unwrap().count();
    assert_eq!(left, 0, "temporary files are gone");
}
