use setl::prelude::*;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[factory]
fn count(names: Vec<String>) -> usize {
    names.len()
}

// One mistake: whatever uses the pipeline stays as it is.
#[pipeline(#[barier] extract(read_names), transform(count))]
struct Daily {
    day: u32,
}

fn main() {
    println!("{} {}", Daily::describe(), Daily::plan().factories.len());
    let _ = async {
        let run = Daily { day: 1 }.run().await?;
        println!("{} {:?}", run.get::<count>(), run.report().entries());
        Result::<()>::Ok(())
    };
    let _ = setl::testing::pipeline(Daily { day: 1 }).replace::<read_names>(Vec::new());
}
