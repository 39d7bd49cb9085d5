use setl::prelude::*;

mod jobs {}

#[factory]
fn read() -> u8 {
    1
}

#[pipeline(extract(read,,))]
struct CommaTooMany;

#[pipeline(extract(read, #[cfg(any())] read_more), #[barrier])]
struct Attributes;

#[pipeline(extract(#[barrier] read, jobs::))]
struct HalfAPath;

#[pipeline(extract(read(), "write"))]
struct Called;

fn main() {}
