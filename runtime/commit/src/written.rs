//! JSON representation of paths. A path that is not UTF-8 is written in hexadecimal after a zero byte, which no path
//! contains.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    text(path).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    path(String::deserialize(deserializer)?)
}

/// The representation of several paths.
pub(super) mod all {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer>(
        paths: &[PathBuf],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        paths.iter().map(|path| text(path)).collect::<Vec<_>>().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        Vec::deserialize(deserializer)?.into_iter().map(path).collect()
    }
}

/// The representation of several paths, each with another value.
pub(super) mod pairs {
    use super::*;

    pub(in super::super) fn serialize<S: Serializer, T: Serialize>(
        pairs: &[(PathBuf, T)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        pairs.iter().map(|(path, other)| (text(path), other)).collect::<Vec<_>>().serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Vec<(PathBuf, T)>, D::Error> {
        let pairs: Vec<(String, T)> = Vec::deserialize(deserializer)?;
        pairs.into_iter().map(|(text, other)| Ok((path(text)?, other))).collect()
    }
}

#[cfg(unix)]
fn text(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let Some(text) = path.to_str() else {
        let bytes = path.as_os_str().as_bytes();
        return bytes.iter().fold("\0".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    };
    text.to_owned()
}

#[cfg(unix)]
fn path<E: de::Error>(text: String) -> Result<PathBuf, E> {
    use std::os::unix::ffi::OsStringExt;
    let Some(digits) = text.strip_prefix('\0') else {
        return Ok(text.into());
    };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.as_bytes().chunks(2).map(byte).collect::<Option<Vec<_>>>();
    Ok(std::ffi::OsString::from_vec(bytes.ok_or_else(|| E::custom("no path"))?).into())
}

#[cfg(not(unix))]
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn path<E: de::Error>(text: String) -> Result<PathBuf, E> {
    Ok(text.into())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder(#[serde(with = "super")] PathBuf);

    #[test]
    fn any_path_is_read_as_it_was_written() {
        for bytes in [&b"/a/b.csv"[..], b"/a/\xff.csv", b"/a/\xfe.csv", b"/\0", "/größe".as_bytes(), b""] {
            let holder = Holder(OsStr::from_bytes(bytes).into());
            let json = serde_json::to_string(&holder).unwrap();
            assert_eq!(serde_json::from_str::<Holder>(&json).unwrap(), holder, "{json}");
        }
        assert!(serde_json::from_str::<Holder>("\"\\u0000zz\"").is_err());
    }
}
