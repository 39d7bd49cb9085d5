//! Options whose values come through a `macro_rules!` macro.

use setl::policy::Resource;
use setl::prelude::*;

static SERVICE: Resource = Resource::new("service");

#[factory]
fn cached() -> u8 {
    1
}

macro_rules! fetch {
    (
        $name:ident($delivery:ident: $ty:ty) -> $output:ty, $times:expr, $wait:literal, $on:expr, $timeout:expr, $other:ty,
        $when:expr, $resource:path
    ) => {
        #[factory(
            retry(times = $times, backoff = $wait, factor = 2, jitter = false, on = $on),
            timeout = $timeout,
            on_failure = fallback($other),
            when = $when,
            resource = $resource
        )]
        fn $name($delivery: $ty) -> Result<$output> {
            Ok($delivery.len() as $output)
        }
    };
}

fetch!(
    fetch(service: String) -> u8, 3, "1s..2s", transient, "3s", cached, !service.is_empty(), SERVICE
);

#[factory(output = u16, when = !names.is_empty(), on_failure = skip)]
struct Count {
    #[cfg(all())]
    #[delivery]
    names: Vec<String>,
    #[cfg(any())]
    #[delivery]
    numbers: Vec<u8>,
}

impl Factory for Count {
    async fn process(&mut self) -> Result<u16> {
        Ok(self.names.len() as u16)
    }
}

#[pipeline(defaults(timeout = "1s"), extract(fetch, Count))]
struct Daily {
    service: String,
    #[cfg(all())]
    names: Vec<String>,
}

fn main() {
    let _ = Daily { service: String::new(), names: Vec::new() };
    assert!(Daily::plan().factories.iter().all(|node| node.policy.is_skippable()));
}
