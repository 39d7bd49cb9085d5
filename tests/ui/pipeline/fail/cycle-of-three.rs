use setl::prelude::*;

#[derive(Clone)]
struct Orders;

#[derive(Clone)]
struct Joined;

#[derive(Clone)]
struct Page;

#[factory]
fn read_orders(_page: Page) -> Orders {
    Orders
}

#[factory]
fn join(_orders: Orders, _day: u32) -> Joined {
    Joined
}

#[factory(output = Page)]
struct Render {
    #[delivery]
    joined: Joined,
}

impl Factory for Render {
    async fn process(&mut self) -> Result<Page> {
        let _ = self.joined;
        Ok(Page)
    }
}

#[factory]
fn publish(_page: Page) {}

#[pipeline(
    extract(read_orders),
    transform(join, Render),
    load(publish),
)]
struct Daily {
    day: u32,
}

fn main() {}
