use setl::prelude::*;

#[factory(retry(tims = 3, backoff = "1"), timeout = 3, on_failure = give_up, volatil)]
fn fetch() -> Result<String> {
    Ok(String::new())
}

#[factory]
fn count(text: String) -> usize {
    text.len()
}

#[pipeline(extract(fetch), transform(count))]
struct Daily;

fn main() {
    let _ = async {
        let run = Daily.run().await?;
        println!("{}", run.get::<count>());
        Result::<()>::Ok(())
    };
}
