//! The inputs of a pipeline that is built at run time.

use std::any::{TypeId, type_name};
use std::sync::Arc;

use super::{Builder, InputDraft, Supply, short_name};
use crate::checkpoint::probe::opaque;
use crate::checkpoint::{FingerprintOf, Fingerprinted, fingerprint_of};
use crate::delivery::Payload;
use crate::pipeline::{AnyPayload, WithId};

impl Builder {
    /// Adds an input, which is delivered to every factory that takes its type.
    pub fn input<T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        self.add_input::<T>(name.into(), Some(TypeId::of::<T>()), None, Some(value), false)
    }

    /// Adds an input with an id, like `#[delivery(id = Id)]`.
    pub fn input_with_id<Id: 'static, T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        let id = Some(short_name(type_name::<Id>()));
        self.add_input::<T>(name.into(), Some(TypeId::of::<WithId<T, Id>>()), id, Some(value), false)
    }

    /// Adds an input that may be absent, for `#[delivery(optional)]`.
    pub fn optional_input<T: Payload>(self, name: impl Into<String>, value: Option<T>) -> Self {
        self.add_input::<T>(name.into(), Some(TypeId::of::<T>()), None, value, true)
    }

    /// Adds an input that is delivered only where its name is requested: see [`Wiring::take`](super::Wiring::take).
    pub fn named_input<T: Payload>(self, name: impl Into<String>, value: T) -> Self {
        self.add_input::<T>(name.into(), None, None, Some(value), false)
    }

    fn add_input<T: Payload>(
        mut self,
        name: String,
        key: Option<TypeId>,
        id: Option<&'static str>,
        value: Option<T>,
        optional: bool,
    ) -> Self {
        let supply = Supply { payload: TypeId::of::<T>(), type_name: type_name::<T>(), key, optional };
        let type_name = if optional { type_name::<Option<T>>() } else { supply.type_name };
        self.inputs.push(InputDraft { name, type_name, id, supply });
        self.payloads.push(value.map(|value| Arc::new(value) as AnyPayload));
        self.fingerprints.push(None);
        self
    }

    /// Compares the previous input between runs, so that outputs that depend on it may be kept: as
    /// [checkpoints](crate::RunBuilder::resume), and in the [cache](crate::cache). For a `#[pipeline]` the compiler selects this.
    ///
    /// ```
    /// use setl::cache::CachePolicy;
    /// use setl::prelude::*;
    ///
    /// #[factory(cache)]
    /// fn squares(up_to: u64) -> Vec<u64> {
    ///     (1..=up_to).map(|number| number * number).collect()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let state = std::env::temp_dir().join(format!("setl-docs-compared-{}", std::process::id()));
    /// for hits in [0, 1] {
    ///     let builder = Pipeline::builder("squares").input("up_to", 3u64).compared::<u64, _>();
    ///     let pipeline = builder.stage("compute").factory::<squares>().build()?;
    ///     let run = pipeline.run().state_dir(&state).await?;
    ///     assert_eq!(run.report().cache()[0].hits, hits);
    /// }
    /// # std::fs::remove_dir_all(state)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn compared<T: Payload + Fingerprinted<Via>, Via>(self) -> Self {
        let type_id = TypeId::of::<T>();
        let is_it = self.inputs.last().is_some_and(|input| input.supply.payload == type_id);
        let mistake = || {
            let name = short_name(type_name::<T>());
            format!("`.compared::<{name}, _>()` comes right after an input of this type: `.input(\"…\", …)`")
        };
        self.input_option(is_it, fingerprint_of::<T, Via>(), mistake)
    }

    /// Ignores changes of the previous input for kept outputs, like `#[delivery(opaque)]`.
    pub fn opaque(self) -> Self {
        let is_there = !self.inputs.is_empty();
        self.input_option(is_there, opaque, || {
            "`.opaque()` comes right after an input: `.input(\"…\", …)`".to_owned()
        })
    }

    fn input_option(
        mut self,
        is_there: bool,
        fingerprint: FingerprintOf,
        mistake: impl FnOnce() -> String,
    ) -> Self {
        match self.fingerprints.last_mut() {
            Some(last) if is_there => *last = Some(fingerprint),
            _ => self.mistakes.push(mistake()),
        }
        self
    }
}
