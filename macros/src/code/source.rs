//! Assigns the parts of a file to factories.

use std::collections::{BTreeSet, HashMap, HashSet};

use proc_macro2::{TokenStream, TokenTree};

use super::lexer::{Kind, Token, tokens};

/// A file, divided into items.
#[derive(Default)]
pub(super) struct Source {
    /// The factories that are declared in it.
    pub(super) factories: Vec<String>,
    /// All other types. An `impl` block names its type only by its last name. If two types have the same name, the block counts
    /// for all factories.
    pub(super) others: Vec<String>,
    /// The modules for tests that have their own file, by their path from this one.
    pub(super) test_modules: Vec<String>,
    /// The paths of all other modules with their own file.
    pub(super) modules: Vec<String>,
    items: Vec<Item>,
}

/// The code that counts for each factory of a package, and for all.
#[derive(Default)]
pub(super) struct Shares {
    pub(super) of_all: Share,
    pub(super) of_one: HashMap<String, Share>,
}

/// Some items, and the factories that they name.
#[derive(Default)]
pub(super) struct Share {
    pub(super) hash: Hash,
    pub(super) named: BTreeSet<String>,
}

impl Share {
    fn add(&mut self, item: &Item, factories: &HashSet<String>) {
        self.hash.add(item.hash);
        self.named.extend(item.words.iter().filter(|word| factories.contains(*word)).cloned());
    }
}

/// An item, or the tokens between two items.
struct Item {
    /// The type that it declares or implements.
    of: Option<String>,
    hash: u128,
    /// The names in it that may be factories.
    words: HashSet<String>,
}

impl Source {
    pub(super) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut source = Self::default();
        Items { tokens: &tokens, at: 0 }.collect(&mut Vec::new(), &mut source);
        source
    }

    /// Adds each item to its factory, or to all factories if it has none.
    pub(super) fn divide(&self, factories: &HashSet<String>, shares: &mut Shares) {
        for item in &self.items {
            let share = match &item.of {
                Some(name) if factories.contains(name) => shares.of_one.entry(name.clone()).or_default(),
                _ => &mut shares.of_all,
            };
            share.add(item, factories);
        }
    }
}

/// The methods of runs and builders that take a factory as a type and call none of its code.
const LISTED_IN: [&str; 11] = [
    "get",
    "find",
    "only",
    "up_to",
    "from",
    "provide",
    "factory",
    "factory_named",
    "replace",
    "replace_with",
    "fail",
];

/// Returns the names in these tokens that may be factories, except those that only select a factory of a run.
fn names_in(tokens: &[Token<'_>]) -> HashSet<String> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
    let mut words = HashSet::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is_listed = token.is(".")
            && tokens.get(at + 1).is_some_and(|method| LISTED_IN.iter().any(|name| method.is(name)))
            && is(at + 2, ":")
            && is(at + 3, ":")
            && is(at + 4, "<");
        if is_listed {
            let end =
                tokens[at..].iter().position(|token| token.is(">")).map_or(tokens.len(), |end| at + end);
            // A generic factory may call the code of its type arguments.
            let inner =
                tokens[at + 5..end].iter().position(|token| token.is("<")).map_or(end, |open| at + 5 + open);
            at = inner;
            continue;
        }
        if token.kind == Kind::Word {
            words.insert(unraw(token.text).to_owned());
        }
        at += 1;
    }
    words
}

/// The keywords that determine the kind of an item.
const KINDS: [&str; 8] = ["struct", "enum", "union", "fn", "mod", "impl", "trait", "type"];

/// Visits item by item.
struct Items<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

impl<'a> Items<'a> {
    fn collect(mut self, modules: &mut Vec<String>, source: &mut Source) {
        while self.at < self.tokens.len() {
            self.item(modules, source);
        }
    }

    fn item(&mut self, modules: &mut Vec<String>, source: &mut Source) {
        let start = self.at;
        let (mut is_factory, mut is_pipeline, mut is_test) = (false, false, false);
        while let Some(attribute) = self.attribute() {
            is_factory |= names(attribute, "factory");
            is_pipeline |= names(attribute, "pipeline");
            is_test |= attribute.iter().map(|token| token.text).eq(["cfg", "(", "test", ")"]);
        }
        let head = self.at;
        let body = self.skip_item(head);
        let whole = &self.tokens[start..self.at];
        let header = &self.tokens[head..body.as_ref().map_or(self.at, |body| body.start)];
        // Keywords in brackets, of a macro or a constant, do not determine the kind of the item.
        let outer = self.visibility(head);
        let mut words = header.iter().skip(outer).take_while(|token| token.kind != Kind::Open);
        let kind = words.position(|token| KINDS.iter().any(|kind| token.is(kind))).map(|kind| outer + kind);
        let name = kind.and_then(|kind| header.get(kind + 1)).map(|token| unraw(token.text).to_owned());
        let kind_is = |text: &str| kind.is_some_and(|kind| header[kind].is(text));
        if kind_is("mod")
            && let Some(name) = &name
        {
            match body {
                _ if is_test && body.is_some() => {}
                None if is_test => source
                    .test_modules
                    .push([modules.as_slice(), std::slice::from_ref(name)].concat().join("/")),
                Some(body) => {
                    let within = &self.tokens[body.start + 1..body.end.max(body.start + 2) - 1];
                    let hash = hash_of(&self.tokens[start..body.start]);
                    source.items.push(Item { of: None, hash, words: HashSet::new() });
                    modules.push(name.clone());
                    Items { tokens: within, at: 0 }.collect(modules, source);
                    modules.pop();
                }
                None => {
                    source.modules.push([modules.as_slice(), std::slice::from_ref(name)].concat().join("/"));
                    source.items.push(Item { of: None, hash: hash_of(whole), words: HashSet::new() });
                }
            }
            return;
        }
        // The wiring of a pipeline counts through the deliveries of its factories.
        if is_test || (is_pipeline && kind_is("struct")) {
            return;
        }
        if !is_factory && ["struct", "enum", "union", "trait", "type"].into_iter().any(kind_is) {
            source.others.extend(name.clone());
        }
        let block = kind.filter(|_| kind_is("impl")).map(|kind| &header[kind + 1..]);
        // Other code may call the methods of a trait without naming the factory.
        let is_own = block.is_none_or(|header| of_trait(header).is_none_or(|of| OWN_TRAITS.contains(&of)));
        let of = block.filter(|_| is_own).and_then(self_type);
        let of = of.or_else(|| name.filter(|_| is_factory));
        if is_factory && let Some(name) = &of {
            source.factories.push(name.clone());
        }
        // An imported name is used under that name, unless it is renamed.
        let renames = header.iter().any(|token| token.is("as"));
        let is_import = header.get(outer).is_some_and(|token| token.is("use")) && !renames;
        let words = if is_import { HashSet::new() } else { names_in(whole) };
        source.items.push(Item { of, hash: hash_of(whole), words });
    }

    /// Reads `#[…]` or `#![…]` and returns the content of the brackets.
    fn attribute(&mut self) -> Option<&'a [Token<'a>]> {
        let rest = &self.tokens[self.at..];
        if !rest.first()?.is("#") {
            return None;
        }
        let open = 1 + usize::from(rest.get(1)?.is("!"));
        if !rest.get(open)?.is("[") {
            return None;
        }
        let end = end_of_group(rest, open);
        self.at += end;
        Some(&rest[open + 1..end.max(open + 2) - 1])
    }

    /// Skips to the end of an item, and returns the range of its braces if it ends with them.
    fn skip_item(&mut self, head: usize) -> Option<std::ops::Range<usize>> {
        let is_constant = self.starts_with(head, "const") && !self.is_function(head);
        let ends_with_semicolon =
            is_constant || ["use", "static", "type", "let"].iter().any(|word| self.starts_with(head, word));
        while let Some(token) = self.tokens.get(self.at) {
            match token.kind {
                Kind::Open => {
                    let start = self.at;
                    self.at = end_of_group(self.tokens, start);
                    if token.is("{") && !ends_with_semicolon {
                        return Some(start..self.at);
                    }
                }
                _ => {
                    self.at += 1;
                    if token.is(";") {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Returns `true` if this word comes first, after the visibility.
    fn starts_with(&self, head: usize, word: &str) -> bool {
        self.tokens.get(head + self.visibility(head)).is_some_and(|token| token.is(word))
    }

    /// Returns the number of tokens of `pub` or `pub(crate)`.
    fn visibility(&self, head: usize) -> usize {
        let is = |at: usize, text: &str| self.tokens.get(at).is_some_and(|token| token.is(text));
        match (is(head, "pub"), is(head + 1, "(")) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => end_of_group(self.tokens, head + 1) - head,
        }
    }

    /// Returns `true` for `const fn`, `const unsafe fn`, and so on.
    fn is_function(&self, head: usize) -> bool {
        let mut words = self.tokens[head..].iter().take_while(|token| !token.is(":") && !token.is("="));
        words.any(|token| token.is("fn"))
    }
}

/// Returns the end of the group that opens at `open`, or the end of the tokens.
fn end_of_group(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Returns `true` if an attribute is `name` or `setl::name`, with or without arguments.
fn names(attribute: &[Token<'_>], name: &str) -> bool {
    let path = attribute.iter().take_while(|token| token.kind != Kind::Open);
    path.last().is_some_and(|last| last.is(name))
}

fn unraw(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// The traits of setl whose implementations belong to the factory.
const OWN_TRAITS: [&str; 2] = ["Factory", "Rollback"];

/// Returns the last name in the path of the implemented trait, if there is one.
fn of_trait<'a>(header: &[Token<'a>]) -> Option<&'a str> {
    let (mut depth, mut last) = (0i32, None);
    for (at, token) in header.iter().enumerate() {
        match token.text {
            "<" => depth += 1,
            ">" if at == 0 || !header[at - 1].is("-") => depth -= 1,
            "for" if depth == 0 && !header.get(at + 1).is_some_and(|next| next.is("<")) => return last,
            _ if depth == 0 && token.kind == Kind::Word => last = Some(unraw(token.text)),
            _ => {}
        }
    }
    None
}

/// Returns the last name in the path of the implementing type: `Load` in `<T> Factory for etl::Load<T> where …`.
fn self_type(header: &[Token<'_>]) -> Option<String> {
    let (mut depth, mut last) = (0i32, None);
    for (at, token) in header.iter().enumerate() {
        let after = |text: &str| at > 0 && header[at - 1].is(text);
        match token.text {
            "<" => depth += 1,
            ">" if !after("-") => depth -= 1,
            "where" if depth == 0 => break,
            // The `for` is not that of `for<'a>`.
            "for" if depth == 0 && !header.get(at + 1).is_some_and(|next| next.is("<")) => last = None,
            _ if depth == 0 && token.kind == Kind::Word => last = Some(unraw(token.text).to_owned()),
            _ => {}
        }
    }
    last
}

/// A hash of 128 bits that is the same on every machine. It distinguishes texts that differ by accident, which suffices here. A
/// cryptographic hash would take longer to compile than to run.
#[derive(Clone)]
pub(super) struct Hash {
    state: u128,
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// An odd number without a pattern: the digits of the golden ratio and of π.
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15_243f_6a88_85a3_08d3;

    pub(super) const fn new() -> Self {
        Self { state: Self::FACTOR }
    }

    /// Adds a word. The step is reversible in the state and in the word, so no single change is lost.
    pub(super) fn add(&mut self, word: u128) {
        self.state = (self.state.rotate_left(59) ^ word).wrapping_mul(Self::FACTOR);
    }

    /// Adds a text and its length.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u128);
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.add(u128::from_le_bytes(*word));
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u128::from_le_bytes(last));
    }

    pub(super) fn finish(&self) -> u128 {
        let folded = (self.state ^ (self.state >> 64)).wrapping_mul(Self::FACTOR);
        folded ^ (folded >> 64)
    }
}

/// The bytes of tokens for hashing. The end mark of each token makes them unambiguous.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn add(&mut self, token: &str, joint: bool) {
        self.0.extend_from_slice(token.as_bytes());
        self.0.push(if joint { 1 } else { 0 });
    }

    fn hash(&self) -> u128 {
        let mut hash = Hash::new();
        hash.bytes(&self.0);
        hash.finish()
    }
}

/// Hashes these tokens without `#[doc]`.
fn hash_of(tokens: &[Token<'_>]) -> u128 {
    let mut text = Text::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("#") {
            let open = at + 1 + usize::from(tokens.get(at + 1).is_some_and(|next| next.is("!")));
            let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.is(text));
            if is(open, "[") && is(open + 1, "doc") {
                at = end_of_group(tokens, open);
                continue;
            }
        }
        text.add(token.text, token.kind == Kind::Punct { joint: true });
        at += 1;
    }
    text.hash()
}

/// Hashes tokens from the compiler in the same way. Doc comments are `#[doc]` there, too.
pub(super) fn hash_of_tokens(tokens: TokenStream) -> u128 {
    let mut text = Text::default();
    add_tokens(tokens, &mut text);
    text.hash()
}

fn add_tokens(tokens: TokenStream, text: &mut Text) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let is_doc = |token: &TokenTree| match token {
                    TokenTree::Group(group) => matches!(
                        group.stream().into_iter().next(),
                        Some(TokenTree::Ident(ident)) if ident == "doc"
                    ),
                    _ => false,
                };
                if tokens.next_if(is_doc).is_none() {
                    text.add("#", false);
                }
            }
            TokenTree::Punct(punct) => {
                text.add(
                    punct.as_char().encode_utf8(&mut [0; 4]),
                    punct.spacing() == proc_macro2::Spacing::Joint,
                );
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                text.add(open, false);
                add_tokens(group.stream(), text);
                text.add(close, false);
            }
            TokenTree::Ident(ident) => text.add(&ident.to_string(), false),
            TokenTree::Literal(literal) => text.add(&literal.to_string(), false),
        }
    }
}
