use setl::prelude::*;

#[factory]
fn greet(name: str, words: [u8]) -> usize {
    name.len() + words.len()
}

#[factory(output = usize)]
struct Sum {
    #[delivery]
    numbers: std::sync::Arc<[u8]>,
    #[delivery(shared)]
    text: std::sync::Arc<str>,
}

impl Factory for Sum {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.numbers.len() + self.text.len())
    }
}

fn main() {}
