//! The tables, each a delivery of its own type.

use polars::prelude::*;
use setl::prelude::*;

use super::{Deliver, Directory};
use crate::tables::{Tables, file, scan};

macro_rules! tables {
    ($($table:ident $name:ident)*) => {$(
        #[derive(Clone)]
        pub struct $table(pub LazyFrame);

        #[factory]
        pub async fn $name(directory: Directory, deliver: Deliver, context: Context) -> Result<$table> {
            // What is cached of it holds as long as the file is the same.
            context.depends_on(file(&directory.0, stringify!($name)))?;
            Ok($table(deliver.frame(scan(&directory.0, stringify!($name))?).await?))
        }
    )*};
}

tables! {
    Region region
    Nation nation
    Supplier supplier
    Customer customer
    Part part
    Partsupp partsupp
    Orders orders
    Lineitem lineitem
}

/// All of them, as the queries take them that are written by hand.
#[factory]
#[expect(clippy::too_many_arguments)]
pub async fn tables(
    region: Region,
    nation: Nation,
    supplier: Supplier,
    customer: Customer,
    part: Part,
    partsupp: Partsupp,
    orders: Orders,
    lineitem: Lineitem,
) -> Tables {
    Tables {
        region: region.0,
        nation: nation.0,
        supplier: supplier.0,
        customer: customer.0,
        part: part.0,
        partsupp: partsupp.0,
        orders: orders.0,
        lineitem: lineitem.0,
    }
}
