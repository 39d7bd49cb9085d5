//! What tells two values apart without keeping them.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codec;
use crate::Result;

/// The fingerprint of a value: BLAKE3 of its canonical form. Equal values have equal ones, in every run on every machine.
///
/// Its `Display` is short, for people; `{:#}` gives all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of what is not there: an optional delivery that nobody delivers, a file that does not exist.
    pub const ABSENT: Self = Self([0; 32]);

    /// The fingerprint of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The fingerprint of all that `reader` gives.
    pub(crate) fn of_reader(reader: impl io::Read) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(reader)?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }

    /// All of it.
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

/// A text that is no fingerprint.
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

/// Puts the fingerprint of something together from its parts, one after another.
///
/// What it is made of cannot be told apart wrongly: `"ab"` and `"c"` differ from `"a"` and `"bc"`.
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
    /// Of a thing of this kind: things of two kinds never have the same fingerprint.
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

    /// Adds what is written to it, which has to tell its parts apart itself. It must be flushed.
    pub(crate) fn writer(&mut self) -> impl Write {
        BufWriter::with_capacity(1 << 16, &mut self.hasher)
    }

    /// What has been added, in its order.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(*self.hasher.finalize().as_bytes())
    }
}

/// By way of serde. Marks implementations for all types of which serde knows how to write them.
pub struct BySerde;

/// By what setl knows itself of a type. Marks implementations for datasets, frames and repositories.
pub struct ByFrame;

/// A value that has a fingerprint, so that it can be seen whether it has changed between two runs.
///
/// What implements `serde::Serialize` has one, and so have a `Dataset`, a Polars `DataFrame` and a `Repository`; of a
/// repository it is the one of its place and options only, since what is read from it is looked at when it is read. Maps count without
/// their order. Of a `HashSet` serde does not say that it is one, so that its order counts, which differs in each run: a
/// `BTreeSet` has one fingerprint.
///
/// `Via` says how, and is [`BySerde`] or [`ByFrame`]. Without it the implementation for all that serde knows could not stand
/// beside those for types of other crates, which might come to know serde.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no fingerprint: nothing is known of how to see whether it has changed between two runs",
    label = "cannot be compared with what it was in another run",
    note = "derive `serde::Serialize` on `{Self}`"
)]
pub trait Fingerprinted<Via> {
    /// The fingerprint of its content. It blocks, and may run a query.
    ///
    /// # Errors
    /// When the content cannot be had, or not be serialised.
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
