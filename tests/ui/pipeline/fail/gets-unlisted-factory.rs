use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn read_day() -> u32 {
    1
}

#[pipeline(extract(read_names))]
struct Daily;

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{:?}", run.get::<read_day>());
        Result::<()>::Ok(())
    };
}
