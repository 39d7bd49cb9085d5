//! The command `setl`: the cost of runs, recommended changes of pipelines, the cache, and the recovery of killed runs.
//!
//! Exit codes: 0 for success, 1 for failure, 2 for wrong arguments.

mod cache;
mod history;
mod recover;
mod show;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// What runs of pipelines cost, what to change in them, what is cached, and what killed runs have left.
#[derive(Parser)]
#[command(name = "setl", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Where the state of runs is: if it is not said, in $SETL_STATE_DIR, or else in `.setl`.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Shows what runs cost, beside what was predicted.
    History {
        /// The pipeline; all, if none is named.
        pipeline: Option<String>,
        /// This run alone: its id, or how that begins.
        #[arg(long, requires = "pipeline", value_name = "ID")]
        run: Option<String>,
        /// So many of the last runs.
        #[arg(long, default_value_t = 10, value_name = "RUNS")]
        last: usize,
    },
    /// Says what to change in a pipeline, and what that gains.
    Recommend {
        /// The pipeline.
        pipeline: String,
    },
    /// Finishes or undoes the commits of runs that were killed; ends with 1 if some cannot be.
    Recover {
        /// Gives up this commit, which cannot be recovered, and keeps what it was to write beside its targets.
        #[arg(long, value_name = "JOURNAL")]
        set_aside: Option<PathBuf>,
    },
    /// Shows or removes what is kept across runs.
    Cache {
        #[command(subcommand)]
        command: CacheCommand,
    },
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Shows what is kept; what was used last comes first.
    List,
    /// Removes what is too old or too much.
    Prune {
        /// Keeps at most so many bytes, as in `5GB`: 1 GiB, if it is not said.
        #[arg(long, value_name = "BYTES", value_parser = bytes)]
        max_bytes: Option<u64>,
        /// Keeps nothing that was made longer ago, as in `7d`: 30 days, if it is not said.
        #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
        max_age: Option<Duration>,
    },
    /// Removes all that no running process uses.
    Clear,
}

fn bytes(text: &str) -> Result<u64, String> {
    let bytes = text.parse().ok().or_else(|| setl::policy::parse_bytes(text));
    bytes.ok_or_else(|| "write a number of bytes, or one with a unit: `5GB`, `500 MiB`".to_owned())
}

fn main() -> ExitCode {
    let Cli { command, state_dir, json } = Cli::parse();
    let state = setl::checkpoint::state_directory(state_dir.as_deref());
    let text = match command {
        Command::History { pipeline: None, .. } => history::all(&state, json),
        Command::History { pipeline: Some(pipeline), run: Some(run), .. } => {
            history::one_run(&state, &pipeline, &run, json)
        }
        Command::History { pipeline: Some(pipeline), run: None, last } => {
            history::one(&state, &pipeline, last, json)
        }
        Command::Recommend { pipeline } => history::recommended(&state, &pipeline, json),
        Command::Recover { set_aside: None } => recover::all(&state, json),
        Command::Recover { set_aside: Some(journal) } => recover::set_aside(&journal, json),
        Command::Cache { command: CacheCommand::List } => cache::list(&state, json),
        Command::Cache { command: CacheCommand::Prune { max_bytes, max_age } } => {
            cache::prune(&state, max_bytes, max_age, json)
        }
        Command::Cache { command: CacheCommand::Clear } => cache::clear(&state, json),
    };
    let printed = text.and_then(|text| match writeln!(io::stdout(), "{}", text.trim_end()) {
        // The reader has closed the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
