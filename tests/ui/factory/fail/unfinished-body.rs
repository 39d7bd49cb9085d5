use setl::prelude::*;

#[factory]
fn read() -> u8 {
    let value = 1;
    value.
}

#[factory]
fn double(value: u8) -> u16 {
    u16::from(value) * 2
}

#[pipeline(extract(read), transform(double))]
struct Daily;

fn main() {
    let _ = Daily.run();
}
