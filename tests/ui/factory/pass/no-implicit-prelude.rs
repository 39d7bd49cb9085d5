#![no_implicit_prelude]

#[::setl::factory]
fn read() -> ::std::vec::Vec<u8> {
    ::std::vec::Vec::new()
}

#[::setl::factory]
async fn read_more(#[delivery(optional)] _limit: ::std::option::Option<u8>) -> ::setl::Result<u16> {
    ::std::result::Result::Ok(1)
}

#[::setl::factory(output = usize)]
struct Count {
    #[delivery(shared)]
    values: ::std::sync::Arc<::std::vec::Vec<u8>>,
    #[delivery]
    more: u16,
    seen: usize,
}

impl ::setl::Factory for Count {
    async fn process(&mut self) -> ::setl::Result<usize> {
        ::std::result::Result::Ok(self.values.len() + self.more as usize + self.seen)
    }
}

#[::setl::pipeline(extract(read, read_more), transform(Count))]
struct Daily {
    #[delivery(optional)]
    limit: ::std::option::Option<u8>,
}

fn main() {
    ::std::mem::drop(Daily { limit: ::std::option::Option::None }.run());
}
