use setl::prelude::*;

#[factory]
fn read_names() -> Result<Vec<String>> {
    Ok(Vec::new())
}

#[pipeline(
    #[sequential]
    defaults(timeout = "1s"),
    extract(read_names),
    #[barrier]
    keep(read_names),
)]
struct Daily;

fn main() {}
