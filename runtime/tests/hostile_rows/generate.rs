//! Makes row structs: valid ones, unusual ones, and ones with mistakes.

use std::fmt::Write as _;

use fastrand::Rng;

/// The items that all rows use.
pub(crate) const SUPPORT: &str = r#"
#![allow(warnings)]

pub mod facade {
    pub use setl;
}

pub mod support {
    pub use std::rc::Rc;

    pub const WIDTH: usize = 3;
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Local;
    pub type Same<T> = T;
    pub trait Identity {
        type Of;
    }
    impl<T> Identity for T {
        type Of = T;
    }
    #[derive(Clone, Debug, PartialEq)]
    pub struct Carrier(pub std::string::String);
}

/// Methods and constants that every type has, named like those that generated code uses.
pub mod clashes {
    pub trait Clashes: Sized {
        const NAME: u8 = 1;
        fn walk(self) {}
        fn column(self) {}
        fn finish(self) {}
        fn next(self) {}
        fn new() {}
        fn columns() {}
    }
    impl<Anything> Clashes for Anything {}
}

/// `true` if a column has this name.
pub const fn is_named(found: &str, expected: &str) -> bool {
    let (found, expected) = (found.as_bytes(), expected.as_bytes());
    let mut index = 0;
    while index < found.len() && index < expected.len() && found[index] == expected[index] {
        index += 1;
    }
    index == found.len() && index == expected.len()
}
"#;

/// A row, checks of its columns, and the same row with a field that cannot be a column.
pub(crate) struct Item {
    pub(crate) index: usize,
    opening: String,
    whole: String,
    checks: String,
    broken: String,
    closing: &'static str,
}

const NAMES: &[&str] = &[
    "Flight",
    "Row",
    "Column",
    "Layout",
    "Option",
    "Some",
    "Iterator",
    "String",
    "Value",
    "DataError",
    "Result",
    "L",
    "T1",
    "setl",
    "core",
    "r#type",
    "Ok",
    "Vec",
    "str",
];

/// Names of fields, each with its constant.
const FIELDS: &[(&str, &str)] = &[
    ("a", "A"),
    ("carrier", "CARRIER"),
    ("dep_delay", "DEP_DELAY"),
    ("depDelay2", "DEP_DELAY2"),
    ("_x", "X"),
    ("x", "X"),
    ("größe", "GRÖSSE"),
    ("r#type", "TYPE"),
    ("r#fn", "FN"),
    ("r#struct", "STRUCT"),
    ("layout", "LAYOUT"),
    ("row", "ROW"),
    ("name", "NAME"),
    ("self_", "SELF"),
    ("column_0", "COLUMN_0"),
    ("walk", "WALK"),
    ("columns", "COLUMNS"),
    ("__Layout", "LAYOUT"),
    ("_1", "_1"),
    ("Upper", "UPPER"),
];

const COLUMN_TYPES: &[&str] = &[
    "i8",
    "i64",
    "u16",
    "u64",
    "f32",
    "f64",
    "std::primitive::bool",
    "std::string::String",
    "::setl::chrono::NaiveDate",
    "::setl::chrono::NaiveDateTime",
    "::setl::chrono::NaiveTime",
    "::setl::chrono::TimeDelta",
    "Same<i32>",
    "<u8 as Identity>::Of",
];

const OTHER_TYPES: &[&str] = &[
    "usize",
    "isize",
    "char",
    "i128",
    "&'static std::primitive::str",
    "std::vec::Vec<u8>",
    "std::boxed::Box<f64>",
    "()",
    "[u8; WIDTH]",
    "(i64, i64)",
    "Local",
    "Rc<i64>",
    "Carrier",
    "fn(&i8) -> &i8",
    "std::option::Option<std::option::Option<i64>>",
    "std::option::Option<Local>",
    "*const i8",
    "std::cell::Cell<i64>",
    "std::borrow::Cow<'static, std::primitive::str>",
    "std::boxed::Box<dyn Fn(&i8) -> i8 + Send + Sync>",
];

/// Attributes of columns, each with the name that it gives to the column. The others have mistakes.
const COLUMN_ATTRIBUTES: &[(&str, Option<&str>)] = &[
    ("#[column(\"renamed\")]", Some("renamed")),
    ("#[column(name = \"other\")]", Some("other")),
    ("#[column(\"with space, and ö\")]", Some("with space, and ö")),
    ("#[cfg_attr(all(), column(\"by_cfg\"))]", Some("by_cfg")),
    ("#[column(\"\")]", None),
    ("#[column]", None),
    ("#[column()]", None),
    ("#[column = \"value\"]", None),
    ("#[column(nmae = \"x\")]", None),
    ("#[column(name = 3)]", None),
    ("#[column(\"one\")] #[column(\"two\")]", None),
    ("#[column(name)]", None),
    ("#[column(\"one\", \"two\")]", None),
    ("#[row(rename_all = \"camelCase\")]", None),
];

const NEUTRAL_ATTRIBUTES: &[&str] = &[
    "/// Documented.\n",
    "#[allow(unused)]",
    "#[cfg(all())]",
    "#[deprecated]",
    "#[cfg_attr(any(), column)]",
];

const ROW_ATTRIBUTES: &[&str] = &[
    "#[row(rename_all = \"camelCase\")]",
    "#[row(rename_all = \"SCREAMING-KEBAB-CASE\")]",
    "#[row(rename_all = \"lowercase\")]",
    "#[row(crate = crate::facade::setl)]",
    "#[row(rename_all = \"UPPERCASE\", crate = crate::facade::setl)]",
    "#[row()]",
    "#[row]",
    "#[row(rename_all = \"camelcase\")]",
    "#[row(rename_al = \"camelCase\")]",
    "#[row(rename_all)]",
    "#[row(crate = 1)]",
    "#[row(rename_all = \"camelCase\")] #[row(rename_all = \"snake_case\")]",
    "#[column(\"x\")]",
    "#[cfg_attr(all(), row(rename_all = \"PascalCase\"))]",
    "#[repr(C)]",
    "#[non_exhaustive]",
    "#[deprecated]",
];

fn of<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

fn one_in(random: &mut Rng, times: usize) -> bool {
    random.usize(..times) == 0
}

/// Returns an empty text, most of the time.
fn rarely(random: &mut Rng, times: usize, choices: &[&'static str]) -> &'static str {
    if one_in(random, times) { of(random, choices) } else { "" }
}

/// The generics of a row.
#[derive(Clone, Copy)]
struct Generics {
    parameters: &'static str,
    /// The parameters without defaults, for functions.
    of_function: &'static str,
    arguments: &'static str,
    /// Values of the parameters.
    given: &'static str,
    /// The type of the first field, so that all parameters are used.
    used: Option<&'static str>,
}

const VALUE: &str = "<T: ::setl::dataset::Value<Plain = T>>";

const GENERICS: &[Generics] = &[
    Generics { parameters: VALUE, of_function: VALUE, arguments: "<T>", given: "<i64>", used: Some("T") },
    Generics {
        parameters: "<T: ::setl::dataset::Value<Plain = T> = i64>",
        of_function: VALUE,
        arguments: "<T>",
        given: "",
        used: Some("std::option::Option<T>"),
    },
    Generics { parameters: "<T>", of_function: "<T>", arguments: "<T>", given: "<i64>", used: Some("T") },
    Generics {
        parameters: "<'a>",
        of_function: "<'a>",
        arguments: "<'a>",
        given: "",
        used: Some("&'a std::primitive::str"),
    },
    Generics {
        parameters: "<'a, T: Send>",
        of_function: "<'a, T: Send>",
        arguments: "<'a, T>",
        given: "<i64>",
        used: Some("Same<(&'a i8, T)>"),
    },
    Generics {
        parameters: "<const N: std::primitive::usize>",
        of_function: "<const N: std::primitive::usize>",
        arguments: "<N>",
        given: "<3>",
        used: None,
    },
    Generics {
        parameters: "<T: ?Sized>",
        of_function: "<T: ?Sized>",
        arguments: "<T>",
        given: "<i64>",
        used: Some("std::boxed::Box<T>"),
    },
];

const NOT_GENERIC: Generics =
    Generics { parameters: "", of_function: "", arguments: "", given: "", used: None };

struct Field {
    name: &'static str,
    constant: &'static str,
    ty: String,
    attributes: String,
    visibility: &'static str,
    /// The name of the column, if an attribute gives it.
    column: Option<&'static str>,
    is_absent: bool,
}

impl Field {
    fn random(random: &mut Rng, (name, constant): (&'static str, &'static str), used: Option<&str>) -> Self {
        let ty = if one_in(random, 20) { of(random, OTHER_TYPES) } else { of(random, COLUMN_TYPES) };
        let mut ty = used.unwrap_or(ty).to_owned();
        if used.is_none() && one_in(random, 4) {
            ty = format!("std::option::Option<{ty}>");
        }
        let mut attributes = rarely(random, 6, NEUTRAL_ATTRIBUTES).to_owned();
        let is_absent = used.is_none() && one_in(random, 12);
        if is_absent {
            // An absent field may be of any type.
            "usize".clone_into(&mut ty);
            attributes += "#[cfg(any())]";
        }
        let mut column = None;
        if one_in(random, 5) {
            let choices = if one_in(random, 4) { COLUMN_ATTRIBUTES } else { &COLUMN_ATTRIBUTES[..4] };
            let (attribute, renamed) = of(random, choices);
            attributes += attribute;
            column = renamed;
        }
        let visibility = rarely(random, 3, &["pub ", "pub(crate) "]);
        Self { name, constant, ty, attributes, visibility, column, is_absent }
    }

    /// Returns the name of its column in a row without `rename_all`.
    fn column(&self) -> &'static str {
        self.column.unwrap_or(self.name.trim_start_matches("r#"))
    }
}

impl Item {
    pub(crate) fn random(index: usize, random: &mut Rng) -> Self {
        let mut opening = format!("mod item_{index} {{\nuse super::support::*;\n");
        let mut closing = "}\n";
        if one_in(random, 4) {
            opening.push_str("use super::clashes::Clashes as _;\n");
        }
        match random.usize(..10) {
            0 => {
                opening.push_str("fn scope() {\n");
                closing = "}\n}\n";
            }
            1 => {
                opening.push_str("macro_rules! each { ($($token:tt)*) => { $($token)* } }\neach! {\n");
                closing = "}\n}\n";
            }
            _ => {}
        }
        let generics = if one_in(random, 2) { NOT_GENERIC } else { of(random, GENERICS) };
        let Generics { parameters, of_function, arguments, given, used } = generics;
        let head = format!(
            "{}#[derive({})]\n{}",
            rarely(random, 8, NEUTRAL_ATTRIBUTES),
            of(random, &["::setl::Row", "::setl::prelude::Row", "Debug, ::setl::Row", "::setl::Row, Clone"]),
            rarely(random, 4, ROW_ATTRIBUTES)
        );
        let name = of(random, NAMES);
        let mut names = FIELDS.to_vec();
        random.shuffle(&mut names);
        let count = random.usize(1..5);
        let fields = names[..count].iter().enumerate();
        let fields: Vec<_> =
            fields.map(|(at, name)| Field::random(random, *name, used.filter(|_| at == 0))).collect();
        let form = random.usize(..40);
        let item = |suffix: &str, more: &str| {
            let visibility = if index.is_multiple_of(3) { "pub " } else { "" };
            let mut text = format!("mod {suffix} {{\nuse super::*;\n{head}{visibility}");
            match form {
                0 => {
                    let _ = write!(text, "enum {name} {{ One, Two }}");
                }
                1 => {
                    let _ = write!(text, "struct {name}(i64);");
                }
                2 => {
                    let _ = write!(text, "struct {name};");
                }
                3 => {
                    let _ = write!(text, "union {name} {{ a: i64, b: u64 }}");
                }
                4 => {
                    let _ = write!(text, "struct {name} {{}}");
                }
                _ => {
                    let _ = writeln!(text, "struct {name}{parameters} {{");
                    for Field { name, ty, attributes, visibility, .. } in &fields {
                        let _ = writeln!(text, "{attributes} {visibility}{name}: {ty},");
                    }
                    let _ = write!(text, "{more}}}");
                }
            }
            text.push('\n');
            text
        };
        let mut checks = String::new();
        for field in fields.iter().filter(|field| !field.is_absent) {
            let Field { constant, ty, .. } = field;
            let _ = writeln!(
                checks,
                "fn check_{}{of_function}() {{ let _: ::setl::dataset::Column<{name}{arguments}, {ty}> = {name}::{constant}; }}",
                constant.to_lowercase()
            );
            if field.column.is_some() || !head.contains("rename_all") {
                let column = field.column();
                let _ = writeln!(
                    checks,
                    "const _: () = assert!(crate::is_named(<{name}{given}>::{constant}.name(), \"{column}\"));"
                );
            }
        }
        let (whole, broken) = (item("whole", ""), item("broken", "not_a_column: Local,\n") + "}\n");
        Self { index, opening, whole, checks, broken, closing }
    }

    pub(crate) fn with_both(&self) -> String {
        format!("{}{}}}\n{}{}", self.opening, self.whole, self.broken, self.closing)
    }

    pub(crate) fn with_whole(&self) -> String {
        format!("{}{}{}}}\n{}", self.opening, self.whole, self.checks, self.closing)
    }

    /// The number of lines up to the end of the whole row.
    pub(crate) fn lines_of_whole(&self) -> usize {
        self.opening.lines().count() + self.whole.lines().count()
    }
}
