use setl::prelude::*;

struct Raw;

struct Clean;

mod ids {
    pub(crate) struct Backup<T>(std::marker::PhantomData<T>);
}

#[factory(id = Raw)]
fn read() -> Vec<u8> {
    vec![1, 0, 2]
}

#[factory(id = Clean)]
fn clean(#[delivery(id = Raw)] values: Vec<u8>) -> Vec<u8> {
    values.into_iter().filter(|value| *value > 0).collect()
}

#[factory(output = (usize, usize, usize))]
struct Compare {
    #[delivery(id = Raw)]
    raw: Vec<u8>,
    #[delivery(id = Clean)]
    clean: Vec<u8>,
    #[delivery(id = ids::Backup<u8>)]
    backup: Vec<u8>,
    #[delivery]
    plain: Vec<u8>,
}

impl Factory for Compare {
    async fn process(&mut self) -> Result<(usize, usize, usize)> {
        assert!(self.plain.is_empty());
        Ok((self.raw.len(), self.clean.len(), self.backup.len()))
    }
}

#[pipeline(extract(read), transform(clean, Compare))]
struct Daily {
    #[delivery(id = ids::Backup<u8>)]
    backup: Vec<u8>,
    plain: Vec<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { backup: vec![9], plain: Vec::new() }.run().await?;
    assert_eq!(*run.get::<Compare>(), (3, 2, 1));
    Ok(())
}
