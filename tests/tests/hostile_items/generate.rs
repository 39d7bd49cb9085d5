//! Makes items that nobody would write, and some that somebody might.

use std::fmt::Write as _;

/// What all items use.
pub(crate) const SUPPORT: &str = r#"
#![allow(warnings)]

pub mod facade {
    pub use setl;
}

pub mod support {
    pub use std::borrow::Cow;
    pub use std::cell::Cell;
    pub use std::collections::HashMap;
    pub use std::future::Future;
    pub use std::pin::Pin;
    pub use std::rc::Rc;
    pub use std::sync::Arc;

    pub use setl::prelude::*;

    pub const WIDTH: usize = 3;
    #[derive(Clone, Debug, Default)]
    pub struct Local;
    #[derive(Debug)]
    pub struct NotClone;
    pub struct Raw;
    #[derive(Clone, Debug, Default)]
    pub struct Generic<T, const N: usize = 3>(pub T);
    pub struct Ref<'a>(pub &'a str);
    pub trait Holds<T: ?Sized> {}
    pub trait Borrows<'a> {
        type Of;
    }
    pub trait Identity {
        type Of;
    }
    impl<T> Identity for T {
        type Of = T;
    }
    pub type Same<T> = T;
    pub type DbResult<E, T> = std::result::Result<T, E>;
    pub type Outcome<T> = std::result::Result<T, std::fmt::Error>;
    pub type LoadResult = std::result::Result<Local, std::fmt::Error>;
    pub type Parser = Box<dyn Fn(&str) -> std::primitive::usize + Send + Sync>;
    pub type Pointer<'a> = fn(&'a std::primitive::str) -> &'a std::primitive::str;
}

/// Methods that every type has, named like those that generated code calls.
pub mod clashes {
    pub trait Clashes: Sized {
        const PRINTS: u8 = 1;
        const NEW: u8 = 1;
        const SOURCE: u8 = 1;
        const NAME: u8 = 1;
        fn inspector(self) {}
        fn undo(self) {}
        fn persistence(self) {}
        fn via(self) {}
        fn fingerprint_of(self) {}
        fn take(self) {}
        fn share(self) {}
        fn node(self) {}
        fn retry(self) {}
        fn timeout(self) {}
        fn cache(self) {}
        fn barrier(self) {}
        fn process(self) {}
        fn assemble(self) {}
        fn into_result(self) {}
        fn into_inputs(self) {}
        fn initial() {}
        fn of() {}
        fn new() {}
    }
    impl<Anything> Clashes for Anything {}
}
"#;

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in so many times.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Nothing, most of the time.
    fn rarely(&mut self, times: usize, choices: &[&'static str]) -> &'static str {
        if self.one_in(times) { self.of(choices) } else { "" }
    }
}

/// A maker, a taker and two pipelines.
pub(crate) struct Item {
    pub(crate) index: usize,
    opening: String,
    factories: String,
    whole: String,
    broken: String,
    closing: &'static str,
}

/// Names of factories.
const NAMES: &[&str] = &[
    "make",
    "take",
    "read",
    "run",
    "plan",
    "describe",
    "diagram",
    "str",
    "bool",
    "u8",
    "u128",
    "usize",
    "Option",
    "Result",
    "Vec",
    "String",
    "Some",
    "Ok",
    "Into",
    "Payload",
    "Factory",
    "ThePipeline",
    "TheWiring",
    "Source",
    "Sources",
    "Context",
    "inbox",
    "deliveries",
    "marker",
    "resource",
    "process",
    "FROM",
    "KEPT",
    "ORDER",
    "NAMES",
    "GRAPH",
    "ENTRIES",
    "STAGES",
    "LINKS",
    "PLAN",
    "STEPS",
    "Key",
    "ThisFactory",
    "Output",
    "r#type",
    "r#match",
    "Self_",
    "T",
    "main",
    "self_",
    "__0",
    "value",
    "NotClone_",
    "Nth",
    "never",
    "vec",
    "producers",
];

impl Item {
    pub(crate) fn random(index: usize, random: &mut Random) -> Self {
        let mut opening = format!("mod item_{index} {{\nuse super::support::*;\n");
        let mut closing = "}\n";
        if random.one_in(4) {
            opening.push_str("use super::clashes::Clashes as _;\n");
        }
        match random.below(10) {
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
        let maker = random.of(NAMES);
        let taker = loop {
            let name = random.of(NAMES);
            if name != maker {
                break name;
            }
        };
        let root = random.rarely(6, &["crate = crate::facade::setl, "]);
        let is_input = random.one_in(4);
        let payload = Payload::random(random, is_input);
        let id = random.rarely(5, &["id = Raw, "]);
        let made = make(maker, root, id, &payload, random);
        let by_producer = !is_input && id.is_empty() && random.one_in(6);
        let listed_maker = format!("{maker}{}", payload.arguments(random));
        let asked = if by_producer { format!("producer = {listed_maker}, ") } else { id.to_owned() };
        let taken = take(taker, root, &asked, &payload, random);
        let factories = if is_input { taken.text } else { format!("{}\n{}", made, taken.text) };
        let listed_taker = format!("{taker}{}", taken.arguments);
        let keep = random.rarely(6, &["keep"]);
        let pipeline = |name: &str, whole: bool| {
            let mut text = format!("#[setl::pipeline({root}first(");
            if whole && !is_input {
                let _ = write!(text, "{listed_maker}, ");
            }
            let _ = write!(text, "{listed_taker})");
            if !keep.is_empty() {
                let _ = write!(text, ", keep({listed_taker})");
            }
            let _ = write!(text, ")]\nstruct {name}_{index} {{\n");
            if whole && is_input {
                let id = id.trim_end_matches(", ");
                let _ = writeln!(
                    text,
                    "#[delivery({id})] {}: {},",
                    if keep.is_empty() { "given" } else { "_given" },
                    payload.concrete
                );
            }
            let _ = writeln!(text, "other: {},", payload.other);
            text + "}\n"
        };
        let (whole, broken) = (pipeline("Whole", true), pipeline("Broken", false));
        Self { index, opening, factories, whole, broken, closing }
    }

    pub(crate) fn broken_name(&self) -> String {
        format!("Broken_{}", self.index)
    }

    pub(crate) fn with_both(&self) -> String {
        format!("{}{}\n{}{}{}", self.opening, self.factories, self.whole, self.broken, self.closing)
    }

    pub(crate) fn with_whole(&self) -> String {
        format!("{}{}\n{}{}", self.opening, self.factories, self.whole, self.closing)
    }
}

/// What goes from the maker to the taker.
struct Payload {
    /// The parameters of a generic maker.
    parameters: &'static str,
    /// As the maker has it.
    written: String,
    /// As a pipeline or the taker has it.
    concrete: String,
    given: &'static str,
    /// The type of an input that nobody takes.
    other: String,
}

impl Payload {
    fn random(random: &mut Random, is_input: bool) -> Self {
        let other = format!("Generic<{}, 77>", ty(random, 1, false));
        let concrete = ty(random, 3, true);
        if is_input || !random.one_in(5) {
            return Self { parameters: "", written: concrete.clone(), concrete, given: "", other };
        }
        let (parameters, written, concrete, given) = random.of(&[
            ("<ThePipeline: Clone + Send + Sync + 'static>", "Generic<ThePipeline>", "Generic<u16>", "<u16>"),
            ("<T>", "Generic<Vec<T>>", "Generic<Vec<Local>>", "<Local>"),
            ("<const N: std::primitive::usize>", "[i8; N]", "[i8; WIDTH]", "<WIDTH>"),
            ("<const N: std::primitive::usize>", "Generic<i8, N>", "Generic<i8, 3>", "<{ 1 + 2 }>"),
            ("<T: ?Sized + Send + Sync>", "Arc<T>", "Arc<[i8]>", "<[i8]>"),
            ("<T>", "T", "i64", "<i64>"),
            (
                "<A: Default, B>",
                "(A, HashMap<std::string::String, B>)",
                "(Local, HashMap<std::string::String, i8>)",
                "<Local, i8>",
            ),
            ("<T>", "Box<dyn Fn(&T) -> &T + Send + Sync>", "Box<dyn Fn(&i8) -> &i8 + Send + Sync>", "<i8>"),
        ]);
        Self { parameters, written: written.to_owned(), concrete: concrete.to_owned(), given, other }
    }

    /// The arguments of the maker where it is listed.
    fn arguments(&self, random: &mut Random) -> String {
        let colons = if self.given.is_empty() { "" } else { random.rarely(3, &["::"]) };
        format!("{colons}{}", self.given)
    }
}

/// A type, at most so deep. There may be a mistake in it where Rust without setl could have that.
fn ty(random: &mut Random, depth: usize, mistakes: bool) -> String {
    const LEAVES: &[&str] = &[
        "u16",
        "i64",
        "f32",
        "char",
        "std::string::String",
        "std::primitive::bool",
        "&'static std::primitive::str",
        "()",
        "[i8; 3]",
        "[i8; WIDTH]",
        "[i8; { const fn n(x: &i8) -> std::primitive::usize { 4 } n(&1) }]",
        "Local",
        "Local",
        "Local",
        "Generic<i8>",
        "Parser",
        "Pointer<'static>",
        "fn(&i8) -> &i8",
        "for<'a> fn(&'a i8, &i16) -> &'a i8",
        "unsafe extern \"C\" fn(i8)",
        "Box<std::primitive::str>",
        "self::Local",
        "super::support::Local",
        "<Local as Identity>::Of",
        "Box<dyn Fn(&std::primitive::str) -> std::primitive::usize + Send + Sync>",
        "Arc<dyn for<'a> Borrows<'a, Of = &'a i8> + Send + Sync>",
        "NotClone",
        "Ref<'static>",
        "Cow<'static, [i8]>",
        "core::marker::PhantomData<fn(Local) -> Ref<'static>>",
    ];
    const MISTAKES: &[&str] = &[
        "&i8",
        "Vec<&Local>",
        "Ref<'_>",
        "Cow<'_, [i8]>",
        "impl Clone",
        "Vec<impl Clone>",
        "Rc<i8>",
        "Cell<i8>",
        "*const i8",
        "Box<dyn Fn(&i8) -> &i8>",
        "(&'static i8, &i8)",
        "Box<dyn Iterator<Item = &i8>>",
        "&'a i8",
        "Box<dyn Holds<i8> + '_>",
    ];
    const UNSIZED: &[&str] = &["std::primitive::str", "[i8]", "dyn Send"];
    if mistakes && random.one_in(25) {
        return random
            .of(if depth == 3 { [MISTAKES, UNSIZED].concat() } else { MISTAKES.to_vec() }.as_slice())
            .to_owned();
    }
    let kind = random.below(17);
    if depth == 0 || random.one_in(3) {
        return random.of(LEAVES).to_owned();
    }
    // A mistake in a signature is one of Rust.
    let mistakes = mistakes && !matches!(kind, 11 | 12);
    let inner = ty(random, depth - 1, mistakes);
    match kind {
        0 => format!("std::option::Option<{inner}>"),
        1 => format!("std::vec::Vec<{inner}>"),
        2 => format!("({inner}, {})", ty(random, depth - 1, mistakes)),
        3 => format!("({inner},)"),
        4 => format!("({inner})"),
        5 => format!("[{inner}; 2]"),
        6 => format!("Box<{inner}>"),
        7 => format!("Arc<{inner}>"),
        8 => format!("std::result::Result<{inner}, Local>"),
        9 => format!("Generic<{inner}>"),
        10 => format!("HashMap<u8, {inner}>").replace("u8", "std::string::String"),
        11 => format!("Box<dyn Fn(&std::primitive::str) -> {inner} + Send + Sync>"),
        12 => {
            format!("Box<dyn for<'x{depth}> Fn(&'x{depth} {inner}, &i8) -> &'x{depth} {inner} + Send + Sync>")
        }
        13 => format!("Arc<dyn Holds<{inner}> + Send + Sync>"),
        14 => format!("Pin<Box<dyn Future<Output = {inner}> + Send + Sync>>"),
        15 => format!("Same<{inner}>"),
        _ => format!("<{inner} as Identity>::Of"),
    }
}

const ABOVE: &[&str] = &[
    "/// Documented.\n",
    "#[allow(unused)]\n",
    "#[cfg(all())]\n",
    "#[cfg_attr(all(), allow(unused))]\n",
    "#[deprecated]\n",
    "#[doc(hidden)]\n",
    "#[deny(unsafe_code)]\n",
    "#[expect(dead_code)]\n",
];

const OPTIONS: &[&str] = &[
    "timeout = \"1s\", ",
    "total_timeout = \"2m\", ",
    "memory = \"1 GiB\", ",
    "blocking, ",
    "cache, ",
    "checkpoint, ",
    "volatile, ",
    "retry(times = 2), ",
    "on_failure = skip, ",
    "when = true, ",
    "timeout = \"5s\", memory = \"1 MiB\", ",
    "on_failure = fail, ",
];

fn make(name: &str, root: &str, id: &str, payload: &Payload, random: &mut Random) -> String {
    let (above, below) = (random.rarely(4, ABOVE), random.rarely(4, ABOVE));
    let options = random.rarely(4, OPTIONS);
    let visibility = random.rarely(3, &["pub ", "pub(crate) ", "pub(super) "]);
    let Payload { parameters, written, .. } = payload;
    if random.one_in(3) {
        let generics = if parameters.is_empty() { "" } else { parameters };
        let arguments: String = names_of(parameters);
        let field = if parameters.is_empty() || parameters.contains("const") {
            String::new()
        } else {
            format!("held: std::marker::PhantomData<fn() -> {written}>,")
        };
        return format!(
            "{above}#[setl::factory({root}{id}{options}output = {written})]\n{below}{visibility}struct {name}{generics} {{ {field} scratch: std::vec::Vec<i8> }}\n\
             impl{} setl::Factory for {name}{arguments} {{\n async fn process(&mut self) -> setl::Result<Self::Output> {{ todo!() }}\n}}\n",
            bounded(parameters),
        );
    }
    let asynchronous = random.rarely(2, &["async "]);
    let output = match random.below(8) {
        0 => format!("setl::Result<{written}>"),
        1 => format!("std::result::Result<{written}, std::fmt::Error>"),
        2 => format!("DbResult<std::fmt::Error, {written}>"),
        3 if random.one_in(4) => format!("Outcome<{written}>"),
        4 if random.one_in(8) => "LoadResult".to_owned(),
        _ => written.clone(),
    };
    format!(
        "{above}#[setl::factory({root}{id}{options})]\n{below}{visibility}{asynchronous}fn {name}{parameters}() -> {output} {{ todo!() }}\n"
    )
}

/// `<T, N>` of `<T: Clone, const N: usize>`.
fn names_of(parameters: &str) -> String {
    let inner = parameters.trim_start_matches('<').trim_end_matches('>');
    if inner.is_empty() {
        return String::new();
    }
    let names = inner
        .split(", ")
        .map(|parameter| parameter.trim_start_matches("const ").split(':').next().unwrap_or_default().trim());
    format!("<{}>", names.collect::<Vec<_>>().join(", "))
}

/// The parameters of an implementation of `Factory`, which has to repeat that they are payloads.
fn bounded(parameters: &str) -> String {
    if parameters.contains("const") || parameters.is_empty() {
        return parameters.to_owned();
    }
    let inner = parameters.trim_start_matches('<').trim_end_matches('>');
    let bounded = inner.split(", ").map(|parameter| match parameter.contains(':') {
        true => format!("{parameter} + Send + Sync + 'static"),
        false => format!("{parameter}: Send + Sync + 'static"),
    });
    format!("<{}>", bounded.collect::<Vec<_>>().join(", "))
}

struct Taker {
    text: String,
    arguments: &'static str,
}

fn take(name: &str, root: &str, asked: &str, payload: &Payload, random: &mut Random) -> Taker {
    let (above, below) = (random.rarely(4, ABOVE), random.rarely(4, ABOVE));
    let options = random.rarely(6, OPTIONS);
    let mut ty = payload.concrete.clone();
    let mut how = asked.to_owned();
    // By value only what is `Clone`, most of the time.
    if !random.one_in(4) {
        how.push_str("shared, ");
        ty = format!("std::sync::Arc<{ty}>");
    }
    if random.one_in(5) {
        how.push_str("optional, ");
        ty = format!("std::option::Option<{ty}>");
    }
    let delivery = if how.is_empty() { String::new() } else { format!("#[delivery({how})]") };
    let note = random.rarely(5, &["#[allow(unused)] "]);
    let (parameters, arguments) = random.of(&[
        ("", ""),
        ("", ""),
        ("", ""),
        ("<Z>", "<Local>"),
        ("<const M: std::primitive::usize>", "::<WIDTH>"),
    ]);
    let parameter = random.of(&["given", "inbox", "self_", "r#type", "__0", "resource", "setl", "_"]);
    let text = if random.one_in(3) {
        let field = if parameter == "_" { "given" } else { parameter };
        let delivery = if delivery.is_empty() { "#[delivery]" } else { &delivery };
        let marker = if parameters == "<Z>" { "marker: std::marker::PhantomData<fn() -> Z>," } else { "" };
        format!(
            "{above}#[setl::factory({root}{options}output = Generic<i8, 5>)]\n{below}struct {name}{parameters} {{ {note}{delivery} {field}: {ty}, scratch: i8, {marker} }}\n\
             impl{} setl::Factory for {name}{} {{\n async fn process(&mut self) -> setl::Result<Generic<i8, 5>> {{ todo!() }}\n}}\n",
            bounded(parameters),
            names_of(parameters),
        )
    } else {
        format!(
            "{above}#[setl::factory({root}{options})]\n{below}fn {name}{parameters}({note}{delivery} {parameter}: {ty}) -> Generic<i8, 5> {{ todo!() }}\n"
        )
    };
    Taker { text, arguments }
}
