//! A process is killed at any moment, and started again until it ends.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use setl::commit::StagedFile;
use setl::prelude::*;

use crate::daily::{check_clean, kept};

/// In which directory a process is to run the pipeline.
const CHILD: &str = "SETL_RESUME_CHILD";
const KILLS: u32 = 100;

/// Where a process works, and which time it is that the pipeline comes to its end. It counts in no key, so that what is left
/// of one time would be taken for what belongs to the next.
#[derive(Clone)]
struct Place {
    root: PathBuf,
    round: u64,
}

impl Place {
    /// A factory computes, and takes its time.
    async fn begin(&self, factory: &str) -> Result<()> {
        let mut file = File::options().append(true).create(true).open(self.root.join("computed"))?;
        file.write_all(format!("{factory}\n").as_bytes())?;
        file.sync_all()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    fn stage(&self, context: &Context, file: &str, content: &str) -> Result<()> {
        let staged = StagedFile::beside(self.root.join(file))?;
        fs::write(staged.path(), content)?;
        context.enlist(Box::new(staged))
    }
}

macro_rules! payloads {
    ($($name:ident),*) => {
        $(#[derive(Clone, Debug, Serialize, Deserialize)] struct $name(u64);)*
    };
}

payloads!(Base, Step, Written, Added, Side, Joint, Late);

#[factory(checkpoint)]
async fn base(place: Place) -> Result<Base> {
    place.begin("base").await?;
    Ok(Base(3))
}

#[factory]
async fn step(base: Base, place: Place) -> Result<Step> {
    place.begin("step").await?;
    Ok(Step(base.0 + 1))
}

#[factory(checkpoint)]
async fn written(step: Step, place: Place, context: Context) -> Result<Written> {
    place.begin("written").await?;
    place.stage(&context, "written.txt", &format!("{} in round {}\n", step.0, place.round))?;
    Ok(Written(step.0 * 2))
}

#[factory(checkpoint)]
async fn added(step: Step, base: Base, place: Place, context: Context) -> Result<Added> {
    place.begin("added").await?;
    let old = fs::read_to_string(place.root.join("added.txt")).unwrap_or_default();
    place.stage(&context, "added.txt", &format!("{old}{} in round {}\n", step.0 + base.0, place.round))?;
    Ok(Added(step.0))
}

#[factory(checkpoint)]
async fn side(base: Base, place: Place) -> Result<Side> {
    place.begin("side").await?;
    Ok(Side(base.0))
}

#[factory]
async fn joint(written: Written, added: Added, place: Place) -> Result<Joint> {
    place.begin("joint").await?;
    Ok(Joint(written.0 + added.0))
}

#[factory(checkpoint)]
async fn late(joint: Joint, side: Side, place: Place) -> Result<Late> {
    place.begin("late").await?;
    Ok(Late(joint.0 * side.0))
}

#[factory]
async fn last(late: Late, place: Place, context: Context) -> Result<()> {
    place.begin("last").await?;
    place.stage(&context, "last.txt", &format!("{}\n", late.0))
}

#[pipeline(all(base, step, written, added, side, joint, late, last))]
struct Killed {
    #[delivery(opaque)]
    place: Place,
}

/// How often the pipeline has come to its end in a directory, by what was added.
#[track_caller]
fn rounds(root: &Path) -> u64 {
    let text = fs::read_to_string(root.join("added.txt")).unwrap_or_default();
    for (at, line) in text.lines().enumerate() {
        assert_eq!(line, format!("7 in round {}", at + 1), "something is lost, or there twice: {text}");
    }
    text.lines().count() as u64
}

/// What the other test runs in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let recovered = setl::commit::recover(root.join("state")).unwrap();
    assert!(recovered.kept.is_empty() && recovered.lost.is_empty(), "{recovered:?}");
    let round = rounds(&root) + 1;
    let run =
        Killed { place: Place { root: root.clone(), round } }.run().resume().state_dir(root.join("state"));
    let outcome = setl_tests::runtime(4).block_on(run.outcome());
    if outcome.error().is_some() {
        eprintln!("{outcome}");
        std::process::exit(3);
    }
}

fn start(root: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::child", "--nocapture"]).env(CHILD, root);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// All that the pipeline writes.
fn outputs(root: &Path) -> BTreeMap<&'static str, String> {
    let read = |file| (file, fs::read_to_string(root.join(file)).unwrap_or_default());
    ["written.txt", "added.txt", "last.txt"].map(read).into()
}

fn computed(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join("computed")).unwrap_or_default();
    // The last line may have been cut off.
    text.split_inclusive('\n').filter_map(|line| Some(line.strip_suffix('\n')?.to_owned())).collect()
}

/// What the next run need not compute, as far as that can be told from outside: whether a journal says that all of it is
/// committed already, cannot.
fn kept_for_certain(root: &Path) -> BTreeSet<String> {
    let journal = fs::read_dir(root.join("state/runs")).is_ok_and(|mut entries| entries.next().is_some());
    let marked = crate::daily::files(&root.join("state")).iter().any(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".committed") && !name.starts_with('.')
    });
    if journal || marked { BTreeSet::new() } else { kept(&root.join("state")).into_keys().collect() }
}

#[test]
fn what_was_kept_is_never_computed_again_and_nothing_is_lost_or_written_twice() {
    let undisturbed = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let first = start(undisturbed.path()).wait_with_output().unwrap();
    let longest = began.elapsed();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let expected = outputs(undisturbed.path());
    assert_eq!(expected["last.txt"], "36\n");

    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("state")).unwrap();
    let seed = std::env::var("SETL_RESUME_SEED").map_or_else(
        |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        |seed| seed.parse().unwrap(),
    );
    println!("SETL_RESUME_SEED={seed}");
    let mut random = seed;
    let (mut kills, mut ends, mut saved, mut lists) = (0, 0, 0, 0);
    while kills < KILLS || fs::exists(root.join("unfinished")).unwrap() {
        let certain = kept_for_certain(root);
        let before = computed(root).len();
        let mut child = start(root);
        // Donald Knuth's MMIX, of which the upper bits are good.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if kills < KILLS {
            std::thread::sleep(longest.mul_f64((random >> 40) as f64 / f64::from(1 << 24)));
            child.kill().unwrap();
        }
        let ended = child.wait_with_output().unwrap();
        let again: Vec<_> = computed(root).drain(before..).filter(|name| certain.contains(name)).collect();
        assert!(again.is_empty(), "kill {kills}: computed again although kept: {again:?} of {certain:?}");
        saved += certain.len();
        if ended.status.success() {
            ends += 1;
            check_clean(root);
            let round = rounds(root);
            let now = outputs(root);
            assert_eq!(now["written.txt"], format!("4 in round {round}\n"));
            assert_eq!(now["last.txt"], expected["last.txt"]);
            let _ = fs::remove_file(root.join("unfinished"));
        } else {
            assert_eq!(ended.status.code(), None, "{}", String::from_utf8_lossy(&ended.stderr));
            kills += 1;
            fs::write(root.join("unfinished"), "").unwrap();
            let list = crate::daily::files(&root.join("state"));
            lists += u32::from(list.iter().any(|path| path.ends_with("kept")));
        }
    }
    let rounds = rounds(root);
    println!(
        "{kills} kills ({lists} with kept writes), {ends} ends, {rounds} rounds; {saved} computations saved"
    );
    assert!(saved > 20 && lists > 5, "the kills come too early or too late to show anything");
}
