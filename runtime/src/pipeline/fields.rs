//! Tells of fields that may have been meant as deliveries: fields without `#[delivery]` whose type the pipeline delivers.
//!
//! A method of a type is preferred to one of a reference to it, so that the first field whose type is delivered is told of.
//! `#[factory]` lists the fields as `(Type, Marker, (Type, Marker, ()))`; the marker must be used, with a text that names the
//! field.

use std::marker::PhantomData;

use super::{GiveOneAnIdOrAnotherType, HasExactlyOneProducerOf};

/// The fields of a factory in the pipeline `P`.
pub struct Fields<P, List>(PhantomData<fn() -> (P, List)>);

impl<P, List> Fields<P, List> {
    /// Those that a factory lists.
    pub const fn of(_: PhantomData<List>) -> Self {
        Self(PhantomData)
    }
}

/// Of factories that have no such fields.
pub trait HasNoFields {
    /// The list of them.
    fn __setl_fields() -> PhantomData<()> {
        PhantomData
    }
}

impl<F> HasNoFields for F {}

macro_rules! told_of {
    ($($(#[$doc:meta])* $name:ident: $reference:ty, [$($parameter:ident)*] $($field:ident)? => $lint:ty;)*) => {$(
        $(#[$doc])*
        pub trait $name {
            /// What must be used, if anything.
            type Lint;

            /// Never called: only its type counts.
            fn __setl_lint(self) -> Self::Lint;
        }

        impl<P, $($parameter),*> $name for $reference
        where
            $(P: HasExactlyOneProducerOf<$field, GiveOneAnIdOrAnotherType>,)?
        {
            type Lint = $lint;

            fn __setl_lint(self) -> $lint {
                unreachable!("only its type counts")
            }
        }
    )*};
}

told_of! {
    /// There is no field.
    None: &&&&&&Fields<P, ()>, [] => ();
    /// The first field.
    First: &&&&&Fields<P, (A, M, Rest)>, [A M Rest] A => (M,);
    /// The second field.
    Second: &&&&Fields<P, (A, L, (B, M, Rest))>, [A L B M Rest] B => (M,);
    /// The third field.
    Third: &&&Fields<P, (A, K, (B, L, (C, M, Rest)))>, [A K B L C M Rest] C => (M,);
    /// The fourth field.
    Fourth: &&Fields<P, (A, J, (B, K, (C, L, (D, M, Rest))))>, [A J B K C L D M Rest] D => (M,);
    /// None of them is delivered.
    Others: &Fields<P, List>, [List] => ();
}
