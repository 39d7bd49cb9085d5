//! The number of rows of an output, as far as it is known.

/// The number of rows of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// The number is unknown.
    Unknown,
    /// The output is a query that has not run yet.
    Lazy,
    /// The number is known.
    Known(usize),
}

impl Rows {
    /// Returns the number if it is known.
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
