use setl::prelude::*;

#[factory]
fn double(value: u32) -> u64 {
    u64::from(value) * 2
}

#[pipeline(only(double))]
struct Daily {
    value: u32,
}

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{}", run.get::<double>());
        Result::<()>::Ok(())
    };
}
