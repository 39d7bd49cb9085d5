//! Retries and time limits: of one factory in `#[factory]`, or of all others in `defaults(…)` of `#[pipeline]`.

mod bytes;
mod duration;
mod retry;

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::errors::{Errors, did_you_mean};
use crate::names::runtime;
use crate::options::{Allowed, Options, Takes, Word};
pub(crate) use duration::ungrouped;
use retry::Retry;

pub(crate) const RETRY: Allowed = Allowed { name: "retry", takes: Takes::Options, usage: "retry(times = 3)" };
pub(crate) const TIMEOUT: Allowed =
    Allowed { name: "timeout", takes: Takes::Expression, usage: "timeout = \"30s\"" };
pub(crate) const TOTAL_TIMEOUT: Allowed =
    Allowed { name: "total_timeout", takes: Takes::Expression, usage: "total_timeout = \"5m\"" };

pub(crate) const CODE: Allowed =
    Allowed { name: "code", takes: Takes::Word, usage: "code = program | package" };

pub(crate) const MEMORY: Allowed =
    Allowed { name: "memory", takes: Takes::Expression, usage: "memory = \"500 MiB\"" };

/// Reads the number of bytes that a factory needs.
pub(crate) fn memory(options: &Options, errors: &mut Errors) -> Option<u64> {
    errors.keep(bytes::of_option(options.expression("memory")?, "memory", "500 MiB"))
}

const MAX_AGE: Allowed = Allowed { name: "max_age", takes: Takes::Expression, usage: "max_age = \"7d\"" };

/// The content of the parentheses of `cache(…)`: the maximum age of an output.
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

    /// Returns `.cache(…)`, a call on a policy.
    pub(crate) fn expand(self) -> TokenStream {
        let setl = runtime(Span::call_site());
        let max_age = self.max_age.map(|max_age| {
            let max_age = expand_duration(max_age);
            quote!(.max_age(#max_age))
        });
        quote!(.cache(#setl::Caching::DEFAULT #max_age))
    }
}

/// The scope of the code that counts for a kept output.
#[derive(Clone, Copy)]
enum CodeScope {
    Program,
    Package,
}

impl CodeScope {
    fn of(options: &Options) -> Option<syn::Result<Self>> {
        let Word { word, arguments } = options.word("code")?;
        Some(match (word.to_string().as_str(), arguments) {
            ("program", None) => Ok(Self::Program),
            ("package", None) => Ok(Self::Package),
            ("program" | "package", Some(_)) => {
                Err(syn::Error::new(word.span(), format!("`{word}` takes nothing: write `code = {word}`")))
            }
            (other, _) => {
                let near = did_you_mean(other, &["program", "package"]);
                Err(syn::Error::new(word.span(), format!("`code` cannot be `{other}`{near}")))
            }
        })
    }

    fn expand(self) -> TokenStream {
        let setl = runtime(Span::call_site());
        match self {
            Self::Program => quote!(.code(#setl::CodeScope::Program)),
            Self::Package => quote!(.code(#setl::CodeScope::Package)),
        }
    }
}

/// The options that factories and the defaults of a pipeline share: retries, time limits, and the scope of the code.
#[derive(Default)]
pub(crate) struct Limits {
    retry: Option<Retry>,
    timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    code: Option<CodeScope>,
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
            code: CodeScope::of(options).and_then(|code| errors.keep(code)),
        };
        limits.check_total(options, errors);
        limits
    }

    /// Checks that the limit of all attempts is not less than the limit of one.
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

    /// Returns `.retry(…).timeout(…).code(…)`, calls on a policy; empty without options.
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
        let code = self.code.map(CodeScope::expand);
        quote!(#retry #timeout #total_timeout #code)
    }
}

/// Expands a duration in its largest whole unit.
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
