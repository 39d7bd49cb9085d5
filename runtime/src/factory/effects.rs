//! The effects of a factory, as far as its type shows them.

use std::any::TypeId;

use crate::factory::{Factory, has_write};

/// The properties of a factory that are known before it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    /// The type of the factory.
    pub(crate) item: TypeId,
    /// The name of the function or struct, independent of its name in the pipeline.
    pub(crate) function: &'static str,
    /// A text about its effects outside of its output, if it has any.
    pub(crate) acts: Option<&'static str>,
}

impl Nature {
    pub(crate) fn of<F: Factory>() -> Self {
        let is_storage = |name: &str| name.contains("setl::storage::");
        let acts = if TypeId::of::<F::Output>() == TypeId::of::<()>() {
            Some("it delivers nothing, so that it is there for what it does")
        } else if has_write::<F>() {
            Some("it has a `write` of its own")
        } else if F::undo().is_some() {
            Some("it has a `rollback`")
        } else if F::requirements().iter().any(|requirement| is_storage(requirement.type_name())) {
            Some("it takes a repository, through which it may write")
        } else {
            None
        };
        Self { item: TypeId::of::<F>(), function: F::NAME, acts }
    }
}
