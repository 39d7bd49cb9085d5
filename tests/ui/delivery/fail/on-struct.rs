use setl::prelude::*;

#[delivery(shared)]
#[derive(Clone)]
struct Names(Vec<String>);

fn main() {
    let _ = Names(Vec::new()).clone().0;
}
