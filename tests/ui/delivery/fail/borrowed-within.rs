use std::sync::Arc;

use setl::prelude::*;

struct Words<'a>(&'a str);

#[factory]
fn count(words: Vec<&str>, pair: (&'static str, &u8), more: Words<'_>) -> usize {
    words.len() + usize::from(*pair.1) + more.0.len()
}

#[factory(output = usize)]
struct Count {
    #[delivery]
    words: &Vec<f64>,
    #[delivery(shared)]
    rates: Arc<Vec<&str>>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.words.len())
    }
}

fn main() {}
