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

#[factory(output = usize)]
struct Longest<'a, 'b: 'a>(#[delivery] &'a str, #[delivery] &'b str);

impl<'a, 'b> Factory for Longest<'a, 'b> {
    async fn process(&mut self) -> Result<usize> {
        let longest: &str = if self.0.len() > self.1.len() { self.0 } else { self.1 };
        Ok(longest.len())
    }
}

fn main() {}
