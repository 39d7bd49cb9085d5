use setl::prelude::*;

#[factory(otput = u32, blocking, blocking, id = "Raw")]
struct Count {
    #[delivery(sharde)]
    names: Vec<String>,
    #[delivery]
    prefix: &str,
    #[delivery(optional, optional)]
    limit: Option<u32>,
}

fn main() {}
