use setl::pipeline::{Keeps, Lists, PipelineItem};
use setl::prelude::*;

#[factory]
fn read() -> u8 {
    1
}

#[pipeline(only(read))]
struct Daily;

#[pipeline(only(read))]
struct Weekly;

async fn value<P: PipelineItem + Lists<read> + Keeps<read, true> + 'static>(pipeline: P) -> Result<u8> {
    let run = setl::RunBuilder::new(pipeline).await?;
    Ok(*run.get::<read>())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(value(Daily).await? + value(Weekly).await?, 2);
    Ok(())
}
