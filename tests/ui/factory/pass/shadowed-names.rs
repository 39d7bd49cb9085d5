//! Whatever names are in scope, expansions mean the real ones.
#![allow(dead_code, non_camel_case_types)]

mod std {}
mod core {}

struct Option;
struct Some;
struct None;
struct Result;
struct Ok;
struct Err;
struct Vec;
struct String;
struct Box;
struct Default;
struct Into;
struct Send;
struct Sync;
struct Clone;
struct Context;
struct Source;
struct Plan;
struct Inbox;
struct str_;
trait Factory {}
trait FactoryItem {}
trait Payload {}

#[setl::factory]
fn read() -> u8 {
    1
}

#[setl::factory]
fn read_more() -> ::std::io::Result<u16> {
    ::std::result::Result::Ok(1)
}

#[setl::factory(output = u32)]
struct Sum {
    #[delivery]
    first: u8,
    #[delivery(optional)]
    second: ::std::option::Option<u16>,
    #[delivery(shared)]
    third: ::std::sync::Arc<u64>,
    rest: ::std::vec::Vec<u8>,
}

impl setl::Factory for Sum {
    async fn process(&mut self) -> setl::Result<u32> {
        ::std::result::Result::Ok(u32::from(self.first) + self.second.map_or(0, u32::from) + *self.third as u32)
    }
}

#[setl::pipeline(extract(read, read_more), #[barrier] transform(Sum))]
struct Daily {
    third: u64,
}

#[setl::factory]
fn take(#[delivery(optional)] _fourth: ::std::option::Option<i8>) {}

#[setl::pipeline(all(read, take))]
struct Other {
    #[delivery(optional)]
    fourth: ::std::option::Option<i8>,
}

fn main() {
    drop(Daily { third: 1 }.run());
    drop(Other { fourth: ::std::option::Option::None }.run());
}
