//! Retries and timeouts: of one factory in `#[factory]`, of all that say nothing else in `defaults(…)` of `#[pipeline]`.

mod duration;
mod retry;

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::errors::Errors;
use crate::names::runtime;
use crate::options::{Allowed, Options, Takes};
pub(crate) use duration::ungrouped;
use retry::Retry;

pub(crate) const RETRY: Allowed = Allowed { name: "retry", takes: Takes::Options, usage: "retry(times = 3)" };
pub(crate) const TIMEOUT: Allowed =
    Allowed { name: "timeout", takes: Takes::Expression, usage: "timeout = \"30s\"" };
pub(crate) const TOTAL_TIMEOUT: Allowed =
    Allowed { name: "total_timeout", takes: Takes::Expression, usage: "total_timeout = \"5m\"" };

const MAX_AGE: Allowed = Allowed { name: "max_age", takes: Takes::Expression, usage: "max_age = \"7d\"" };

/// For how long an output is good: what stands in the parentheses of `cache(…)`, if there are any.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caching {
    max_age: Option<Duration>,
}

impl Caching {
    pub(crate) fn of(options: Option<&TokenStream>, errors: &mut Errors) -> Self {
        let Some(tokens) = options else { return Self::default() };
        let options = Options::parse(tokens.clone(), "cache(...)", &[MAX_AGE], errors);
        let max_age = options.expression("max_age");
        Self { max_age: max_age.and_then(|value| errors.keep(duration::of_option(value, "max_age", "7d"))) }
    }

    /// `.cache(…)`, to be called on a policy.
    pub(crate) fn expand(self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let max_age = self.max_age.map(|max_age| {
            let max_age = expand_duration(max_age);
            quote!(.max_age(#max_age))
        });
        quote!(.cache(#setl::Caching::DEFAULT #max_age))
    }
}

/// How often something is tried, and how long it may take.
#[derive(Default)]
pub(crate) struct Limits {
    retry: Option<Retry>,
    timeout: Option<Duration>,
    total_timeout: Option<Duration>,
}

impl Limits {
    pub(crate) fn of(options: &Options, errors: &mut Errors) -> Self {
        let retry = options.name("retry").zip(options.options("retry"));
        let mut time = |name, example| {
            let value = options.expression(name)?;
            errors.keep(duration::of_option(value, name, example))
        };
        let (timeout, total_timeout) = (time("timeout", "30s"), time("total_timeout", "5m"));
        let limits = Self {
            retry: retry.and_then(|(name, tokens)| Retry::parse(name, tokens.clone(), errors)),
            timeout,
            total_timeout,
        };
        limits.check_total(options, errors);
        limits
    }

    /// What all attempts take together is at least what one of them takes.
    fn check_total(&self, options: &Options, errors: &mut Errors) {
        if let (Some(timeout), Some(total)) = (self.timeout, self.total_timeout)
            && total < timeout
        {
            errors.at(
                options.expression("total_timeout"),
                format!(
                    "`total_timeout` is for all attempts together, and one of them may take {} already: make it longer, or \
                     remove `timeout`",
                    humantime::format_duration(timeout)
                ),
            );
        }
    }

    /// `.retry(…).timeout(…)`, to be called on a policy; empty if nothing was said.
    pub(crate) fn expand(&self) -> TokenStream {
        let retry = self.retry.as_ref().map(|retry| {
            let retry = retry.expand();
            quote!(.retry(#retry))
        });
        let timeout = self.timeout.map(|timeout| {
            let timeout = expand_duration(timeout);
            quote!(.timeout(#timeout))
        });
        let total_timeout = self.total_timeout.map(|timeout| {
            let timeout = expand_duration(timeout);
            quote!(.total_timeout(#timeout))
        });
        quote!(#retry #timeout #total_timeout)
    }
}

/// In the largest unit that it is a whole number of.
fn expand_duration(duration: Duration) -> TokenStream {
    let setl = runtime(Span::call_site());
    let (seconds, micros) = (duration.as_secs(), duration.subsec_micros());
    if micros == 0 {
        quote!(#setl::Duration::from_secs(#seconds))
    } else if micros.is_multiple_of(1000) {
        let millis = seconds * 1000 + u64::from(micros / 1000);
        quote!(#setl::Duration::from_millis(#millis))
    } else {
        let micros = seconds * 1_000_000 + u64::from(micros);
        quote!(#setl::Duration::from_micros(#micros))
    }
}
