use setl::prelude::*;
use setl::testing;

#[factory]
fn read_names() -> Vec<String> {
    Vec::new()
}

#[pipeline(extract(read_names))]
struct Daily;

fn main() {
    let _ = testing::pipeline(Daily).replace::<read_names>(vec![1, 2]);
}
