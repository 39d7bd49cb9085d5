//! Where setl is not at `::setl`, `crate = …` says where it is.

use elsewhere::setl::prelude::*;

/// So that it is at no other place.
mod setl {}

#[factory(crate = elsewhere::setl, id = Raw)]
fn read_names() -> Vec<String> {
    vec!["ada".to_owned()]
}

struct Raw;

#[factory(output = usize, crate = elsewhere::setl, cache)]
struct Count {
    #[delivery(id = Raw)]
    names: Vec<String>,
    #[cfg(any())]
    #[delivery]
    more: NoSuchType,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.len())
    }
}

#[pipeline(crate = elsewhere::setl, defaults(timeout = "1m"), extract(read_names), transform(Count))]
struct Daily {
    #[cfg(any())]
    more: NoSuchType,
}

#[tokio::main]
async fn main() -> Result<()> {
    assert_eq!(*Daily {}.run().await?.get::<Count>(), 1);
    Ok(())
}
