use setl::prelude::*;

#[factory(cache, code = pakage)]
fn near() -> u32 {
    1
}

#[factory(cache, code = package(src))]
fn of_one_file() -> u32 {
    1
}

#[factory(cache, code)]
fn nothing() -> u32 {
    1
}

#[pipeline(defaults(code = crate), extract(near))]
struct Daily;

fn main() {}
