//! What can be kept, and what need not be compared.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde::de::DeserializeOwned;
use setl::prelude::*;

/// Has no fingerprint, and needs none.
#[derive(Clone)]
struct Secret(#[allow(dead_code)] &'static str);

#[derive(Clone, Serialize)]
struct MinDelay(f64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flights(Vec<f64>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept<T>(T);

#[factory(volatile)]
fn ask(secret: Secret) -> f64 {
    secret.0.len() as f64
}

#[factory(checkpoint)]
fn flights(_secret: Secret, min_delay: MinDelay, asked: f64) -> Flights {
    Flights(vec![min_delay.0, asked])
}

#[factory(checkpoint, output = Kept<T>)]
struct Keep<T: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static> {
    #[delivery]
    what: T,
}

impl<T: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static> Factory for Keep<T> {
    async fn process(&mut self) -> Result<Kept<T>> {
        Ok(Kept(self.what.clone()))
    }
}

#[factory(checkpoint)]
async fn announce(kept: Kept<Flights>) {
    assert_eq!(kept, Kept(Flights(vec![15.0, 6.0])));
}

#[pipeline(extract(ask, flights), transform(Keep<Flights>), load(announce))]
struct Delays {
    #[delivery(opaque)]
    secret: Secret,
    min_delay: MinDelay,
}

/// Of what is above something volatile, only the content of that counts.
#[derive(Clone)]
struct Unknown(f64);

#[factory(volatile)]
fn known(unknown: Unknown) -> f64 {
    unknown.0
}

#[factory(checkpoint)]
fn double(known: f64) -> Kept<f64> {
    Kept(known * 2.0)
}

#[pipeline(extract(known), transform(double))]
struct BelowVolatile {
    unknown: Unknown,
}

#[tokio::main]
async fn main() -> Result<()> {
    let state = std::env::temp_dir().join(format!("setl-ui-checkpoints-{}", std::process::id()));
    let delays = Delays { secret: Secret("secret"), min_delay: MinDelay(15.0) };
    delays.run().resume().state_dir(&state).await?;
    let run = BelowVolatile { unknown: Unknown(1.5) }.run().resume().state_dir(&state).await?;
    assert_eq!(run.get::<double>(), &Kept(3.0));
    std::fs::remove_dir_all(state)?;
    Ok(())
}
