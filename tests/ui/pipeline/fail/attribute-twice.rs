use setl::prelude::*;

#[factory]
fn read() -> u8 {
    1
}

#[pipeline(extract(read))]
#[pipeline(extract(read))]
struct Daily;

fn main() {
    let _ = Daily.run();
}
