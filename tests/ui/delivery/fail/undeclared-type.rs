use setl::prelude::*;

#[factory(output = usize)]
struct Count {
    #[delivery]
    names: Names,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.len())
    }
}

#[factory]
fn count_again(#[delivery(id = Raw)] names: Vec<String>) -> usize {
    names.len()
}

fn main() {}
