//! Whether a factory can be rolled back is found out by itself.

use setl::factory::FactoryItem;
use setl::prelude::*;

#[factory(output = ())]
struct Send<T: Clone> {
    #[delivery]
    message: T,
    sent: Vec<T>,
}

impl<T: Clone + std::marker::Send + Sync + 'static> Factory for Send<T> {
    async fn process(&mut self) -> Result<()> {
        self.sent.push(self.message.clone());
        Ok(())
    }
}

impl<T: Clone + std::marker::Send + Sync + 'static> Rollback for Send<T> {
    async fn rollback(&mut self) -> Result<()> {
        self.sent.clear();
        Ok(())
    }
}

#[factory(output = ())]
struct Log;

impl Factory for Log {
    async fn process(&mut self) -> Result<()> {
        Ok(())
    }
}

#[factory]
fn note() {}

impl Rollback for note {
    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }
}

#[pipeline(load(Send<String>, Log, note))]
struct Daily {
    message: String,
}

fn main() {
    let _ = Daily { message: String::new() };
    assert!(Send::<String>::undo().is_some());
    assert!(Log::undo().is_none());
    assert!(note::undo().is_some());
}
