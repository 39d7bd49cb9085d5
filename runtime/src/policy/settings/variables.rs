//! Recognizes settings in the names of environment variables.

use figment::value::Value;

use super::read::{BREAKER, DEFAULTS, FACTORY, RESOURCE, RETRY, TOP};

struct Table {
    name: &'static str,
    settings: &'static [&'static str],
    /// `true` if a name stands before the setting.
    named: bool,
    example: &'static str,
}

const TABLES: &[Table] = &[
    Table { name: "factory", settings: FACTORY, named: true, example: "SETL_FACTORY__FETCH_RATES__TIMEOUT" },
    Table {
        name: "resource",
        settings: RESOURCE,
        named: true,
        example: "SETL_RESOURCE__RATES__MAX_CONCURRENT",
    },
    Table { name: "defaults", settings: DEFAULTS, named: false, example: "SETL_DEFAULTS__TIMEOUT" },
];

/// Returns `true` if the variable, named without its prefix, is probably a setting.
pub(super) fn is_meant(variable: &str) -> bool {
    let key = variable.to_ascii_lowercase();
    key.contains("__")
        || TABLES.iter().any(|table| within(&key, table).is_some())
        // A short name is similar to many words that belong to other programs.
        || TOP.iter().any(|setting| strsim::damerau_levenshtein(&key, setting) <= (setting.len() / 5).min(2))
}

/// Suggests a variable if an underscore is missing after the first word, as in `SETL_FACTORY_D1_TIMEOUT`. `key` is the key that
/// the variable was read as, and `value` is its value.
pub(super) fn with_underscores(key: &str, value: &Value) -> Option<String> {
    let (table, rest) = TABLES.iter().find_map(|table| Some((table, within(key, table)?)))?;
    let mut rest = rest.to_owned();
    let mut value = value;
    // The rest of the name may have two underscores.
    while let Some((key, below)) = value.as_dict().and_then(|dict| dict.iter().next()) {
        rest = format!("{rest}_{key}");
        value = below;
    }
    let settings = table.settings.iter().flat_map(|setting| nested(setting));
    // `timeout` also matches `total_timeout`; the longer match counts.
    let meant = settings.filter_map(|setting| {
        let name = rest.strip_suffix(&setting.replace("__", "_"))?;
        match (table.named, name.strip_suffix('_')) {
            (true, Some(name)) if !name.is_empty() => Some((setting.len(), format!("{name}__{setting}"))),
            (false, None) if name.is_empty() => Some((setting.len(), setting)),
            _ => None,
        }
    });
    let write = match meant.max_by_key(|(length, _)| *length) {
        Some((_, meant)) => {
            format!("write `SETL_{}`", format!("{}__{meant}", table.name).to_ascii_uppercase())
        }
        None => format!("as in `{}`", table.example),
    };
    Some(format!("; two underscores stand for the dot: {write}"))
}

/// Returns the rest of the key after the name of a table and one underscore.
fn within<'k>(key: &'k str, table: &Table) -> Option<&'k str> {
    key.strip_prefix(table.name)?.strip_prefix('_').filter(|rest| !rest.is_empty() && !rest.starts_with('_'))
}

/// Returns a setting and its nested settings, as they are written in variables.
fn nested(setting: &str) -> Vec<String> {
    let within: &[&str] = match setting {
        "retry" => RETRY,
        "breaker" => BREAKER,
        _ => &[],
    };
    let within = within.iter().map(|inner| format!("{setting}__{inner}"));
    std::iter::once(setting.to_owned()).chain(within).collect()
}
