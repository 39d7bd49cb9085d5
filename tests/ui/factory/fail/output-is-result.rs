use setl::prelude::*;

#[factory(output = Result<f64>)]
struct Price;

impl Factory for Price {
    async fn process(&mut self) -> Result<f64> {
        Ok(1.0)
    }
}

#[factory(output = std::result::Result<u8, String>)]
struct Checked;

impl Factory for Checked {
    async fn process(&mut self) -> Result<Self::Output> {
        Ok(Ok(1))
    }
}

#[pipeline(extract(Price, Checked))]
struct Daily;

fn main() {}
