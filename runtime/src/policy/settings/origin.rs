//! The origin of a setting.

use figment::error::Result;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

/// Settings from one source.
pub(super) struct Given {
    pub(super) metadata: Metadata,
    pub(super) data: Map<Profile, Dict>,
}

impl Given {
    /// Makes the settings of an environment variable, whose name without the prefix is `key`. It takes precedence over all
    /// profiles.
    pub(super) fn variable(name: &str, key: &str, value: &str) -> Self {
        let metadata = Metadata::named(format!("environment variable `{name}`"));
        // A value that is not a number, list or table is text. A value that is nested deeper than any setting is text, too, since
        // the parser is recursive.
        let value = match depth(value) > DEEPEST {
            true => Value::from(value.to_owned()),
            false => value.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        };
        let nested = nest(&mut key.to_ascii_lowercase().splitn(DEEPEST, "__"), value);
        Self { metadata, data: Map::from([(Profile::Global, nested.into_dict().unwrap_or_default())]) }
    }
}

/// The depth beyond which a value is not parsed. No setting is nested as deeply.
const DEEPEST: usize = 16;

/// Returns the maximum nesting depth of lists and tables.
fn depth(value: &str) -> usize {
    let mut open = 0usize;
    let depths = value.bytes().map(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open
    });
    depths.max().unwrap_or(0)
}

fn nest<'a>(keys: &mut impl Iterator<Item = &'a str>, value: Value) -> Value {
    match keys.next() {
        Some(key) => Dict::from([(key.to_owned(), nest(keys, value))]).into(),
        None => value,
    }
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>> {
        Ok(self.data.clone())
    }
}

/// Describes the place of the value with this key: a variable, or a file and the key in it.
pub(super) fn place(figment: &Figment, environment: Option<&str>, key: &str, value: &Value) -> String {
    let tag = deepest(value).tag();
    match figment.get_metadata(tag) {
        Some(Metadata { source: None, name, .. }) => format!("{name}: `{key}`"),
        metadata => {
            // Tags distinguish the default and the global profile from all others.
            let table = match (tag.profile(), environment) {
                (None, Some(environment)) => format!("env.{environment}."),
                _ => String::new(),
            };
            match metadata.and_then(|metadata| metadata.source.as_ref()) {
                Some(file @ Source::File(_)) => format!("{file}: `{table}{key}`"),
                _ => format!("`{table}{key}`"),
            }
        }
    }
}

/// Returns `true` if a value comes from an environment variable alone.
pub(super) fn is_variable(figment: &Figment, value: &Value) -> bool {
    match value {
        Value::Dict(_, dict) if !dict.is_empty() => dict.values().all(|value| is_variable(figment, value)),
        value => figment.get_metadata(value.tag()).is_some_and(|metadata| metadata.source.is_none()),
    }
}

/// Returns the innermost first value, since a table from several sources only has the tag of the last source.
fn deepest(value: &Value) -> &Value {
    match value {
        Value::Dict(_, dict) => dict.values().next().map_or(value, deepest),
        value => value,
    }
}
