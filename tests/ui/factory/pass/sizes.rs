use setl::prelude::*;

#[factory(memory = "1.5 GiB")]
fn large() -> u8 {
    1
}

#[factory(memory = ".5kB")]
fn small() -> u16 {
    1
}

#[pipeline(extract(large, small))]
struct Daily;

fn main() {
    let _ = Daily.run();
}
