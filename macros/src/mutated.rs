//! Tests with incomplete items, as an editor sees them: the macros never panic, and each stub for an item comes with an error.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proc_macro2::{Group, Punct, Spacing, TokenStream, TokenTree};
use quote::quote;

use crate::{factory, pipeline};

/// Returns all token streams that differ from these tokens in one place: a token is missing, doubled, replaced, swapped with the
/// next one, or it and all later tokens are missing.
fn mutations(tokens: &TokenStream) -> Vec<TokenStream> {
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut found = Vec::new();
    for (index, token) in all.iter().enumerate() {
        let (before, after) = (&all[..index], &all[index + 1..]);
        let with =
            |middle: &[TokenTree]| [before, middle, after].concat().into_iter().collect::<TokenStream>();
        found.push(with(&[]));
        found.push(with(&[token.clone(), token.clone()]));
        found.push(with(&[Punct::new('?', Spacing::Alone).into()]));
        found.push(before.iter().cloned().collect());
        if let Some((next, rest)) = after.split_first() {
            found.push([before, &[next.clone(), token.clone()], rest].concat().into_iter().collect());
        }
        if let TokenTree::Group(group) = token {
            let inner = mutations(&group.stream()).into_iter();
            found.extend(inner.map(|inner| with(&[Group::new(group.delimiter(), inner).into()])));
        }
    }
    found
}

/// Expands all mutations of an attribute and its item, and returns their number.
fn check(
    expand: fn(TokenStream, TokenStream) -> TokenStream,
    arguments: &TokenStream,
    item: &TokenStream,
) -> usize {
    let of_arguments = mutations(arguments).into_iter().map(|arguments| (arguments, item.clone()));
    let of_item = mutations(item).into_iter().map(|item| (arguments.clone(), item));
    let mut count = 0;
    for (arguments, item) in of_arguments.chain(of_item) {
        let written = format!("#[({arguments})] {item}");
        let expansion = catch_unwind(AssertUnwindSafe(|| expand(arguments, item)))
            .unwrap_or_else(|_| panic!("a macro panicked at {written}"))
            .to_string();
        let is_refused = expansion.contains("compile_error !");
        let is_stub = expansion.contains(":: never ()");
        assert!(is_refused || !is_stub, "no error with the stub of {written}");
        let is_whole =
            ["FactoryItem for", "PipelineItem for", "Resolved"].iter().any(|whole| expansion.contains(whole));
        assert!(is_refused || is_whole, "no error, and nothing generated, of {written}");
        count += 1;
    }
    count
}

#[test]
fn factories() {
    let options = quote! {
        id = Clean<u8>, retry(times = 3, backoff = "1s..2s", on = transient), timeout = "30s", on_failure = fallback(a::b<T>),
        when = *limit > 0, resource = RATES, cache(max_age = "7d"), memory = "1 GiB", code = package, crate = facade::setl
    };
    let function = quote! {
        /// Reads.
        #[must_use]
        pub(crate) async fn read<T: Row + for<'a> Tr<'a>, const N: usize>(
            #[delivery(id = Raw, optional, shared)] source: Option<Arc<Repository<T>>>,
            #[delivery(producer = a::b<N>)] mut limit: usize,
            #[delivery(auto_load, condition = A::B.gt(1))] (x, y): (Dataset<F>, [u8; N]),
        ) -> std::result::Result<Dataset<T>, E> where T: Clone {
            source.load(limit).await
        }
    };
    assert!(check(factory::expand, &options, &function) > 1_000);

    let options = quote!(output = Vec<(A, B)>, blocking, volatile, on_failure = skip, total_timeout = "1s");
    let structure = quote! {
        #[derive(Debug)]
        pub struct Delays<T: Row = u8> where T: Clone {
            #[delivery] pub flights: Dataset<Flight>,
            #[delivery(id = X, optional)] late: Option<Vec<T>>,
            #[delivery(default)] cache: Vec<Self>,
            texts: Option<Arc<String>>,
        }
    };
    assert!(check(factory::expand, &options, &structure) > 400);

    let tuple = quote!(
        struct Delays(#[delivery] pub u8, Vec<u8>)
        where
            u8: Copy;
    );
    assert!(check(factory::expand, &quote!(output = u8), &tuple) > 100);
    let conditional = quote! {
        struct Delays { #[cfg(test)] #[delivery] a: u8, #[cfg_attr(test, delivery(shared), doc = "")] b: Arc<u8> }
    };
    assert!(check(factory::expand, &quote!(output = u8), &conditional) > 150);
}

#[test]
fn pipelines() {
    let stages = quote! {
        crate = facade::setl, defaults(timeout = "1s", retry(times = 2)), #[barrier] #[no_write] extract(a::b<u8>, C),
        /** Cleans. */ transform(d, #[doc = ""] e,), #[sequential] load(f), keep(a::b<u8>, C)
    };
    let structure = quote! {
        /// Daily.
        #[derive(Clone)]
        pub(crate) struct Daily {
            #[delivery(id = Raw)] pub a: Repository<A>,
            #[delivery(optional, opaque)] b: Option<Vec<(u8, &'static str)>>,
            c: [u8; 3],
        }
    };
    assert!(check(pipeline::expand, &stages, &structure) > 600);
    assert!(
        check(
            pipeline::expand,
            &quote!(extract(a)),
            &quote!(
                struct Daily;
            )
        ) > 20
    );
}
