//! What the macros generate, compared with the files in `snapshots/`.
//!
//! `SETL_BLESS=1 cargo test -p setl-macros` writes the files anew: read what has changed.

use std::path::Path;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{factory, pipeline};

/// Compares an expansion with its file, formatted.
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

/// A factory with one delivery, which is all that differs between the kinds of deliveries.
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
