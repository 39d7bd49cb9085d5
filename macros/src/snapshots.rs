//! Compares the generated code with the files in `snapshots/`.
//!
//! `SETL_BLESS=1 cargo test -p setl-macros` rewrites the files: review the changes.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{factory, pipeline};

/// Compares a formatted expansion with its file.
fn check(name: &str, expansion: &TokenStream) {
    let file = syn::parse2(expansion.clone()).unwrap_or_else(|error| panic!("{name}: {error}\n{expansion}"));
    let found = prettyplease::unparse(&file);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/snapshots").join(format!("{name}.rs"));
    if std::env::var_os("SETL_BLESS").is_some() {
        std::fs::write(&path, found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(found, expected, "{name} differs from its snapshot; run with SETL_BLESS=1 if that is meant");
}

/// Checks a factory with one delivery, since kinds of deliveries differ only in that.
fn check_delivery(name: &str, parameter: &TokenStream) {
    check(name, &factory::expand(TokenStream::new(), quote!(fn take(#parameter) {})));
}

#[test]
fn struct_factory() {
    let item = quote! {
        /// How late carriers are.
        struct CarrierDelays {
            #[delivery]
            flights: Dataset<Flight>,
            cache: Vec<u8>,
        }
    };
    check("struct_factory", &factory::expand(quote!(output = Delays, id = Clean, blocking), item));
}

#[test]
fn function_factory() {
    let item = quote! {
        /// Reads.
        pub async fn read_flights<T: Row>(source: Repository<T>, limit: usize) -> Result<Dataset<T>> {
            source.load(limit).await
        }
    };
    check("function_factory", &factory::expand(TokenStream::new(), item));
}

#[test]
fn factory_with_policy() {
    let options = quote! {
        output = Rates,
        retry(times = 3, backoff = "100ms..10s", factor = 2, jitter = false, on = is_busy),
        timeout = "30s",
        total_timeout = "1m 30s 5ms",
        on_failure = fallback(CachedRates),
        when = settings.full && *day > 0,
        resource = RATES,
        volatile,
        memory = "2 GiB"
    };
    let item = quote! {
        struct FetchRates {
            #[delivery]
            settings: Settings,
            #[delivery]
            day: u8,
        }
    };
    check("factory_with_policy", &factory::expand(options, item));
}

#[test]
fn factory_that_may_be_skipped() {
    let item = quote! {
        fn report<T: Row>((first, _): (T, T), #[delivery(optional)] rates: Option<Rates>) -> Result<T> {
            Ok(first)
        }
    };
    let options = quote!(
        on_failure = skip,
        when = rates.is_some() || _0.is_due()?,
        retry(times = 0),
        checkpoint,
        cache(max_age = "7d")
    );
    check("factory_that_may_be_skipped", &factory::expand(options, item));
}

#[test]
fn factory_with_mistake() {
    let item = quote! {
        struct Count {
            #[delivery(shared)]
            names: Vec<String>,
        }
    };
    check("factory_with_mistake", &factory::expand(quote!(output = usize), item));
}

#[test]
fn factory_with_conditional_field() {
    let item = quote! {
        struct Count {
            #[cfg(unix)]
            #[delivery]
            names: Vec<String>,
        }
    };
    check("factory_with_conditional_field", &factory::expand(quote!(output = usize), item));
}

#[test]
fn deliveries() {
    check_delivery("delivery_plain", &quote!(flights: Dataset<Flight>));
    check_delivery("delivery_by_id", &quote!(#[delivery(id = Raw)] flights: Dataset<Flight>));
    check_delivery("delivery_by_producer", &quote!(#[delivery(producer = clean)] flights: Dataset<Flight>));
    check_delivery("delivery_optional", &quote!(#[delivery(optional)] rates: Option<Rates>));
    check_delivery("delivery_shared", &quote!(#[delivery(shared)] model: Arc<Model>));
    check_delivery(
        "delivery_optional_shared",
        &quote!(#[delivery(optional, shared)] model: Option<Arc<Model>>),
    );
    check_delivery(
        "delivery_auto_load",
        &quote!(#[delivery(auto_load, condition = late())] flights: Dataset<Flight>),
    );
}

#[test]
fn pipeline_without_mistake() {
    let stages = quote!(
        defaults(retry(times = 2), timeout = "1h"),
        extract(read_flights),
        #[barrier]
        transform(CarrierDelays),
        keep(read_flights)
    );
    let item = quote! {
        pub struct Delays {
            flights: Repository<Flight>,
            #[delivery(optional, id = Backup)]
            rates: Option<Rates>,
        }
    };
    check("pipeline", &pipeline::expand(stages, item));
}

#[test]
fn pipeline_with_mistake() {
    check(
        "pipeline_with_mistake",
        &pipeline::expand(
            quote!(extract()),
            quote!(
                struct Daily;
            ),
        ),
    );
}
