//! The parsed struct of `#[derive(Row)]`.

use heck::{ToKebabCase, ToLowerCamelCase, ToPascalCase, ToShoutyKebabCase, ToShoutySnakeCase, ToSnakeCase};
use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Generics, Lit, LitStr, Meta, Token, Type, Visibility,
};

use crate::errors::{Errors, did_you_mean, listed};

/// The options of `#[row(…)]`, and of `#[column(…)]`.
const ROW_OPTIONS: &[&str] = &["rename_all"];
const COLUMN_OPTIONS: &[&str] = &["name"];

pub(crate) struct Row<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) columns: Vec<Column<'a>>,
}

pub(crate) struct Column<'a> {
    pub(crate) field: &'a Ident,
    pub(crate) visibility: &'a Visibility,
    pub(crate) ty: &'a Type,
    pub(crate) name: String,
    /// The literal that sets the name, if it is not the name of the field.
    pub(crate) renamed: Option<LitStr>,
    /// The name of the associated constant.
    pub(crate) accessor: Ident,
}

impl<'a> Row<'a> {
    /// Reads the item. Of an invalid item, reads only its name.
    pub(crate) fn from_syn(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let mut row = Self { ident: &input.ident, generics: &input.generics, columns: Vec::new() };
        for attribute in &input.attrs {
            if attribute.path().is_ident("column") {
                errors.at(
                    attribute,
                    "`#[column]` belongs on a field; the options of the struct are in `#[row(…)]`",
                );
            }
        }
        let case = rename_all(&input.attrs, errors);
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) if fields.named.is_empty() => errors.at(
                    input.ident.clone(),
                    format!("`{}` has no fields, so it has no columns: a row needs at least one", input.ident),
                ),
                Fields::Named(fields) => {
                    row.columns = fields.named.iter().filter_map(|field| Column::from_syn(field, case, errors)).collect();
                }
                Fields::Unnamed(fields) => errors.at(
                    fields,
                    "the fields of a row must have names, they are the column names: write `struct Name { column: Type }`",
                ),
                Fields::Unit => errors.at(
                    input.ident.clone(),
                    format!("`{}` has no fields, so it has no columns: write `struct {} {{ column: Type }}`", input.ident, input.ident),
                ),
            },
            Data::Enum(data) => errors.at(
                data.enum_token,
                "a row has the same columns every time, so it is a struct: write one with a field per column, and a `String` column for the variant",
            ),
            Data::Union(data) => {
                errors.at(data.union_token, "a row is a struct with a field per column; a union has one value only");
            }
        }
        row
    }
}

impl<'a> Column<'a> {
    fn from_syn(field: &'a syn::Field, case: Option<Case>, errors: &mut Errors) -> Option<Self> {
        for attribute in &field.attrs {
            if attribute.path().is_ident("row") {
                errors.at(
                    attribute,
                    "`#[row]` belongs on the struct; to name one column, write `#[column(\"name\")]`",
                );
            }
        }
        let ident = field.ident.as_ref()?;
        let renamed = column_name(&field.attrs, errors);
        let plain = ident.unraw().to_string();
        let name = match (&renamed, case) {
            (Some(literal), _) => literal.value(),
            (None, Some(case)) => case.apply(&plain),
            (None, None) => plain.clone(),
        };
        Some(Self {
            field: ident,
            visibility: &field.vis,
            ty: &field.ty,
            name,
            renamed,
            accessor: accessor(&plain, ident.span()),
        })
    }
}

/// Converts `dep_delay` to `DEP_DELAY`. A name that begins with a digit keeps its underscore.
fn accessor(field: &str, span: Span) -> Ident {
    let shouted = field.to_shouty_snake_case();
    let mut ident = syn::parse_str::<Ident>(&shouted)
        .or_else(|_| syn::parse_str::<Ident>(&format!("_{shouted}")))
        .unwrap_or_else(|_| Ident::new("_COLUMN", span));
    ident.set_span(span);
    ident
}

/// Returns the name from `#[column("name")]` or `#[column(name = "name")]`.
fn column_name(attributes: &[Attribute], errors: &mut Errors) -> Option<LitStr> {
    let mut name = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("column")) {
        let Some(given) = column_name_of(attribute, errors) else {
            continue;
        };
        if given.value().is_empty() {
            errors.at(&given, "a column needs a name");
        } else if name.is_some() {
            errors.at(attribute, "this column has a name already: keep one of the two");
        } else {
            name = Some(given);
        }
    }
    name
}

fn column_name_of(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let Meta::List(list) = &attribute.meta else {
        errors.at(attribute, "the name of the column is missing: write `#[column(\"name\")]`");
        return None;
    };
    if let Ok(literal) = syn::parse2::<LitStr>(list.tokens.clone()) {
        return Some(literal);
    }
    let options = options(attribute, "column(\"name\")", errors)?;
    let mut name = None;
    if options.is_empty() {
        errors.at(attribute, "the name of the column is missing: write `#[column(\"name\")]`");
    }
    for option in options {
        if option.path().is_ident("name") {
            name = text_of(&option, "name = \"dep_delay\"", errors).or(name);
        } else {
            unknown_option(&option, "column", COLUMN_OPTIONS, errors);
        }
    }
    name
}

fn rename_all(attributes: &[Attribute], errors: &mut Errors) -> Option<Case> {
    let mut case = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("row")) {
        for option in options(attribute, "row(rename_all = \"camelCase\")", errors).unwrap_or_default() {
            if !option.path().is_ident("rename_all") {
                unknown_option(&option, "row", ROW_OPTIONS, errors);
                continue;
            }
            let Some(text) = text_of(&option, "rename_all = \"camelCase\"", errors) else {
                continue;
            };
            match Case::named(&text.value()) {
                Some(_) if case.is_some() => {
                    errors.at(option, "`rename_all` is set already: keep one of the two")
                }
                Some(named) => case = Some(named),
                None => errors.at(
                    &text,
                    format!("unknown case `{}`{}", text.value(), did_you_mean(&text.value(), Case::NAMES)),
                ),
            }
        }
    }
    case
}

/// Parses the options in the parentheses of an attribute, which is written like `usage`.
fn options(attribute: &Attribute, usage: &str, errors: &mut Errors) -> Option<Vec<Meta>> {
    let Meta::List(list) = &attribute.meta else {
        errors.at(attribute, format!("options are missing: it takes {}", listed(ROW_OPTIONS)));
        return None;
    };
    let Ok(options) = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()) else {
        errors.at(&list.tokens, format!("these are no options: write `#[{usage}]`"));
        return None;
    };
    Some(options.into_iter().collect())
}

fn unknown_option(option: &Meta, attribute: &str, allowed: &[&str], errors: &mut Errors) {
    let word =
        option.path().segments.iter().map(|part| part.ident.to_string()).collect::<Vec<_>>().join("::");
    let hint = did_you_mean(&word, allowed);
    errors.at(option.path(), format!("`#[{attribute}]` has no option `{word}`{hint}"));
}

/// Returns the text of `option = "text"`.
fn text_of(option: &Meta, example: &str, errors: &mut Errors) -> Option<LitStr> {
    if let Meta::NameValue(pair) = option
        && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
    {
        return Some(text.clone());
    }
    errors.at(option, format!("expected text in quotes, as in `{example}`"));
    None
}

/// The conversion of field names to column names, with the names of serde.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ShoutySnake,
    Kebab,
    ShoutyKebab,
}

impl Case {
    const NAMES: &[&str] = &[
        "lowercase",
        "UPPERCASE",
        "PascalCase",
        "camelCase",
        "snake_case",
        "SCREAMING_SNAKE_CASE",
        "kebab-case",
        "SCREAMING-KEBAB-CASE",
    ];

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ShoutySnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ShoutyKebab,
            _ => return None,
        })
    }

    fn apply(self, field: &str) -> String {
        match self {
            Self::Lower => field.to_lowercase(),
            Self::Upper => field.to_uppercase(),
            Self::Pascal => field.to_pascal_case(),
            Self::Camel => field.to_lower_camel_case(),
            Self::Snake => field.to_snake_case(),
            Self::ShoutySnake => field.to_shouty_snake_case(),
            Self::Kebab => field.to_kebab_case(),
            Self::ShoutyKebab => field.to_shouty_kebab_case(),
        }
    }
}
