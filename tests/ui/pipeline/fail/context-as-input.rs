use setl::prelude::*;

#[factory]
fn name(context: Context) -> String {
    context.pipeline().to_owned()
}

#[pipeline(only(name))]
struct Daily {
    context: Context,
}

fn main() {}
