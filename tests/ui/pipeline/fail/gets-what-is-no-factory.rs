//! Mistake: an output is asked for by its type, and not by its factory.

use setl::prelude::*;
use setl::testing;

#[factory]
fn count() -> u32 {
    3
}

#[pipeline(extract(count))]
struct Daily;

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{} {:?}", run.get::<u32>(), run.find::<u32>());
        Daily.run().up_to::<count>().provide::<u32>(3).await?;
        println!("{:?}", Daily.run().outcome().await.find::<u32>());
        testing::pipeline(Daily).replace::<u32>(3).fail::<u32>("no network").run().await?;
        Result::<()>::Ok(())
    };
}
