//! Detects if a factory writes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Factory;
use crate::Result;

/// The future of a `write` that is not overridden: its type identifies it.
pub(super) struct Unwritten;

impl Future for Unwritten {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns `true` if this is the future of a `write` that is not overridden. An overridden one borrows, and has no `TypeId`.
pub(crate) fn is_unwritten<W: Future<Output = Result<()>>>(_: &W) -> bool {
    std::any::type_name::<W>() == std::any::type_name::<Unwritten>()
}

/// Returns `true` if a factory overrides `write`.
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
