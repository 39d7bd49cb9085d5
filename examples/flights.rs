//! Who flies late from New York, when, in what, and in which weather?
//!
//! `cargo run --example flights` reads the tables in `examples/data/nycflights13`, prints the plan, what happens, the
//! times and the figures, and writes Parquet and CSV files to `target/flights`.

use std::path::Path;

use setl::Event;
use setl::prelude::*;
use setl_examples::flights::Flights;
use setl_examples::flights::figures::{
    CarrierDelays, HourlyDelays, count_flights, delays_by_age, delays_by_precipitation, delays_by_visibility,
    routes, weather_correlation,
};
use setl_examples::flights::report::AirlineReport;

#[tokio::main]
async fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.with_file_name("target").join("flights");
    let pipeline = Flights::between(&root.join("data/nycflights13"), &target)?;
    println!("{}", Flights::describe());

    let run = pipeline.run().cancel_on_ctrl_c().observe(tell).await?;

    println!("\n{run}\n");
    println!("{:?}\n", run.get::<count_flights>());
    println!("delays by carrier\n{}", run.get::<CarrierDelays>().collect().await?);
    println!("delays by hour\n{}", run.get::<HourlyDelays>().collect().await?);
    println!("delays by age of the aircraft\n{}", run.get::<delays_by_age>().collect().await?);
    println!("delays by visibility\n{}", run.get::<delays_by_visibility>().collect().await?);
    println!("delays by precipitation\n{}", run.get::<delays_by_precipitation>().collect().await?);
    println!("correlation of delay and weather\n{}", run.get::<weather_correlation>().collect().await?);
    println!("destinations\n{}", run.get::<routes>().collect().await?.head(Some(10)));
    println!("airlines at airports\n{}", run.get::<AirlineReport>().collect().await?.head(Some(10)));
    println!("written: {}", target.display());
    Ok(())
}

/// One line for each factory that ends.
fn tell(event: &Event<'_>) {
    match event {
        Event::Finished { factory, total, rows } => {
            let rows = rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
            println!("finished {factory} in {:.1} ms{rows}", total.as_secs_f64() * 1e3);
        }
        Event::Failed { factory } => println!("failed {factory}"),
        Event::Cancelled { factory } => println!("cancelled {factory}"),
        _ => {}
    }
}
