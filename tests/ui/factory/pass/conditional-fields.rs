use setl::prelude::*;

/// Counts.
#[derive(Debug)]
#[factory(output = usize)]
struct Count {
    #[cfg(all())]
    #[delivery]
    names: Vec<String>,
    #[cfg(any())]
    #[delivery]
    never: Undeclared,
    #[cfg_attr(all(), delivery(optional))]
    limit: Option<u16>,
    #[cfg(any())]
    nor_this: Undeclared,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        Ok(self.names.len().min(self.limit.unwrap_or(u16::MAX).into()))
    }
}

#[cfg(any())]
#[factory]
fn read_names() -> Undeclared {}

#[cfg(all())]
#[factory]
fn show(_unused: i64) {}

#[cfg(all())]
#[factory]
fn more() -> i64 {
    1
}

#[pipeline(transform(Count, more), load(show))]
struct Daily {
    names: Vec<String>,
    #[cfg(any())]
    never: Undeclared,
    #[cfg(all())]
    #[delivery(optional)]
    limit: Option<u16>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { names: vec!["ada".into()], limit: Some(5) }.run().await?;
    assert_eq!(*run.get::<Count>(), 1);
    assert_eq!(Daily::plan().inputs.len(), 2);
    assert_eq!(Daily::plan().factories[0].deliveries.len(), 2);
    Ok(())
}
