//! Collects every mistake of an item, so that all of them are reported at once.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// The mistakes found so far in one item.
///
/// A check records its mistakes and continues. The owner must call [`Errors::finish`]. A drop without that call would lose the
/// mistakes, so it panics.
pub(crate) struct Errors {
    found: Option<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: Some(Vec::new()) }
    }

    /// Records a mistake and underlines all of `place`.
    pub(crate) fn at(&mut self, place: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(place, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        if let Some(found) = &mut self.found {
            found.push(error);
        }
    }

    /// Records the mistake of a failed step, or returns the value of a successful one.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.as_ref().is_none_or(Vec::is_empty)
    }

    /// Returns the `compile_error!` calls for all mistakes, to go with a stub. It is never empty: a stub without an error would
    /// pass as the real item.
    pub(crate) fn finish_for_stub(mut self) -> TokenStream {
        if self.is_empty() {
            let message = "setl cannot read this item and does not know why: please report it";
            self.push(syn::Error::new(proc_macro2::Span::call_site(), message));
        }
        self.finish()
    }

    /// Returns the same errors as [`Errors::finish_for_stub`]: the first mistake as a type, the others as items.
    ///
    /// The compiler reports no further error for a value of that type. So it replaces a type that is unknown because of the
    /// mistake.
    pub(crate) fn finish_as_type(mut self) -> (TokenStream, TokenStream) {
        let found = self.found.take().unwrap_or_default();
        let mut calls = found.into_iter().flatten().map(|error| error.to_compile_error());
        let first = calls.next().unwrap_or_else(|| Self::new().finish_for_stub());
        // In the place of a type, `compile_error` expands to `()`. In a length, it makes the whole type erroneous.
        (quote::quote!([(); { #first }]), calls.collect())
    }

    /// Returns the `compile_error!` calls for all mistakes; empty if there are none.
    pub(crate) fn finish(mut self) -> TokenStream {
        let found = self.found.take().unwrap_or_default();
        found.iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if self.found.is_some() && !std::thread::panicking() {
            panic!("the errors of an item were collected but never reported");
        }
    }
}

/// Removes a repeated attribute of setl from an item, since it would declare the item again.
pub(crate) fn take_repeated(attributes: &mut Vec<syn::Attribute>, name: &str, errors: &mut Errors) {
    let (repeated, others): (Vec<_>, Vec<_>) =
        std::mem::take(attributes).into_iter().partition(|attribute| crate::names::is(attribute, name));
    *attributes = others;
    for again in repeated {
        errors.at(again, format!("`#[{name}]` is given twice: put all options into one"));
    }
}

/// Returns `, did you mean `barrier`?` if `word` is similar to one of `allowed`, or else the list of allowed words.
pub(crate) fn did_you_mean(word: &str, allowed: &[&str]) -> String {
    let near = allowed
        .iter()
        .map(|&candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, candidate)) => format!(", did you mean `{candidate}`?"),
        None if allowed.is_empty() => ": it takes none".to_owned(),
        None => format!(": expected one of {}", listed(allowed)),
    }
}

/// Quotes words as in `` `a`, `b`, `c` ``.
pub(crate) fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
