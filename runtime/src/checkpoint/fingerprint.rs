//! Fingerprints, which distinguish two values without storing them.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec;
use crate::Result;

/// The fingerprint of a value: the BLAKE3 hash of its canonical form. Equal values have equal fingerprints, in every run
/// on every machine.
///
/// Its `Display` is short, for people. `{:#}` prints the whole fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of an absent value: an optional delivery without a producer, or a file that does not exist.
    pub const ABSENT: Self = Self([0; 32]);

    /// Returns the fingerprint of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Returns the fingerprint of all bytes of `reader`.
    pub(crate) fn of_reader(reader: impl io::Read) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(reader)?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// Returns the bytes of the whole fingerprint.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if f.alternate() { &self.0[..] } else { &self.0[..6] };
        shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The error for a text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct NoFingerprint;

impl FromStr for Fingerprint {
    type Err = NoFingerprint;

    fn from_str(text: &str) -> Result<Self, NoFingerprint> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(NoFingerprint);
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:#}"))
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Builds the fingerprint of a thing from its parts, one after another.
///
/// The boundaries of the parts count: `"ab"` and `"c"` differ from `"a"` and `"bc"`.
///
/// ```
/// use setl::checkpoint::{Fingerprint, Fingerprinter};
///
/// let of = |parts: &[&str]| {
///     let mut fingerprinter = Fingerprinter::new("example");
///     parts.iter().for_each(|part| fingerprinter.text(part));
///     fingerprinter.finish()
/// };
/// assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
/// assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
/// ```
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    hasher: blake3::Hasher,
}

impl Fingerprinter {
    /// Begins the fingerprint of a thing of this kind. Things of two kinds never have the same fingerprint.
    pub fn new(kind: &str) -> Self {
        let mut this = Self { hasher: blake3::Hasher::new() };
        this.text(kind);
        this
    }

    /// Adds bytes, preceded by their number.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.hasher.update(&number.to_le_bytes());
    }

    /// Adds the fingerprint of a part.
    pub fn part(&mut self, part: Fingerprint) {
        self.hasher.update(part.as_bytes());
    }

    /// Adds a value in its canonical form.
    ///
    /// # Errors
    /// When the value cannot be serialised.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let mut out = self.writer();
        codec::write_canonical(value, &mut out)?;
        Ok(out.flush()?)
    }

    /// Returns a writer that adds its input. The input must separate its parts itself, and the writer must be flushed.
    pub(crate) fn writer(&mut self) -> impl Write {
        BufWriter::with_capacity(1 << 16, &mut self.hasher)
    }

    /// Returns the fingerprint of all added parts in their order.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(*self.hasher.finalize().as_bytes())
    }
}

/// Marks the implementations through serde, for all types that serde can write.
pub struct BySerde;

/// Marks the implementations of setl itself, for datasets, frames and repositories.
pub struct ByFrame;

/// A value with a fingerprint, which shows whether it has changed between two runs.
///
/// Types that implement `serde::Serialize` have one, and also `Dataset`, the Polars `DataFrame` and `Repository`. The
/// fingerprint of a repository covers only its place and options, because its data is checked when it is read. The order
/// of maps does not count. Serde does not mark a `HashSet` as a set, so its order counts and differs in each run. Use a
/// `BTreeSet` instead.
///
/// `Via` is [`BySerde`] or [`ByFrame`] and selects the implementation. Without it, the implementation for all serde types
/// would conflict with those for types of other crates, which might implement serde later.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fingerprint: nothing is known of how to see whether it has changed between two runs",
    label = "cannot be compared with what it was in another run",
    note = "derive `serde::Serialize` on `{Self}`"
)]
pub trait Fingerprinted<Via> {
    /// Returns the fingerprint of the content. This blocks, and may run a query.
    ///
    /// # Errors
    /// When the content cannot be read or serialised.
    fn fingerprint(&self) -> Result<Fingerprint>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Fingerprinted<BySerde> for T {
    fn fingerprint(&self) -> Result<Fingerprint> {
        let mut fingerprinter = Fingerprinter::new("value");
        fingerprinter.value(self)?;
        Ok(fingerprinter.finish())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn fingerprints_are_the_same_in_every_run() {
        let value = HashMap::from([("min_delay", Some(15.0)), ("max_delay", None)]);
        let text = "3ed8b48aa464";
        assert_eq!(value.fingerprint().unwrap().to_string(), text);
        assert_eq!(value.into_iter().collect::<BTreeMap<_, _>>().fingerprint().unwrap().to_string(), text);
    }

    #[test]
    fn values_that_differ_have_fingerprints_that_differ() {
        let all = [
            1i64.fingerprint().unwrap(),
            1.0f64.fingerprint().unwrap(),
            f64::NAN.fingerprint().unwrap(),
            ().fingerprint().unwrap(),
            "".fingerprint().unwrap(),
            Fingerprint::ABSENT,
            Fingerprint::of_bytes(&[]),
            None::<u8>.fingerprint().unwrap(),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(f64::NAN.fingerprint().unwrap(), (-f64::NAN).fingerprint().unwrap());
    }

    #[test]
    fn their_text_can_be_read() {
        let fingerprint = Fingerprint::of_bytes(b"x");
        assert_eq!(format!("{fingerprint:#}").parse(), Ok(fingerprint));
        assert_eq!("0123".parse::<Fingerprint>(), Err(NoFingerprint));
        assert_eq!("ü".repeat(32).parse::<Fingerprint>(), Err(NoFingerprint));
    }
}
