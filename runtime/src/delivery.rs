//! What a factory can be given.

/// A payload that a delivery can load from a source which the pipeline supplies: `#[delivery(auto_load)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be loaded by `auto_load`",
    label = "only a `Dataset<T>` can be loaded from a `Repository<T>`",
    note = "make the field a `Dataset<T>`, or take the source itself and load it in `read`"
)]
pub trait AutoLoad: Sized {
    /// Where it is loaded from.
    type Source;
    /// What restricts the rows that are loaded.
    type Condition;

    /// Loads all of `source`, or what satisfies `condition`.
    ///
    /// # Errors
    /// When the source cannot be opened or does not have the declared shape.
    fn auto_load(source: &Self::Source, condition: Option<Self::Condition>) -> crate::Result<Self>;
}

/// What the runtime can tell of a payload without computing it.
pub trait Inspect {
    /// Rows, where they are known without running a query.
    fn rows(&self) -> Option<usize>;

    /// Remembers which factory delivered this payload, so that later errors can say so.
    fn set_origin(&mut self, factory: &'static str) {
        let _ = factory;
    }
}

impl<T> Inspect for Vec<T> {
    fn rows(&self) -> Option<usize> {
        Some(self.len())
    }
}
