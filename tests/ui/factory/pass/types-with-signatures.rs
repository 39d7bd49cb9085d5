//! Lifetimes that a type binds itself are no borrows, so that such types are wired as others are.

use std::sync::Arc;

use setl::prelude::*;

type Parse = Box<dyn Fn(&str) -> usize + Send + Sync>;

trait Longest<'a> {
    fn longest(&self, words: &'a [String]) -> &'a str;
}

impl<'a, F: Fn(&'a [String]) -> &'a str> Longest<'a> for F {
    fn longest(&self, words: &'a [String]) -> &'a str {
        self(words)
    }
}

#[factory]
fn read_parser(factor: usize) -> Box<dyn Fn(&str) -> usize + Send + Sync> {
    Box::new(move |text| factor * text.len())
}

#[factory]
fn read_pointer() -> fn(&str) -> &str {
    str::trim
}

#[factory]
fn read_longest() -> Result<Arc<dyn for<'a> Longest<'a> + Send + Sync>> {
    let longest: fn(&[String]) -> &str = |words| words.iter().max().map_or("", |word| word);
    Ok(Arc::new(longest))
}

#[factory(output = usize, id = Length)]
struct Measure {
    #[delivery(shared)]
    parse: Arc<Box<dyn Fn(&str) -> usize + Send + Sync>>,
    #[delivery]
    trim: fn(&str) -> &str,
    #[delivery]
    longest: Arc<dyn for<'a> Longest<'a> + Send + Sync>,
    #[delivery]
    words: Vec<String>,
}

struct Length;

impl Factory for Measure {
    async fn process(&mut self) -> Result<usize> {
        Ok((self.parse)((self.trim)(self.longest.longest(&self.words))))
    }
}

#[factory]
fn apply(#[delivery(shared, id = Given)] parse: Arc<Parse>, #[delivery(id = Length)] length: usize) -> u64 {
    (parse("1234") + length) as u64
}

struct Given;

#[pipeline(extract(read_parser, read_pointer, read_longest), transform(Measure), load(apply))]
struct Daily {
    factor: usize,
    words: Vec<String>,
    #[delivery(id = Given)]
    parse: Box<dyn Fn(&str) -> usize + Send + Sync>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let words = vec!["tea".to_owned(), " coffee ".to_owned()];
    let run = Daily { factor: 10, words, parse: Box::new(|text| text.len()) }.run().await?;
    assert_eq!(*run.get::<apply>(), 34);
    Ok(())
}
