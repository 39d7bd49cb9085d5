use setl::prelude::*;

#[factory(output = u32)]
struct Count<'a> {
    #[delivery]
    names: std::borrow::Cow<'a, [String]>,
}

impl Factory for Count<'_> {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.names.len() as u32)
    }
}

fn main() {}
