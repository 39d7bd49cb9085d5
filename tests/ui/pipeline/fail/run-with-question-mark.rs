use setl::prelude::*;

#[factory]
fn count() -> u32 {
    3
}

#[pipeline(only(count))]
struct Daily;

fn main() -> Result<()> {
    let run = Daily.run()?;
    println!("{}", run.get::<count>());
    Ok(())
}
