//! Whoever implements `AutoLoad` can be loaded.
use setl::delivery::AutoLoad;
use setl::prelude::*;

#[derive(Clone)]
struct Folder(Vec<u8>);

struct File(Vec<u8>);

struct Old;

impl AutoLoad for File {
    type Source = Folder;
    type Condition = u8;

    fn auto_load(source: &Folder, condition: Option<u8>) -> Result<Self> {
        let least = condition.unwrap_or(0);
        Ok(Self(source.0.iter().copied().filter(|value| *value >= least).collect()))
    }
}

#[factory(output = usize)]
struct Count {
    #[delivery(auto_load)]
    all: File,
    #[delivery(auto_load, condition = 2u8)]
    some: File,
    #[delivery(auto_load, optional)]
    maybe: Option<File>,
    #[delivery(auto_load, id = Old)]
    old: File,
    #[delivery]
    folder: Folder,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        let maybe = self.maybe.as_ref().map_or(0, |file| file.0.len());
        Ok(self.all.0.len() * 1000 + self.some.0.len() * 100 + maybe * 10 + self.old.0.len() + self.folder.0.len())
    }
}

#[pipeline(only(Count))]
struct Daily {
    folder: Folder,
    #[delivery(id = Old)]
    old: Folder,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { folder: Folder(vec![1, 2, 3]), old: Folder(vec![7]) }.run().await?;
    assert_eq!(*run.get::<Count>(), 3234);
    Ok(())
}
