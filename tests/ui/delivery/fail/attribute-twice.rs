use setl::prelude::*;

struct Raw;

#[factory(output = usize)]
struct Count {
    #[delivery(id = Raw)]
    #[delivery(optional)]
    names: Option<Vec<String>>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.iter().flatten().count())
    }
}

fn main() {}
