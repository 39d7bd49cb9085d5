use std::sync::Arc;

use setl::prelude::*;

/// Not `Clone`.
struct Model(Vec<u8>);

#[derive(Clone)]
struct Table(Vec<u8>);

#[factory]
fn train() -> Model {
    Model(vec![1])
}

#[factory]
fn read() -> Table {
    Table(vec![1, 2])
}

#[factory]
fn score(#[delivery(shared)] model: Arc<Model>, #[delivery(shared)] table: Arc<Table>) -> u8 {
    model.0[0] + table.0[1]
}

#[factory(output = u16)]
struct Rank {
    #[delivery(shared)]
    model: Arc<Model>,
    #[delivery]
    table: Table,
    #[delivery(shared)]
    same_table: Arc<Table>,
    #[delivery(producer = read)]
    third_table: Table,
}

impl Factory for Rank {
    async fn process(&mut self) -> Result<u16> {
        self.table.0.extend(&self.third_table.0);
        Ok((self.model.0.len() + self.table.0.len() + self.same_table.0.len()) as u16)
    }
}

#[pipeline(extract(train, read), transform(score, Rank))]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily.run().await?;
    assert_eq!((*run.get::<score>(), *run.get::<Rank>()), (3, 7));
    Ok(())
}
