use std::rc::Rc;

use setl::prelude::*;

#[factory(output = u32)]
struct Count {
    seen: Rc<u32>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<u32> {
        Ok(*self.seen)
    }
}

fn main() {}
