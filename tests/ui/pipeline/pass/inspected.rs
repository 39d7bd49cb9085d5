#![deny(warnings)]

use setl::prelude::*;
use setl::testing;

#[factory]
fn read() -> Vec<u8> {
    vec![1, 2]
}

#[factory]
fn count(values: Vec<u8>) -> usize {
    values.len()
}

#[pipeline(extract(read), transform(count))]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert!(Daily::describe().contains("count"));
    assert!(Daily::diagram().to_string().contains("read"));
    const PLAN: &setl::plan::Plan = <Daily as setl::pipeline::PipelineItem>::PLAN;
    assert_eq!(PLAN.factories.len(), 2);
    let run = testing::pipeline(Daily).replace::<read>(vec![1, 2, 3]).run().await?;
    assert_eq!(*run.get::<count>(), 3);
    let run: setl::Run<Daily> = Daily.run().no_write().concurrency(1).await?;
    assert_eq!(run.report().entries().len(), 2);
    Ok(())
}
