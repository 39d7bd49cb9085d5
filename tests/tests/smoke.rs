//! One pipeline with a bit of everything.

use setl::prelude::*;

#[derive(Clone, Debug)]
struct Orders(Vec<u32>);
#[derive(Clone)]
struct Factor(u32);
struct Model(u32);

/// Reads.
#[factory]
fn read_orders() -> Result<Orders> {
    Ok(Orders(vec![1, 2, 3]))
}

#[factory]
async fn model(factor: Factor) -> Model {
    Model(factor.0 * 2)
}

#[factory(output = u32)]
struct Total {
    #[delivery]
    orders: Orders,
    #[delivery(shared)]
    model: std::sync::Arc<Model>,
    #[delivery(optional)]
    bonus: Option<u64>,
    seen: usize,
}

impl Factory for Total {
    async fn process(&mut self) -> Result<u32> {
        self.seen += 1;
        Ok(self.orders.0.iter().sum::<u32>() * self.model.0 + self.bonus.unwrap_or(0) as u32)
    }
}

#[factory]
fn sink_a(_x: Orders) {}
#[factory]
fn sink_b(_x: Orders) -> Result<()> {
    Ok(())
}

#[pipeline(
    extract(read_orders, model),
    #[barrier]
    transform(Total),
    #[sequential]
    load(sink_a, sink_b),
)]
struct Daily {
    factor: Factor,
    #[delivery(optional)]
    bonus: Option<u64>,
}

#[tokio::test]
async fn runs() -> Result<()> {
    let run = Daily { factor: Factor(2), bonus: None }.run().await?;
    assert_eq!(*run.get::<Total>(), 24);
    println!("{run}\n{}\n{}\n{}", Daily::describe(), Daily::diagram(), Daily::diagram().dot());
    Ok(())
}
