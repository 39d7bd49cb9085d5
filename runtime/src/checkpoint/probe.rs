//! Finds out of a concrete type how it can be kept and compared, for generated code.
//!
//! A method of a type is preferred to one of a reference to it, so that the first of several traits that applies is taken.
//! The methods have names that no trait in the scope of a user has. What setl knows itself comes before what serde knows: a feature of Polars lets serde know frames too, and then both apply.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::Fingerprint;
use super::{ByFrame, BySerde, Checkpoint, FingerprintOf, Fingerprinted, Persistence, fingerprint_of};
use crate::Result;
use crate::delivery::Payload;
use crate::pipeline::AnyPayload;

/// Asks how a `T` is kept on disk. Generated code has the traits [`KeptByFrame`], [`KeptBySerde`] and [`NotKept`] in scope,
/// and writes:
///
/// - `(&&&Keep::<T>::NEW).__setl_persistence()` for an `Option<Persistence>`, whatever the type;
/// - `keep::<T, _>((&&&Keep::<T>::NEW).__setl_via())` for a [`Persistence`], and our error where there is none.
pub struct Keep<T>(PhantomData<fn() -> T>);

impl<T> Keep<T> {
    /// The probe of this type.
    pub const NEW: Self = Self(PhantomData);
}

/// Asks how the fingerprint of a `T` is taken. Generated code has the traits [`PrintedByFrame`], [`PrintedBySerde`],
/// [`NotPrinted`] and [`PrintsNot`] in scope, and writes:
///
/// - `(&&&Print::<T>::NEW).__setl_fingerprint_of()` for an `Option<FingerprintOf>`, whatever the type;
/// - `print::<T, _>((&&&Print::<T>::NEW).__setl_via())` for a [`FingerprintOf`], and our error where there is none;
/// - `<PrintsByFrame<T>>::__SETL_PRINTS || <PrintsBySerde<T>>::__SETL_PRINTS` for a constant that tells whether there is one.
pub struct Print<T>(PhantomData<fn() -> T>);

impl<T> Print<T> {
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

/// The fingerprint of an input of which nobody cares whether it changes.
pub fn opaque(_: &AnyPayload) -> Result<Fingerprint> {
    Ok(Fingerprint::of_bytes(b"opaque"))
}

/// Of types that setl knows how to keep.
pub trait KeptByFrame<T> {
    /// How to say so.
    fn __setl_via(&self) -> PhantomData<ByFrame>;
    /// How it is kept.
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

/// Of types that serde knows how to keep.
pub trait KeptBySerde<T> {
    /// How it is kept.
    fn __setl_persistence(&self) -> Option<Persistence>;
}

impl<T: Payload + Serialize + Deserialize<'static>> KeptBySerde<T> for &Keep<T> {
    fn __setl_persistence(&self) -> Option<Persistence> {
        Some(Persistence::by_serde::<T>())
    }
}

/// Of all other types.
pub trait NotKept<T> {
    /// It is asked of serde, which is what the error is about.
    fn __setl_via(&self) -> PhantomData<BySerde>;
    /// It is not.
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

/// Of types whose fingerprint setl knows how to take.
pub trait PrintedByFrame<T> {
    /// How to say so.
    fn __setl_via(&self) -> PhantomData<ByFrame>;
    /// How it is taken.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T: Payload + Fingerprinted<ByFrame>> PrintedByFrame<T> for &&Print<T> {
    fn __setl_via(&self) -> PhantomData<ByFrame> {
        PhantomData
    }

    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        Some(fingerprint_of::<T, ByFrame>())
    }
}

/// Of types whose fingerprint serde knows how to take.
pub trait PrintedBySerde<T> {
    /// How it is taken.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T: Payload + Serialize> PrintedBySerde<T> for &Print<T> {
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        Some(fingerprint_of::<T, BySerde>())
    }
}

/// Of all other types.
pub trait NotPrinted<T> {
    /// It is asked of serde, which is what the error is about.
    fn __setl_via(&self) -> PhantomData<BySerde>;
    /// There is none.
    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf>;
}

impl<T> NotPrinted<T> for Print<T> {
    fn __setl_via(&self) -> PhantomData<BySerde> {
        PhantomData
    }

    fn __setl_fingerprint_of(&self) -> Option<FingerprintOf> {
        None
    }
}

/// Tells by a constant whether setl has a fingerprint of a `T`: a constant of a type is preferred to one of a trait.
pub struct PrintsByFrame<T>(PhantomData<fn() -> T>);

impl<T: Fingerprinted<ByFrame>> PrintsByFrame<T> {
    /// It has.
    pub const __SETL_PRINTS: bool = true;
}

/// Tells by a constant whether serde has a fingerprint of a `T`.
pub struct PrintsBySerde<T>(PhantomData<fn() -> T>);

impl<T: Serialize> PrintsBySerde<T> {
    /// It has.
    pub const __SETL_PRINTS: bool = true;
}

/// Of all other types.
pub trait PrintsNot {
    /// It has not.
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
            assert_eq!((&&&Print::<$type>::NEW).__setl_fingerprint_of().is_some(), $printed);
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
        let of = print::<OnlyWritten, _>((&&&Print::<OnlyWritten>::NEW).__setl_via());
        let payload: AnyPayload = Arc::new(OnlyWritten(1));
        assert_eq!(of(&payload).unwrap(), 1u8.fingerprint().unwrap());
        of_any::<u8>();
        let _: Persistence = keep::<u8, _>((&&&Keep::<u8>::NEW).__setl_via());
    }

    /// As in the code of a generic factory.
    fn of_any<T>() -> (Persistence, FingerprintOf)
    where
        T: Payload + Serialize + serde::de::DeserializeOwned,
    {
        (
            keep::<Vec<T>, _>((&&&Keep::<Vec<T>>::NEW).__setl_via()),
            print::<Vec<T>, _>((&&&Print::<Vec<T>>::NEW).__setl_via()),
        )
    }

    #[cfg(feature = "polars")]
    fn of_any_row<T: crate::Row>() -> (Persistence, FingerprintOf) {
        use crate::Dataset;

        (
            keep::<Dataset<T>, _>((&&&Keep::<Dataset<T>>::NEW).__setl_via()),
            print::<Dataset<T>, _>((&&&Print::<Dataset<T>>::NEW).__setl_via()),
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
        let _: PhantomData<ByFrame> = (&&&Print::<DataFrame>::NEW).__setl_via();
    }
}
