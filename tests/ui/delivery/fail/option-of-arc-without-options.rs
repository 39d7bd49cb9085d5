use std::sync::Arc;

use setl::prelude::*;

#[factory(output = usize)]
struct Count {
    #[delivery]
    names: Option<Arc<Vec<String>>>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.as_ref().map_or(0, |names| names.len()))
    }
}

#[pipeline(transform(Count))]
struct Shop {
    #[delivery(optional)]
    names: Option<Vec<String>>,
}

fn main() {}
