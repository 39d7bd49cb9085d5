//! All three attributes are used where they are imported by name, although `#[delivery]` needs no import.
#![deny(warnings)]

use setl::{delivery, factory, pipeline};

#[factory]
fn count(#[delivery(shared)] names: std::sync::Arc<Vec<String>>) -> usize {
    names.len()
}

#[pipeline(transform(count))]
struct Daily {
    names: Vec<String>,
}

fn without_import() {
    mod inner {
        #[setl::factory]
        pub(super) fn double(#[delivery(shared)] number: std::sync::Arc<u8>) -> u16 {
            u16::from(*number) * 2
        }
    }

    #[setl::pipeline(transform(inner::double))]
    struct Doubled {
        #[delivery(opaque)]
        number: u8,
    }

    let _ = Doubled { number: 1 };
}

fn main() {
    let _ = Daily { names: Vec::new() };
    without_import();
}
