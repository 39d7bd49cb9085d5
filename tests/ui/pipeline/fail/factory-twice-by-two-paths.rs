use setl::prelude::*;

mod source {
    use setl::prelude::*;

    #[factory]
    pub fn read_names() -> Vec<String> {
        Vec::new()
    }
}

use source::read_names;

#[pipeline(extract(read_names, source::read_names))]
struct Daily;

fn main() {}
