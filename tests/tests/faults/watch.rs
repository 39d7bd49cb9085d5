//! Runs cases one after another, and says which one fails or hangs.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::case::Case;
use super::check::run_and_check;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all cases in a row, each watched, and gives how many faults they met.
pub fn run_all(cases: Vec<Case>) -> usize {
    let (state, (sender, receiver)) = (state(), channel());
    let of_worker_state = state.clone();
    let of_worker = cases.clone();
    let worker = std::thread::spawn(move || {
        let single = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let (single, several) = (single.unwrap(), several.unwrap());
        for case in of_worker {
            let on = if case.threads == 1 { &single } else { &several };
            if sender.send(on.block_on(run_and_check(&case, &of_worker_state))).is_err() {
                return;
            }
        }
    });
    let mut faults = 0;
    for case in &cases {
        match receiver.recv_timeout(PATIENCE) {
            Ok(met) => faults += met,
            Err(RecvTimeoutError::Timeout) => panic!("a run hangs: {case:#?}"),
            Err(RecvTimeoutError::Disconnected) => {
                eprintln!("in {case:#?}");
                match worker.join() {
                    Err(panic) => std::panic::resume_unwind(panic),
                    Ok(()) => unreachable!("it sends before it ends"),
                }
            }
        }
    }
    let _ = std::fs::remove_dir_all(state);
    faults
}

/// Where journals are kept: in memory if possible, since there are many.
fn state() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    parent.join(format!("setl-faults-{}-{count}", std::process::id()))
}
