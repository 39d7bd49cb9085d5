use setl::prelude::*;

struct Reader;

impl Reader {
    #[factory]
    fn read_orders(&self) -> u32 {
        1
    }
}

fn main() {}
