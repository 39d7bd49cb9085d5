use setl::prelude::*;

#[factory(output = usize)]
struct Count {
    #[delivery(auto_load)]
    names: Vec<String>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.len())
    }
}

fn main() {}
