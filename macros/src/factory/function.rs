//! `#[factory] fn`: every parameter is a delivery, the return type is the output.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, Ident, Pat, PathArguments, ReturnType, Signature, Type,
    Visibility, parse_quote,
};

use super::conduct::Conduct;
use super::expand::owned;
use super::{Model, NO_LIFETIMES, OF_FUNCTION, check_output, fallback, mistake_in_output};
use crate::attributes::{allow_owned_parameters, inherited, under};
use crate::delivery::{AllowedOf, Delivery, first_type_argument, take_options};
use crate::errors::{Errors, take_repeated};
use crate::names::{Place, Unnameable, is_sized, local, make_static, owning, runtime, ungrouped, unnameable};
use crate::options::Options;

/// A function whose body is not parsed: the compiler reports mistakes in an incomplete body.
#[derive(Clone)]
pub(super) struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
    body: TokenStream,
}

impl Function {
    fn has_body(&self) -> bool {
        matches!(self.body.clone().into_iter().next(), Some(TokenTree::Group(_)))
    }
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (attrs, vis, sig) = (input.call(Attribute::parse_outer)?, input.parse()?, input.parse()?);
        Ok(Self { attrs, vis, sig, body: input.parse()? })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, sig, body } = self;
        tokens.extend(quote!(#(#attrs)* #vis #sig #body));
    }
}

/// Leaves the function unchanged, and adds a struct of the same name.
///
/// ```text
/// fn read_flights(source: Repository<Flight>) -> Result<Dataset<Flight>> { … }
///
/// struct read_flights { deliveries: Option<(Repository<Flight>,)>, … }
/// impl Factory for read_flights { … }
/// ```
pub(super) fn expand(arguments: TokenStream, mut item: Function) -> TokenStream {
    let mut errors = Errors::new();
    let said = arguments.clone();
    let options = Options::parse(arguments, "#[factory]", OF_FUNCTION, &mut errors);
    take_repeated(&mut item.attrs, "factory", &mut errors);
    check_signature(&item, &mut errors);

    let code = crate::code::of(&item.sig.ident, &quote!(#said #item));
    let mut deliveries = Vec::new();
    let has_lifetimes = item.sig.generics.lifetimes().next().is_some();
    for parameter in &mut item.sig.inputs {
        match parameter {
            FnArg::Receiver(receiver) => {
                errors.at(
                    receiver,
                    "a method cannot be a factory: write a free function, or `#[factory(output = Type)]` on the struct",
                );
            }
            FnArg::Typed(parameter) => {
                parameter.attrs.retain(|attribute| {
                    let name = ["cfg", "cfg_attr"].into_iter().find(|name| crate::names::is(attribute, name));
                    if let Some(name) = name {
                        let message =
                            format!("`#[{name}]` on a parameter of a factory: put `#[cfg]` on two versions of the function");
                        errors.at(attribute, message);
                    }
                    name != Some("cfg_attr")
                });
                let options =
                    take_options(&mut parameter.attrs, AllowedOf::Factory, &mut errors).unwrap_or_default();
                let place = parameter_name(&parameter.pat).ok_or(deliveries.len());
                let mut ty = (*parameter.ty).clone();
                if has_lifetimes {
                    // The mistake is that the type borrows.
                    ty = owning(&ty);
                }
                deliveries.push(Delivery::new(place, ty, &options, &mut errors));
            }
        }
    }
    let conduct = Conduct::of(&options, &item.sig.ident, &mut errors);
    if !can_fail(&item, &options, &deliveries) {
        conduct.check_infallible(&item.sig.ident, &mut errors);
    }
    if !errors.is_empty() {
        // A method is in a block that cannot contain a struct.
        let is_method = item.sig.receiver().is_some() || !item.has_body();
        let item = without_borrow(item);
        if is_method {
            let errors = errors.finish_for_stub();
            return quote!(#item #errors);
        }
        let (declaration, stub) = stub(&item, errors);
        let stub = under(&inherited(&item.attrs), stub);
        // The compiler would report an unsized value again.
        let item = has_sizes(&item).then_some(&item);
        return quote!(#item #declaration #stub);
    }
    let types = deliveries.iter().map(|delivery| &delivery.ty);
    let deliveries_type = quote!((#(#types,)*));
    let values = (0..deliveries.len()).map(|index| local(&format!("__{index}")));
    let model = Model {
        name: item.sig.ident.clone(),
        generics: item.sig.generics.clone(),
        output: output_of(&item),
        id: options.type_of("id").cloned(),
        is_function: true,
        returned: returned_alias(&item).cloned(),
        blocking: options.flag("blocking").is_some() || item.sig.asyncness.is_none(),
        assemble: {
            let setl = runtime(Span::call_site());
            quote!(Self { deliveries: #setl::Some((#(#values,)*)), marker: #setl::PhantomData })
        },
        conduct,
        deliveries,
        code,
    };
    let declaration = declare(&item, &deliveries_type);
    let body = implement(&item, model.deliveries.len());
    let expansion = model.expand();
    errors.finish();
    let parameters = item.sig.inputs.iter().flat_map(|parameter| match parameter {
        FnArg::Typed(parameter) => parameter.attrs.as_slice(),
        FnArg::Receiver(_) => &[],
    });
    let generated = under(&inherited(item.attrs.iter().chain(parameters)), quote!(#expansion #body));
    allow_owned_parameters(&mut item.attrs);
    quote!(#item #declaration #generated)
}

/// Declares the struct that represents the function in a pipeline.
fn declare(item: &Function, deliveries: &TokenStream) -> TokenStream {
    let setl = runtime(Span::call_site());
    let name = &item.sig.ident;
    // These brackets are not the user's. The compiler's proposals for them apply to the function.
    let brackets = item.sig.generics.params.is_empty().then(|| quote!(<>));
    let visibility = &item.vis;
    let (generics, where_clause) = (&item.sig.generics, &item.sig.generics.where_clause);
    let docs = item
        .attrs
        .iter()
        .filter(|attribute| ["doc", "deprecated"].iter().any(|name| attribute.path().is_ident(name)));
    let inherited = inherited(&item.attrs);
    let types = item.sig.generics.type_params().map(|parameter| &parameter.ident);
    quote! {
        #(#docs)*
        #inherited
        #[allow(non_camel_case_types, reason = "stands for the function of the same name")]
        #visibility struct #name #brackets #generics #where_clause {
            deliveries: #setl::Option<#deliveries>,
            marker: #setl::PhantomData<fn() -> (#(*const #types,)*)>,
        }
    }
}

/// Implements `process` as a call of the function.
fn implement(item: &Function, deliveries: usize) -> TokenStream {
    let setl = runtime(Span::call_site());
    let name = &item.sig.ident;
    let generics = owned(&item.sig.generics);
    let (implementing, arguments, where_clause) = generics.split_for_impl();
    let values: Vec<_> = (0..deliveries).map(|index| local(&format!("__{index}"))).collect();
    let turbofish = item.sig.generics.params.iter().filter_map(|parameter| match parameter {
        GenericParam::Type(parameter) => Some(&parameter.ident),
        GenericParam::Const(parameter) => Some(&parameter.ident),
        GenericParam::Lifetime(_) => None,
    });
    let mut call = quote!(#name::<#(#turbofish),*>(#(#values),*));
    if item.sig.asyncness.is_some() {
        call = quote!(#call.await);
    }
    let value = match &item.sig.output {
        ReturnType::Type(_, ty) if is_result(ty) => {
            let place = Place::of(ty);
            let setl = runtime(place.start);
            let fallible = place.angled(&quote!(#ty as #setl::Fallible));
            let into_result = place.last("into_result");
            let call = quote_spanned!(place.end=> (#call));
            quote!(#fallible::#into_result #call)
        }
        _ => quote!(#setl::Ok(#call)),
    };
    quote! {
        impl #implementing #setl::Factory for #name #arguments #where_clause {
            #[allow(clippy::unit_arg, clippy::let_unit_value, reason = "the function may return nothing")]
            async fn process(&mut self) -> #setl::Result<Self::Output> {
                let #setl::Some((#(#values,)*)) = #setl::Option::take(&mut self.deliveries) else {
                    return #setl::Err(#setl::processed_twice());
                };
                #value
            }
        }
    }
}

/// Declares a stub, so that pipelines can still name a function with mistakes.
fn stub(item: &Function, errors: Errors) -> (TokenStream, TokenStream) {
    let mut item = item.clone();
    item.sig.generics.params =
        item.sig.generics.params.into_iter().filter(|parameter| !is_lifetime(parameter)).collect();
    let declaration = declare(&item, &quote!(()));
    let output = output_of(&item);
    let output = mistake_in_output(&output).is_none().then_some(&output);
    let expansion = fallback::expand(&item.sig.ident, &item.sig.generics, output, errors);
    let body = fallback::process(&item.sig.ident, &item.sig.generics);
    (declaration, quote!(#expansion #body))
}

/// Returns `true` if all parameters and the return type have a size, as far as the tokens show.
fn has_sizes(item: &Function) -> bool {
    let mut inputs = item.sig.inputs.iter();
    is_sized(&output_of(item))
        && inputs.all(|input| match input {
            FnArg::Receiver(_) => true,
            FnArg::Typed(input) => is_sized(&input.ty),
        })
}

fn is_lifetime(parameter: &GenericParam) -> bool {
    matches!(parameter, GenericParam::Lifetime(_))
}

/// Returns the output of a function: its return type, or the value type if that is a result.
///
/// The type is read from the tokens, since the compiler accepts no projection from a foreign type in the head of an
/// implementation. The call of the function checks that the value has this type.
fn output_of(item: &Function) -> Type {
    let ReturnType::Type(_, ty) = &item.sig.output else { return parse_quote!(()) };
    if let Some(alias) = returned_alias(item) {
        let setl = runtime(Place::of(alias).start);
        return parse_quote!(<#alias as #setl::Fallible>::Output);
    }
    match ungrouped(ty) {
        Type::Path(path) if is_result(ty) => {
            let argument = path.path.segments.last().and_then(first_type_argument);
            argument.cloned().unwrap_or_else(|| parse_quote!(()))
        }
        _ => (**ty).clone(),
    }
}

/// Returns the return type if it is a result of another name with several arguments. Its name does not say which of them is the
/// value.
fn returned_alias(item: &Function) -> Option<&Type> {
    let ReturnType::Type(_, ty) = &item.sig.output else { return None };
    let Type::Path(path) = ungrouped(ty) else { return None };
    let last = path.path.segments.last().filter(|last| is_result(ty) && last.ident != "Result")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter(|argument| matches!(argument, GenericArgument::Type(_)));
    (types.count() > 1).then_some(ty)
}

/// Returns `true` if a return type looks like a result: its name is `Result`, or ends in `Result` and has arguments, such as
/// `PolarsResult<T>`.
///
/// The runtime's `Fallible` then checks that it is one.
fn is_result(ty: &Type) -> bool {
    let Type::Path(path) = ungrouped(ty) else { return false };
    path.path.segments.last().is_some_and(|last| {
        last.ident == "Result" || (last.ident.to_string().ends_with("Result") && !last.arguments.is_none())
    })
}

/// Returns `true` if a function can fail: it returns a result, loads a value that may be missing, or may time out.
fn can_fail(item: &Function, options: &Options, deliveries: &[Delivery]) -> bool {
    matches!(&item.sig.output, ReturnType::Type(_, ty) if is_result(ty))
        || deliveries.iter().any(|delivery| delivery.auto_load)
        || options.flag("timeout").is_some()
        || options.flag("total_timeout").is_some()
}

fn parameter_name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(pattern) => Some(&pattern.ident),
        _ => None,
    }
}

/// Checks that a factory is a plain function of its deliveries.
fn check_signature(item: &Function, errors: &mut Errors) {
    if !item.has_body() {
        errors.at(
            &item.sig.ident,
            format!(
                "`{}` has no body: a factory is a free function, and no method of a trait",
                item.sig.ident
            ),
        );
    }
    for lifetime in item.sig.generics.lifetimes() {
        errors.at(lifetime, NO_LIFETIMES);
    }
    if let syn::Safety::Unsafe(unsafety) = &item.sig.safety {
        errors.at(
            unsafety,
            "an `unsafe` function cannot be a factory: the runtime, which calls it, cannot vouch for its terms. Call it in \
             a safe one",
        );
    }
    if let Some(variadic) = &item.sig.variadic {
        errors.at(variadic, "a factory takes a fixed number of deliveries");
    }
    if item.sig.generics.lifetimes().next().is_none() {
        check_output(&output_of(item), errors);
    }
}

/// Removes the borrow from an output that cannot borrow, since the compiler would report it again.
fn without_borrow(mut item: Function) -> Function {
    let mut inputs = item.sig.inputs.iter();
    let borrows_from_input = inputs.any(|input| match input {
        FnArg::Receiver(_) => true,
        FnArg::Typed(input) => unnameable(&input.ty) == Some(Unnameable::Borrow),
    });
    if let ReturnType::Type(_, ty) = &mut item.sig.output
        && !borrows_from_input
        && unnameable(ty) == Some(Unnameable::Borrow)
    {
        make_static(ty);
    }
    item
}
