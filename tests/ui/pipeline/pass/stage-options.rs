use setl::prelude::*;

#[factory]
fn first() -> u8 {
    1
}

#[factory]
fn second() -> u16 {
    2
}

#[factory]
fn third(_first: u8, _second: u16) -> u32 {
    3
}

#[pipeline(
    /// Documentation is welcome.
    #[barrier]
    #[sequential]
    #[no_write]
    extract(first, second,),
    #[no_write] #[barrier] transform(third)
)]
struct Daily;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let plan = Daily::plan();
    assert!(plan.stages[0].barrier && plan.stages[0].sequential && plan.stages[1].no_write);
    assert_eq!(*Daily.run().await?.get::<third>(), 3);
    Ok(())
}
