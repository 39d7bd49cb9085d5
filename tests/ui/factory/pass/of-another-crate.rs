//! Several foreign factories beside local ones: the compiler must know that their outputs differ.
use elsewhere::{Clean, Load, Names, Raw, discard, read_names};
use setl::prelude::*;

#[factory]
fn shout(names: Names, #[delivery(id = Raw)] raw: Names) -> String {
    format!("{} was {:?}", names.0.join(" ").to_uppercase(), raw.0)
}

#[factory(output = u64, id = Raw)]
struct Length {
    #[delivery(producer = shout)]
    text: String,
    #[delivery(producer = elsewhere::Load<u8>)]
    loaded: Vec<u8>,
}

impl Factory for Length {
    async fn process(&mut self) -> Result<u64> {
        Ok((self.text.len() + self.loaded.len()) as u64)
    }
}

#[pipeline(
    extract(read_names, Load<u8>, Load<i16>),
    transform(Clean, shout, Length),
    load(discard<u8>, discard::<i16>),
    keep(shout),
)]
struct Daily {
    byte: u8,
    short: i16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let run = Daily { byte: 1, short: 2 }.run().await?;
    assert_eq!(run.get::<shout>(), "ADA was [\" ada \"]");
    assert_eq!(*run.get::<Length>(), 18);
    Ok(())
}
