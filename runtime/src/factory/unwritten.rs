//! How it is known of a factory whether it writes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Factory;
use crate::Result;

/// What a `write` comes to that is not overridden: a type of its own, by which that is known.
pub(super) struct Unwritten;

impl Future for Unwritten {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whether this is what a `write` comes to that is not overridden. What is overridden borrows, and has no `TypeId`.
pub(crate) fn is_unwritten<W: Future<Output = Result<()>>>(_: &W) -> bool {
    std::any::type_name::<W>() == std::any::type_name::<Unwritten>()
}

/// Whether a factory has a `write` of its own.
pub(crate) fn has_write<F: Factory>() -> bool {
    fn is_own<'a, F: Factory, W>(_: impl Fn(&'a mut F, &'a F::Output) -> W) -> bool {
        std::any::type_name::<W>() != std::any::type_name::<Unwritten>()
    }
    is_own(F::write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_type_is_taken_for_no_write() {
        assert!(is_unwritten(&Unwritten));
        assert!(!is_unwritten(&std::future::ready(Ok(()))));
        assert!(!is_unwritten(&async { Ok(()) }));
    }
}
