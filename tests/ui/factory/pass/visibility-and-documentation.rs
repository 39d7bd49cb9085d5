#![deny(warnings, missing_docs, unreachable_pub, non_camel_case_types, unused_qualifications)]
#![deny( single_use_lifetimes, trivial_casts, unused_results, unused_lifetimes)]
//! Expansions do not warn in the crate of the user.

use setl::prelude::*;

pub mod orders {
    //! A module.

    use setl::prelude::*;

    /// The id of orders.
    pub struct Raw;

    /// Orders.
    #[derive(Clone, Debug)]
    pub struct Orders(pub(crate) Vec<u32>);

    /// Reads.
    #[factory(id = Raw)]
    pub const fn read_orders() -> Orders {
        Orders(Vec::new())
    }

    /// Counts.
    #[factory(output = usize, blocking)]
    #[derive(Debug)]
    pub struct Count {
        #[delivery(id = Raw)]
        orders: Orders,
        /// How many were seen.
        pub seen: usize,
    }

    impl Factory for Count {
        async fn process(&mut self) -> Result<usize> {
            self.seen = self.orders.0.len();
            Ok(self.seen)
        }
    }

    /// In the crate only.
    #[factory]
    pub(crate) async fn show(_count: usize, #[delivery(optional)] _limit: Option<u8>) {}

    /// In the module above only.
    #[factory]
    pub(super) fn fail(#[delivery(optional, id = Raw)] limit: Option<i8>) -> std::io::Result<u16> {
        Ok(u16::from(limit.is_some()))
    }
}

/// Daily.
#[pipeline(
    /// Extracts.
    extract(orders::read_orders),
    #[barrier]
    transform(orders::Count),
    #[sequential]
    #[no_write]
    load(orders::show, orders::fail),
)]
#[derive(Debug)]
pub struct Daily {
    /// The most.
    #[delivery(optional)]
    pub limit: Option<u8>,
    /// With an id.
    #[delivery(optional, id = orders::Raw)]
    pub(crate) other: Option<i8>,
}

fn main() {
    drop(Daily { limit: None, other: None }.run());
}
