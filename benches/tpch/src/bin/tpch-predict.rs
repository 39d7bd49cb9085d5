//! One run of the pipeline that is predicted before and recorded after, in a process of its own:
//! `tpch-predict <tables> <history> [forget]`. With `forget`, it is predicted only: what it took is not recorded.
//!
//! Prints a line of JSON: what was predicted, what it took, and how many factories took what was predicted of them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use setl::optimize::{Learning, Optimizer};
use setl_tpch::pipeline::{Deliver, Tpch};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [tables, history, forget @ ..] = &arguments[..] else { bail!("tables, history") };
    let history = match forget {
        [] => Path::new(history).to_owned(),
        // A copy of it learns, and nobody sees it again.
        _ => {
            let copy = Path::new(history).with_extension("copy");
            std::fs::copy(history, &copy)?;
            copy
        }
    };
    let pipeline = Tpch::new(Path::new(tables), Deliver::Lazily);
    let run = pipeline.run().optimizer(Optimizer::new()).learn(Learning::new().at(&history)).await?;
    let report = run.report();
    let learned = report.learned().context("it was to learn")?;
    if let Some(history_error) = &learned.history_error {
        bail!("nothing was learned: {history_error}");
    }
    if std::env::var_os("EXPLAIN").is_some() {
        if let Some(prediction) = &learned.prediction {
            eprintln!("{prediction}");
        }
        eprintln!("{learned}");
    }
    let took = report.makespan().as_secs_f64();
    let batches = report.queries().len();
    print!("{{\"took\":{took:.4},\"batches\":{batches}");
    if let Some(comparison) = &learned.comparison {
        let predicted = comparison.makespan.predicted;
        let (held, factories) = comparison.coverage();
        print!(
            ",\"low\":{:.4},\"median\":{:.4},\"high\":{:.4},\"held\":{held},\"factories\":{factories}",
            predicted.low, predicted.median, predicted.high
        );
    }
    println!("}}");
    Ok(())
}
