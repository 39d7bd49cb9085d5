//! The number of rows of an output, as far as it is known.

/// The rows of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Their number is unknown.
    Unknown,
    /// It is a query that nothing has run yet.
    Lazy,
    /// There are this many.
    Known(usize),
}

impl Rows {
    /// Their number.
    pub const fn known(self) -> Option<usize> {
        match self {
            Rows::Known(rows) => Some(rows),
            Rows::Unknown | Rows::Lazy => None,
        }
    }
}

impl From<Option<usize>> for Rows {
    fn from(rows: Option<usize>) -> Self {
        rows.map_or(Rows::Unknown, Rows::Known)
    }
}
