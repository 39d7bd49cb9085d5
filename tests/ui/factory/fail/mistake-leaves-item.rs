use setl::prelude::*;

// One mistake: whatever uses the factories stays as it is.
#[factory(blockin)]
fn read_orders() -> Vec<u32> {
    vec![1]
}

#[factory(output = u32, blockin)]
struct Total {
    #[delivery]
    orders: Vec<u32>,
}

impl Factory for Total {
    async fn process(&mut self) -> Result<u32> {
        Ok(self.orders.iter().sum())
    }
}

#[pipeline(extract(read_orders), transform(Total))]
struct Daily;

fn main() {
    let _ = read_orders();
    let _ = async {
        let run = Daily.run().await?;
        let _: u32 = *run.get::<Total>();
        Result::<()>::Ok(())
    };
}
