//! Processes that are killed at any moment, and others that use the same cache meanwhile.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use setl::cache::CachePolicy;
use setl::prelude::*;

use crate::office::files;

/// In which directory a process is to run the pipeline.
const CHILD: &str = "SETL_CACHE_CHILD";
const KILLS: u32 = 30;

#[derive(Clone, Serialize)]
struct Turn(u64);

#[derive(Clone)]
struct Place(PathBuf);

impl Place {
    fn begin(&self, factory: &str, turn: u64) -> Result<()> {
        let mut file = File::options().append(true).create(true).open(self.0.join("computed"))?;
        Ok(file.write_all(format!("{factory} {turn}\n").as_bytes())?)
    }
}

macro_rules! steps {
    ($($name:ident($from:ident) -> $to:ident;)*) => {
        $(
            /// Large enough to be cut off somewhere.
            #[derive(Clone, Serialize, Deserialize)]
            struct $to(Vec<u64>);

            #[factory(cache)]
            fn $name(from: $from, place: Place) -> Result<$to> {
                let from = from.0;
                place.begin(stringify!($name), from[0])?;
                Ok($to(from.iter().map(|number| number + 1).collect()))
            }
        )*
    };
}

#[derive(Clone, Serialize, Deserialize)]
struct First(Vec<u64>);

#[factory(cache)]
fn first(turn: Turn, place: Place) -> Result<First> {
    place.begin("first", turn.0)?;
    Ok(First(vec![turn.0; 20_000]))
}

steps! {
    second(First) -> Second;
    third(Second) -> Third;
    fourth(Third) -> Fourth;
}

#[factory]
fn last(fourth: Fourth, turn: Turn) -> Result<()> {
    let expected = turn.0 + 3;
    match fourth.0.len() == 20_000 && fourth.0.iter().all(|number| *number == expected) {
        true => Ok(()),
        false => Err(setl::Error::msg(format!("something else than {expected} was taken"))),
    }
}

#[pipeline(all(first, second, third, fourth, last))]
struct Killed {
    turn: Turn,
    #[delivery(opaque)]
    place: Place,
}

/// What the other test runs in processes of its own; by itself it does nothing.
#[test]
fn child() {
    let Some(root) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    for turn in 0..4 {
        let killed = Killed { turn: Turn(turn * 10), place: Place(root.clone()) };
        // Not all of it has room, so that something is removed all the time.
        let cache = CachePolicy::declared().max_bytes(2_000_000);
        let outcome = setl_tests::runtime(1)
            .block_on(killed.run().cache(cache).state_dir(root.join("state")).outcome());
        if outcome.error().is_some() {
            eprintln!("{outcome}");
            std::process::exit(3);
        }
    }
}

fn start(root: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::child", "--nocapture"]).env(CHILD, root);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn is_left(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

#[test]
fn a_kill_leaves_what_is_whole_or_nothing() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Relative paths are looked at below, of which none may begin with a dot.
    let root = directory.path().join("root");
    fs::create_dir_all(&root).unwrap();
    let began = Instant::now();
    let undisturbed = start(&root).wait_with_output().unwrap();
    assert!(undisturbed.status.success(), "{}", String::from_utf8_lossy(&undisturbed.stderr));
    let longest = began.elapsed();
    let seed = std::env::var("SETL_CACHE_SEED").map_or_else(
        |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        |seed| seed.parse().unwrap(),
    );
    println!("SETL_CACHE_SEED={seed}");
    let (mut random, mut left) = (seed, 0);
    for kill in 0..KILLS {
        setl::cache::clear(root.join("state")).unwrap();
        // Now and then two at once: one is killed, the other must not notice.
        let (mut killed, other) = (start(&root), (kill % 3 == 0).then(|| start(&root)));
        // Donald Knuth's MMIX, of which the upper bits are good.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(longest.mul_f64((random >> 40) as f64 / f64::from(1 << 24)));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let relative = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_owned();
        left += u32::from(files(&root.join("state")).iter().map(relative).any(|path| is_left(&path)));
        let next = other.unwrap_or_else(|| start(&root)).wait_with_output().unwrap();
        assert!(next.status.success(), "{}", String::from_utf8_lossy(&next.stderr));
    }
    // What the dead have left goes, all that is there is whole, and nothing is more than it may be.
    let entries = setl::cache::list(root.join("state")).unwrap();
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    assert!(!entries.is_empty() && bytes <= 2_000_000, "{bytes}");
    let state = files(&root.join("state"));
    assert!(!state.iter().any(|path| is_left(path.strip_prefix(&root).unwrap())), "{state:?}");
    let computed = fs::read_to_string(root.join("computed")).unwrap().lines().count();
    println!("{KILLS} kills, after {left} of which something was left; {computed} computations");
    assert!(left > 3, "the kills come too early or too late to show anything");
    let after = start(&root).wait_with_output().unwrap();
    assert!(after.status.success(), "{}", String::from_utf8_lossy(&after.stderr));
}
