//! Warns of fields that may be meant as deliveries: fields without `#[delivery]` whose type the pipeline delivers.
//!
//! The compiler prefers a method of a type to one of a reference to it, so it selects the first field whose type is delivered.
//! `#[factory]` lists the fields as `(Type, Marker, (Type, Marker, ()))`. The marker must be used, and its message names the
//! field.

use std::marker::PhantomData;

use super::{GiveOneAnIdOrAnotherType, HasExactlyOneProducerOf};

/// The fields of a factory in the pipeline `P`.
pub struct Fields<P, List>(PhantomData<fn() -> (P, List)>);

impl<P, List> Fields<P, List> {
    /// Makes the fields that a factory lists. The references are made here, so that the compiler checks them once.
    pub const fn of<'of>(_: PhantomData<List>) -> &'of &'of &'of &'of &'of &'of Self {
        &&&&&&Self(PhantomData)
    }
}

impl<P> Fields<P, ()> {
    /// The case without fields, which is that of most factories. The compiler looks at no trait for it.
    pub const fn __setl_lint(self: &&&&&&Self) {}
}

/// Implemented for all types. A factory with such fields has a function of the same name, which takes precedence.
pub trait HasNoFields {
    /// Returns the list of fields.
    fn __setl_fields() -> PhantomData<()> {
        PhantomData
    }
}

impl<F> HasNoFields for F {}

macro_rules! told_of {
    ($($(#[$doc:meta])* $name:ident: $reference:ty, [$($parameter:ident)*] $($field:ident)? => $lint:ty;)*) => {$(
        $(#[$doc])*
        pub trait $name {
            /// A type that must be used, or `()`.
            type Lint;

            /// Is never called: only its type counts.
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
    /// The first field.
    First: &&&&&Fields<P, (A, M, Rest)>, [A M Rest] A => (M,);
    /// The second field.
    Second: &&&&Fields<P, (A, L, (B, M, Rest))>, [A L B M Rest] B => (M,);
    /// The third field.
    Third: &&&Fields<P, (A, K, (B, L, (C, M, Rest)))>, [A K B L C M Rest] C => (M,);
    /// The fourth field.
    Fourth: &&Fields<P, (A, J, (B, K, (C, L, (D, M, Rest))))>, [A J B K C L D M Rest] D => (M,);
    /// The case that none of the fields is delivered.
    Others: &Fields<P, List>, [List] => ();
}
