//! Probes of a concrete type for generated code: can it be kept and compared, and how?
//!
//! Rust prefers a method of a type to a method of a reference to it, so the first applicable trait is selected. The names
//! of the methods do not collide with those of a user's traits. The implementations of setl come before those of serde: a
//! feature of Polars implements serde for frames, and then both apply.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::Fingerprint;
use super::{ByFrame, BySerde, Checkpoint, FingerprintOf, Fingerprinted, Persistence, fingerprint_of};
use crate::Result;
use crate::base::AnyPayload;
use crate::delivery::Payload;

/// Probes how a `T` is kept on disk. Generated code has the traits [`KeptByFrame`], [`KeptBySerde`] and [`NotKept`] in
/// scope, and writes:
///
/// - `(&&&Keep::<T>::NEW).__setl_persistence()` for an `Option<Persistence>`, whatever the type;
/// - `keep::<T, _>((&&&Keep::<T>::NEW).__setl_via())` for a [`Persistence`], or the error of setl if there is none.
pub struct Keep<T>(PhantomData<fn() -> T>);

impl<T> Keep<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// Probes how the fingerprint of a `T` is computed. Generated code has the traits [`PrintedByFrame`], [`PrintedBySerde`],
/// [`NotPrinted`] and [`PrintsNot`] in scope, and writes:
///
/// - `(&&&FingerprintProbe::<T>::NEW).__setl_fingerprint_of()` for an `Option<FingerprintOf>`, whatever the type;
/// - `print::<T, _>((&&&FingerprintProbe::<T>::NEW).__setl_via())` for a [`FingerprintOf`], or the error of setl if there is none;
/// - `<PrintsByFrame<T>>::__SETL_PRINTS || <PrintsBySerde<T>>::__SETL_PRINTS` for a constant that is `true` if there is
///   one.
pub struct FingerprintProbe<T>(PhantomData<fn() -> T>);

impl<T> FingerprintProbe<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// Returns the functions that keep a `T`.
pub const fn keep<T: Payload + Checkpoint<Via>, Via>(_: PhantomData<Via>) -> Persistence {
    Persistence::of::<T, Via>()
}

/// Returns the function that computes the fingerprint of a `T`.
pub const fn print<T: Payload + Fingerprinted<Via>, Via>(_: PhantomData<Via>) -> FingerprintOf {
    fingerprint_of::<T, Via>()
}

/// Returns the fingerprint of an input whose changes do not count.
pub fn opaque(_: &AnyPayload) -> Result<Fingerprint> {
    Ok(Fingerprint::of_bytes(b"opaque"))
}

/// Selected for types that setl can keep.
pub trait KeptByFrame<T> {
    /// Returns the marker of the implementation.
    fn __setl_via(&self) -> PhantomData<ByFrame>;
    /// Returns the functions that keep the type.
    fn __setl_persistence(&self) -> Option<Persistence>;
}

impl<T: Payload + Checkpoint<ByFrame>> KeptByFrame<T> for &&Keep<T> {
    fn __setl_via(&self) -> PhantomData<ByFrame> {
        PhantomData
    }

    fn __setl_persistence(&self) -> Option<Persistence> {
        Some(Persistence::of::<T, ByFrame>())
    }
}

/// Selected for types that serde can keep.
pub trait KeptBySerde<T> {
    /// Returns the functions that keep the type.
    fn __setl_persistence(&self) -> Option<Persistence>;
}

impl<T: Payload + Serialize + Deserialize<'static>> KeptBySerde<T> for &Keep<T> {
    fn __setl_persistence(&self) -> Option<Persistence> {
        Some(Persistence::by_serde::<T>())
    }
}

/// Selected for all other types.
pub trait NotKept<T> {
    /// Returns the marker of serde, which the error is about.
    fn __setl_via(&self) -> PhantomData<BySerde>;
    /// Returns `None`.
    fn __setl_persistence(&self) -> Option<Persistence>;
}

impl<T> NotKept<T> for Keep<T> {
    fn __setl_via(&self) -> PhantomData<BySerde> {
        PhantomData
    }

    fn __setl_persistence(&self) -> Option<Persistence> {
        None
    }
}

/// Selected for types whose fingerprint setl can compute.
pub trait PrintedByFrame<T> {
    /// Returns the marker of the implementation.
    fn __setl_via(&self) -> PhantomData<ByFrame>;
    /// Returns the function that computes the fingerprint.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T: Payload + Fingerprinted<ByFrame>> PrintedByFrame<T> for &&FingerprintProbe<T> {
    fn __setl_via(&self) -> PhantomData<ByFrame> {
        PhantomData
    }

    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        Some(fingerprint_of::<T, ByFrame>())
    }
}

/// Selected for types whose fingerprint serde can compute.
pub trait PrintedBySerde<T> {
    /// Returns the function that computes the fingerprint.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T: Payload + Serialize> PrintedBySerde<T> for &FingerprintProbe<T> {
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        Some(fingerprint_of::<T, BySerde>())
    }
}

/// Selected for all other types.
pub trait NotPrinted<T> {
    /// Returns the marker of serde, which the error is about.
    fn __setl_via(&self) -> PhantomData<BySerde>;
    /// Returns `None`.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T> NotPrinted<T> for FingerprintProbe<T> {
    fn __setl_via(&self) -> PhantomData<BySerde> {
        PhantomData
    }

    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        None
    }
}

/// A constant that is `true` if setl has a fingerprint of a `T`. Rust prefers a constant of a type to one of a trait.
pub struct PrintsByFrame<T>(PhantomData<fn() -> T>);

impl<T: Fingerprinted<ByFrame>> PrintsByFrame<T> {
    /// The value for types with a fingerprint.
    pub const __SETL_PRINTS: bool = true;
}

/// A constant that is `true` if serde has a fingerprint of a `T`.
pub struct PrintsBySerde<T>(PhantomData<fn() -> T>);

impl<T: Serialize> PrintsBySerde<T> {
    /// The value for types with a fingerprint.
    pub const __SETL_PRINTS: bool = true;
}

/// The value for all other types.
pub trait PrintsNot {
    /// The value for types without a fingerprint.
    const __SETL_PRINTS: bool = false;
}

impl<T> PrintsNot for PrintsByFrame<T> {}

impl<T> PrintsNot for PrintsBySerde<T> {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#[allow(clippy::needless_borrow, reason = "as generated code writes it")]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Opaque;

    #[derive(serde::Serialize)]
    struct OnlyWritten(u8);

    macro_rules! check {
        ($type:ty: kept $kept:literal, printed $printed:literal) => {
            assert_eq!((&&&Keep::<$type>::NEW).__setl_persistence().is_some(), $kept);
            assert_eq!((&&&FingerprintProbe::<$type>::NEW).__setl_fingerprint_of().is_some(), $printed);
            const _: () = assert!(
                (<PrintsByFrame<$type>>::__SETL_PRINTS || <PrintsBySerde<$type>>::__SETL_PRINTS) == $printed
            );
        };
    }

    #[test]
    #[allow(clippy::needless_borrow, reason = "as in generated code, which does not know the type")]
    fn what_a_type_can_is_found_out() {
        check!(u8: kept true, printed true);
        check!((): kept true, printed true);
        check!(Vec<Option<String>>: kept true, printed true);
        check!(&'static str: kept true, printed true);
        check!((std::borrow::Cow<'static, str>, [&'static [u8]; 2]): kept true, printed true);
        check!(Opaque: kept false, printed false);
        check!(Vec<Opaque>: kept false, printed false);
        check!(OnlyWritten: kept false, printed true);
        let of = print::<OnlyWritten, _>((&&&FingerprintProbe::<OnlyWritten>::NEW).__setl_via());
        let payload: AnyPayload = Arc::new(OnlyWritten(1));
        assert_eq!(of(&payload).unwrap(), 1u8.fingerprint().unwrap());
        of_any::<u8>();
        let _: Persistence = keep::<u8, _>((&&&Keep::<u8>::NEW).__setl_via());
    }

    /// The calls in the code of a generic factory.
    fn of_any<T>() -> (Persistence, FingerprintOf)
    where
        T: Payload + Serialize + serde::de::DeserializeOwned,
    {
        (
            keep::<Vec<T>, _>((&&&Keep::<Vec<T>>::NEW).__setl_via()),
            print::<Vec<T>, _>((&&&FingerprintProbe::<Vec<T>>::NEW).__setl_via()),
        )
    }

    #[cfg(feature = "polars")]
    fn of_any_row<T: crate::Row>() -> (Persistence, FingerprintOf) {
        use crate::Dataset;

        (
            keep::<Dataset<T>, _>((&&&Keep::<Dataset<T>>::NEW).__setl_via()),
            print::<Dataset<T>, _>((&&&FingerprintProbe::<Dataset<T>>::NEW).__setl_via()),
        )
    }

    #[cfg(feature = "polars")]
    #[test]
    fn frames_are_known_whether_or_not_serde_knows_them() {
        use polars::prelude::{DataFrame, LazyFrame};

        use crate::{Dataset, Repository};

        check!(DataFrame: kept true, printed true);
        check!(Dataset<crate::checkpoint::frame::tests::Flight>: kept true, printed true);
        check!(Repository<crate::checkpoint::frame::tests::Flight>: kept false, printed true);
        check!(LazyFrame: kept false, printed false);
        of_any_row::<crate::checkpoint::frame::tests::Flight>();
        let _: PhantomData<ByFrame> = (&&&Keep::<DataFrame>::NEW).__setl_via();
        let _: PhantomData<ByFrame> = (&&&FingerprintProbe::<DataFrame>::NEW).__setl_via();
    }
}
