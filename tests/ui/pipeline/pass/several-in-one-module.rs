use setl::prelude::*;

#[factory]
fn read() -> Vec<u8> {
    vec![1, 2]
}

#[factory]
fn count(values: Vec<u8>) -> usize {
    values.len()
}

#[factory]
fn show(_values: Vec<u8>) {}

/// No inputs, as a unit struct.
#[pipeline(extract(read), transform(count))]
struct Daily;

/// No inputs, as an empty struct.
#[pipeline(extract(read), transform(show))]
struct Weekly {}

/// The same factory, and an input in place of another.
#[pipeline(transform(count, show))]
pub struct Monthly {
    values: Vec<u8>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    assert_eq!(*Daily.run().await?.get::<count>(), 2);
    Weekly {}.run().await?;
    let monthly = Monthly { values: vec![1] };
    assert_eq!(*monthly.run().await?.get::<count>(), 1);
    Ok(())
}
