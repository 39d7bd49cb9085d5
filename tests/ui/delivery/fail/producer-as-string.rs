use setl::prelude::*;

struct Sales(u32);

#[factory]
fn read_sales() -> u32 {
    1
}

#[factory]
fn double(#[delivery(producer = "read_sales")] sales: u32) -> u64 {
    u64::from(sales) * 2
}

#[factory]
fn treble(#[delivery(producer = "read sales")] sales: u32, #[delivery(id = "")] _all: Vec<u8>) -> u16 {
    sales as u16 * 3
}

#[pipeline(extract(read_sales), transform(double))]
struct Daily;

fn main() {}
