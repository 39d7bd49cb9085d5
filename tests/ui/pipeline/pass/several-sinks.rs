use setl::prelude::*;

struct Report;

#[factory]
fn read() -> Vec<u8> {
    vec![1, 2]
}

#[factory]
fn write_file(_values: Vec<u8>) {}

#[factory]
async fn write_table(_values: Vec<u8>) -> Result<()> {
    Ok(())
}

#[factory(output = ())]
struct Notify {
    #[delivery(producer = write_table)]
    after: (),
}

impl Factory for Notify {
    async fn process(&mut self) -> Result<()> {
        Ok(self.after)
    }
}

#[factory(id = Report)]
fn report() {}

#[pipeline(extract(read), load(write_file, write_table, Notify, report), keep(read, write_table))]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily.run().await?;
    assert_eq!(*run.get::<read>(), [1, 2]);
    assert_eq!((*run.get::<write_table>(), *run.get::<Notify>()), ((), ()));
    Ok(())
}
