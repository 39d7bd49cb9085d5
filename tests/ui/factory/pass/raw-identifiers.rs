#![allow(non_camel_case_types)]

use setl::prelude::*;

#[derive(Clone, Debug)]
struct r#struct(u8);

#[factory]
fn r#match(r#type: u8) -> r#struct {
    r#struct(r#type)
}

#[factory(output = u16)]
struct r#impl {
    #[delivery]
    r#fn: r#struct,
    r#mod: u8,
}

impl Factory for r#impl {
    async fn process(&mut self) -> Result<u16> {
        Ok(u16::from(self.r#fn.0 + self.r#mod))
    }
}

#[pipeline(r#move(r#match), r#loop(r#impl))]
struct r#where {
    r#type: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = r#where { r#type: 7 }.run().await?;
    assert_eq!(*run.get::<r#impl>(), 7);
    let plan = r#where::plan();
    assert_eq!((&*plan.pipeline, &*plan.inputs[0].name, &*plan.factories[0].name), ("where", "type", "match"));
    assert_eq!(&*plan.stages[0].name, "move");
    Ok(())
}
