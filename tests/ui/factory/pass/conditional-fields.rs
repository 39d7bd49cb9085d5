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
    #[cfg_attr(all(), setl::delivery(shared))]
    by_path: std::sync::Arc<i64>,
    #[cfg_attr(all(), cfg_attr(all(), doc = "Twice.", delivery(id = Day)))]
    within: u8,
    #[cfg(any())]
    nor_this: Undeclared,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<usize> {
        assert_eq!((*self.by_path, self.within), (1, 7));
        Ok(self.names.len().min(self.limit.unwrap_or(u16::MAX).into()))
    }
}

struct Day;

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
    #[cfg_attr(all(), cfg_attr(all(), setl::delivery(id = Day)))]
    day: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { names: vec!["ada".into()], limit: Some(5), day: 7 }.run().await?;
    assert_eq!(*run.get::<Count>(), 1);
    assert_eq!(Daily::plan().inputs.len(), 3);
    assert_eq!(Daily::plan().factories[0].deliveries.len(), 4);
    Ok(())
}
