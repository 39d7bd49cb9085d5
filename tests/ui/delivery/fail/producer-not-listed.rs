use setl::prelude::*;

#[factory]
fn read_orders() -> Vec<u32> {
    vec![1]
}

#[factory(output = u32)]
struct Total {
    #[delivery(producer = read_orders)]
    orders: Vec<u32>,
}

impl Factory for Total {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.orders.iter().sum())
    }
}

#[pipeline(transform(Total))]
struct Daily;

fn main() {}
