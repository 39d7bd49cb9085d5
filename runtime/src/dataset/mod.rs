//! Typed data: rows, their columns, and datasets of them.
//!
//! A [`Row`] is a struct whose fields are columns. A [`Dataset<T>`] is a Polars query that is known to deliver the
//! columns of `T`. It stays lazy until it is collected, so that a query built by several factories is optimised as one.

mod blocking;
pub(crate) mod cast;
mod column;
mod condition;
mod contract;
mod error;
mod layout;
pub(crate) mod materialized;
#[cfg_attr(
    not(feature = "optimize"),
    allow(dead_code, reason = "who runs queries together asks for all of it, who saves for little")
)]
pub(crate) mod order;
pub(crate) mod required;
mod row;
pub(crate) mod running;
pub(crate) mod scan;
mod temporal;
mod typed;
mod value;

pub use column::{Column, Operand};
pub use condition::Condition;
pub use contract::{ColumnDef, Mismatch, RowSchema};
pub use error::{DataError, Provenance};
pub use layout::Layout;
pub use row::Row;
pub use setl_macros::Row;
pub use typed::Dataset;
pub use value::{PlainValue, Unrepresentable, Value};

pub(crate) use blocking::waiting;
pub(crate) use temporal::{NANOS_PER_SECOND, days_of, micros_of, nanos_of};
