//! Finds out of a concrete type how it can be kept and compared, for generated code.
//!
//! A method of a type is preferred to one of a reference to it, so that the first of several traits that applies is taken.
//! What setl knows itself comes before what serde knows: a feature of Polars lets serde know frames too, and then both apply.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ByFrame, BySerde, Checkpoint, FingerprintOf, Fingerprinted, Persistence, fingerprint_of};
use crate::delivery::Payload;

/// Asks for what a `T` can. Generated code has all traits of this module in scope, and writes:
///
/// - what can be done with an output, if anything: `(&&KeepProbe::<T>::NEW).persistence()`;
/// - how an output is kept that has to be: `keep::<T, _>((&KeepProbe::<T>::NEW).via())`, which gives a [`Persistence`], and
///   our error where it cannot be;
pub struct KeepProbe<T>(PhantomData<fn() -> T>);

impl<T> KeepProbe<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// As [`KeepProbe`], for fingerprints:
///
/// - how it is taken, if it can be: `(&&PrintProbe::<T>::NEW).fingerprint_of()`;
/// - how it is taken of what must have one: `print::<T, _>((&PrintProbe::<T>::NEW).via())`, which gives a
///   [`FingerprintOf`], and our error where there is none.
pub struct PrintProbe<T>(PhantomData<fn() -> T>);

impl<T> PrintProbe<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// How a `T` is kept.
pub const fn keep<T: Payload + Checkpoint<Via>, Via>(_: PhantomData<Via>) -> Persistence {
    Persistence::of::<T, Via>()
}

/// How the fingerprint of a `T` is taken.
pub const fn print<T: Payload + Fingerprinted<Via>, Via>(_: PhantomData<Via>) -> FingerprintOf {
    fingerprint_of::<T, Via>()
}
