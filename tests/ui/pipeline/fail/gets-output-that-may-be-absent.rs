use setl::prelude::*;

#[factory(on_failure = skip)]
fn fetch_rate() -> Result<f64> {
    Ok(1.0)
}

#[pipeline(extract(fetch_rate))]
struct Daily;

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{}", run.get::<fetch_rate>());
        Result::<()>::Ok(())
    };
}
