//! A pipeline that is put together at run time, with branches that are the same.

use std::sync::Mutex;

use setl::prelude::*;
use setl::run::Event;

#[derive(Clone, serde::Serialize)]
pub(crate) struct Prices(pub(crate) Vec<u64>);

#[factory]
pub(crate) fn clean(prices: Prices) -> Prices {
    Prices(prices.0.into_iter().filter(|price| *price > 0).collect())
}

#[factory]
pub(crate) fn total(prices: Prices) -> u64 {
    prices.0.iter().sum()
}

#[factory]
pub(crate) fn dearest(prices: Prices) -> Option<u64> {
    prices.0.iter().max().copied()
}

/// Two teams clean the same prices, and one of them has its total twice.
pub(crate) fn shop() -> Pipeline {
    let of = |name: &'static str| move |wiring: setl::plan::dynamic::Wiring| wiring.take("prices", name);
    Pipeline::builder("Shop")
        .named_input("prices", Prices(vec![3, 0, 4]))
        .stage("clean")
        .factory_named::<clean>("clean_for_sales", of("prices"))
        .factory_named::<clean>("clean_for_support", of("prices"))
        .stage("report")
        .factory_named::<total>("sales", of("clean_for_sales"))
        .factory_named::<dearest>("dearest", of("clean_for_support"))
        .factory_named::<total>("support", of("clean_for_support"))
        .build()
        .unwrap()
}

/// The factories that began, in their order, and those that were merged.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) began: Mutex<Vec<String>>,
    pub(crate) merged: Mutex<Vec<(String, String)>>,
}

impl Seen {
    pub(crate) fn see(&self, event: &Event<'_>) {
        match event {
            Event::Started { factory } => self.began.lock().unwrap().push((*factory).to_owned()),
            Event::Merged { factory, into } => {
                self.merged.lock().unwrap().push(((*factory).to_owned(), (*into).to_owned()));
            }
            _ => {}
        }
    }

    pub(crate) fn began(&self) -> Vec<String> {
        let mut began = self.began.lock().unwrap().clone();
        began.sort();
        began
    }
}
