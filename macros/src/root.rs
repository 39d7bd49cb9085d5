//! The path of setl in generated code, and names that the item does not use.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

thread_local! {
    /// The path from `crate = …`, or from a renamed dependency.
    static ROOT: RefCell<Option<TokenStream>> = const { RefCell::new(None) };
    /// The type parameter for any pipeline.
    static PIPELINE: RefCell<String> = RefCell::new(PIPELINE_PARAMETER.to_owned());
}

const PIPELINE_PARAMETER: &str = "ThePipeline";

/// Returns the path of setl. Default: `::setl`.
pub(crate) fn root(span: Span) -> TokenStream {
    other_root(span).unwrap_or_else(|| quote_spanned!(span=> ::setl))
}

/// Returns the path of setl, if it is another than `::setl`.
pub(crate) fn other_root(span: Span) -> Option<TokenStream> {
    ROOT.with_borrow(|root| {
        let located = |mut token: TokenTree| {
            token.set_span(token.span().located_at(span));
            token
        };
        Some(root.as_ref()?.clone().into_iter().map(located).collect())
    })
}

/// Returns the type parameter of generated code for any pipeline: a name that the item does not use.
pub(crate) fn any_pipeline() -> Ident {
    PIPELINE.with_borrow(|name| Ident::new(name, Span::call_site()))
}

/// Expands an attribute on this item with these arguments, except `crate = …`.
pub(crate) fn rooted(
    arguments: TokenStream,
    item: &TokenStream,
    expand: impl FnOnce(TokenStream) -> TokenStream,
) -> TokenStream {
    /// Resets the path after the expansion, since its tokens become invalid.
    struct Reset;

    impl Drop for Reset {
        fn drop(&mut self) {
            ROOT.set(None);
        }
    }

    let (given, arguments) = take_root(arguments);
    let (root, mistake) = match given {
        Some(Ok(path)) => (Some(path), None),
        Some(Err(error)) => (None, Some(error.to_compile_error())),
        None => (None, None),
    };
    let root = root.or_else(|| {
        let name = Ident::new(&renamed()?, Span::call_site());
        Some(quote!(::#name))
    });
    let mut parameter = PIPELINE_PARAMETER.to_owned();
    while mentions(item, &parameter) || mentions(&arguments, &parameter) {
        parameter.push('_');
    }
    let _reset = Reset;
    ROOT.set(root);
    PIPELINE.set(parameter);
    let expansion = expand(arguments);
    quote!(#expansion #mistake)
}

/// Removes `crate = path` from the arguments of an attribute.
pub(crate) fn take_root(arguments: TokenStream) -> (Option<syn::Result<TokenStream>>, TokenStream) {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let is_equals = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let found = (0..tokens.len()).find(|&at| {
        (at == 0 || is_comma(&tokens[at - 1]))
            && matches!(&tokens[at], TokenTree::Ident(ident) if ident == "crate")
            && tokens.get(at + 1).is_some_and(is_equals)
    });
    let Some(start) = found else { return (None, tokens.into_iter().collect()) };
    let length = tokens[start..].iter().position(is_comma);
    let end = length.map_or(tokens.len(), |length| start + length);
    let value: TokenStream = tokens[start + 2..end].iter().cloned().collect();
    let after = tokens.iter().skip(end + 1);
    let before = tokens[..start].iter();
    let path = parse_root(value).map_err(|_| {
        let written: TokenStream = tokens[start..end].iter().cloned().collect();
        syn::Error::new_spanned(written, "`crate` takes the path of setl: write `crate = facade::setl`")
    });
    (Some(path), before.chain(after).cloned().collect())
}

/// Parses a path, possibly in quotes as in serde.
fn parse_root(value: TokenStream) -> syn::Result<TokenStream> {
    use syn::parse::Parser as _;

    if let Ok(text) = syn::parse2::<syn::LitStr>(value.clone()) {
        return Ok(text.parse_with(syn::Path::parse_mod_style)?.to_token_stream());
    }
    Ok(syn::Path::parse_mod_style.parse2(value)?.to_token_stream())
}

fn mentions(tokens: &TokenStream, name: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        _ => false,
    })
}

/// Returns the name by which the compiled package depends on setl, if it is renamed.
fn renamed() -> Option<String> {
    static NAMES: Mutex<Option<HashMap<PathBuf, Option<String>>>> = Mutex::new(None);

    let directory = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.get_or_insert_default().entry(directory.clone()).or_insert_with(|| renamed_in(&directory)).clone()
}

fn renamed_in(directory: &Path) -> Option<String> {
    let own = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let workspaces =
        directory.ancestors().filter_map(|above| fs::read_to_string(above.join("Cargo.toml")).ok());
    renamed_by(&own, workspaces)
}

/// Reads the manifest of a package, and those of its possible workspaces.
fn renamed_by(own: &str, workspaces: impl IntoIterator<Item = String>) -> Option<String> {
    let dependencies = dependencies(own);
    if dependencies.iter().any(|(name, package)| name == "setl" && package.is_none()) {
        return None;
    }
    let is_setl = |(_, package): &&(String, Option<String>)| package.as_deref() == Some("setl");
    let name = match dependencies.iter().find(is_setl) {
        Some((name, _)) => name.clone(),
        None => workspaces.into_iter().find_map(|workspace| {
            let shared = self::dependencies(&workspace);
            let mut renamed = shared.iter().filter(is_setl);
            let inherits = |name: &str| dependencies.iter().any(|(own, _)| own == name);
            renamed.find(|(name, _)| inherits(name)).map(|(name, _)| name.clone())
        })?,
    };
    Some(name.replace('-', "_"))
}

/// Returns the dependencies in a manifest, each with its package name if it is given.
fn dependencies(manifest: &str) -> Vec<(String, Option<String>)> {
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    let (mut among, mut of): (bool, Option<String>) = (false, None);
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let table = header.split(']').next().unwrap_or_default();
            among = table.ends_with("dependencies");
            of = table.rsplit_once("dependencies.").map(|(_, name)| unquoted(name));
            found.extend(of.clone().map(|name| (name, None)));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if of.is_some() && key.trim() == "package" {
            if let Some((_, package)) = found.last_mut() {
                *package = Some(unquoted(value.split('#').next().unwrap_or_default()));
            }
        } else if among {
            let name = unquoted(key.split('.').next().unwrap_or_default());
            let after =
                value.split_once("package").and_then(|(_, after)| after.trim_start().strip_prefix('='));
            let package = after.and_then(|after| after.split(['"', '\'']).nth(1)).map(str::to_owned);
            found.push((name, package));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &str, workspace: &str, expected: Option<&str>) {
        assert_eq!(renamed_by(own, [workspace.to_owned()]).as_deref(), expected, "{own}\n{workspace}");
    }

    #[test]
    fn a_dependency_with_another_name_is_found() {
        check("[dependencies]\nsetl = \"0.1\"", "", None);
        check("[dependencies]\netl = { package = \"setl\", version = \"0.1\" }", "", Some("etl"));
        check("[dev-dependencies]\nmy-etl = { version = '0.1', package = 'setl' }", "", Some("my_etl"));
        check("[target.'cfg(unix)'.dependencies.etl]\npackage = \"setl\" # pinned\n", "", Some("etl"));
        check(
            "[dependencies.tokio]\nversion = \"1\"\n[dependencies.etl]\nversion = \"0.1\"\npackage=\"setl\"",
            "",
            Some("etl"),
        );
        check(
            "[dependencies]\nsetl.workspace = true\nold = { package = \"setl\", version = \"0.0\" }",
            "",
            None,
        );
        check(
            "[dependencies]\nother = { package = \"setl-extras\" }\n[features]\npackage = [\"setl\"]",
            "",
            None,
        );
    }

    #[test]
    fn a_workspace_may_give_the_name() {
        let workspace =
            "[workspace.dependencies]\nserde = \"1\"\netl = { package = \"setl\", path = \"setl\" }";
        check("[dependencies]\netl = { workspace = true }", workspace, Some("etl"));
        check("[dependencies]\netl.workspace = true", workspace, Some("etl"));
        check("[dependencies]\nserde.workspace = true", workspace, None);
    }

    #[test]
    fn the_path_is_taken_out_of_the_arguments() {
        for (arguments, path, others) in [
            (quote!(crate = etl), Some("etl"), ""),
            (
                quote!(output = u8, crate = facade::setl, blocking),
                Some("facade :: setl"),
                "output = u8 , blocking",
            ),
            (quote!(crate = "::etl", extract(read)), Some(":: etl"), "extract (read)"),
            (quote!(output = crate::Orders), None, "output = crate :: Orders"),
        ] {
            let (found, rest) = take_root(arguments);
            assert_eq!(found.map(|path| path.expect("a path").to_string()).as_deref(), path);
            assert_eq!(rest.to_string(), others);
        }
        assert!(matches!(take_root(quote!(crate = 1)).0, Some(Err(_))));
    }
}
