use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

#[pipeline(extract(read_names), transform(count))]
struct Daily;

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{:?} {}", run.get::<read_names>(), run.get::<count>());
        Result::<()>::Ok(())
    };
}
