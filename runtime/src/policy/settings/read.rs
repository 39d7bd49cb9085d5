//! Reads the settings and checks each value by itself.

use std::path::PathBuf;
use std::time::Duration;

use figment::Figment;
use figment::value::{Dict, Value};

use super::origin::{is_variable, place};
use super::value::{Switch, at_least_one, bytes, duration, factor, not_in_time, range, switch, whole, wrong};
use super::variables::with_underscores;
use crate::base::names::{did_you_mean, quoted};
use crate::cache::CachePolicy;
use crate::policy::{Caching, CodeScope, OnFailure, OptimizerOff, RetryOn};

pub(super) const TOP: &[&str] = &[
    "keep_going",
    "deadline",
    "memory_limit",
    "concurrency",
    "blocking_threads",
    "state_dir",
    "cache",
    "code",
    "optimizer",
    "defaults",
    "factory",
    "resource",
];
pub(super) const DEFAULTS: &[&str] = &["retry", "timeout", "total_timeout", "code"];
pub(super) const FACTORY: &[&str] =
    &["retry", "timeout", "total_timeout", "on_failure", "enabled", "checkpoint", "cache", "code", "memory"];
pub(super) const CACHE: &[&str] = &["all", "max_bytes", "max_age"];
pub(super) const OPTIMIZER: &[&str] = &["off"];
pub(super) const CACHING: &[&str] = &["max_age"];
pub(super) const RETRY: &[&str] = &["times", "backoff", "factor", "jitter", "on"];
pub(super) const RESOURCE: &[&str] = &["max_concurrent", "breaker"];
pub(super) const BREAKER: &[&str] = &["failures", "open_for"];

/// All settings, as read.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) keep_going: Option<bool>,
    pub(super) deadline: Option<Duration>,
    pub(super) memory_limit: Option<u64>,
    pub(super) concurrency: Option<usize>,
    pub(super) blocking_threads: Option<usize>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) cache: CachePolicy,
    pub(super) code: Option<CodeScope>,
    pub(super) optimizer: OptimizerOff,
    pub(super) defaults: PolicyOverride,
    pub(super) factories: Vec<Named<FactoryOverride>>,
    pub(super) resources: Vec<Named<ResourceOverride>>,
}

#[derive(Default)]
pub(super) struct PolicyOverride {
    pub(super) retry: Option<Placed<Switch<RetryOverride>>>,
    pub(super) timeout: Option<Switch<Duration>>,
    pub(super) total_timeout: Option<Switch<Duration>>,
    pub(super) code: Option<CodeScope>,
}

#[derive(Clone, Copy)]
pub(super) struct RetryOverride {
    pub(super) times: Option<u32>,
    pub(super) backoff: Option<(Duration, Duration)>,
    pub(super) factor: Option<f32>,
    pub(super) jitter: Option<bool>,
    pub(super) on: Option<RetryOn>,
}

pub(super) struct FactoryOverride {
    pub(super) policy: PolicyOverride,
    pub(super) on_failure: Option<Placed<OnFailure>>,
    pub(super) enabled: Option<Placed<bool>>,
    pub(super) checkpoint: Option<Placed<bool>>,
    pub(super) cache: Option<Placed<Switch<Caching>>>,
    pub(super) memory: Option<Switch<u64>>,
}

pub(super) struct ResourceOverride {
    pub(super) max_concurrent: Option<Switch<u32>>,
    pub(super) breaker: Option<Placed<Switch<BreakerOverride>>>,
}

#[derive(Clone, Copy)]
pub(super) struct BreakerOverride {
    pub(super) failures: Option<u32>,
    pub(super) open_for: Option<Duration>,
}

/// A value with its place in the settings.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: String,
}

/// The settings of a named factory or resource.
pub(super) struct Named<T> {
    pub(super) name: String,
    pub(super) place: String,
    /// `true` if only variables set it. Their names have neither case nor a single underscore of their own.
    pub(super) by_variable: bool,
    pub(super) says: T,
}

/// Reads values and collects their mistakes.
pub(super) struct Reader<'a> {
    figment: &'a Figment,
    environment: Option<&'a str>,
    mistakes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn read(figment: &'a Figment, environment: Option<&'a str>) -> (Overrides, Vec<String>) {
        let mut reader = Self { figment, environment, mistakes: Vec::new() };
        // An empty path means all settings. Only providers could fail, and these do not.
        let overrides = match figment.find_value("") {
            Ok(all) => reader.overrides(&all),
            Err(error) => {
                reader.mistakes.push(error.to_string());
                Overrides::default()
            }
        };
        (overrides, reader.mistakes)
    }

    fn overrides(&mut self, all: &Value) -> Overrides {
        let Some(table) = self.table("", all, TOP) else { return Overrides::default() };
        Overrides {
            keep_going: self.field(table, "", "keep_going", SWITCH, Value::to_bool),
            deadline: self.time(table, "", "deadline", DURATION, duration),
            memory_limit: self.field(table, "", "memory_limit", BYTES, bytes),
            concurrency: self.field(table, "", "concurrency", COUNT, at_least_one),
            blocking_threads: self.field(table, "", "blocking_threads", COUNT, at_least_one),
            state_dir: self
                .field(table, "", "state_dir", "a path", |value| value.as_str().map(PathBuf::from)),
            cache: table.get("cache").map(|value| self.cache(value)).unwrap_or_default(),
            code: self.code(table, ""),
            optimizer: table.get("optimizer").map(|value| self.optimizer(value)).unwrap_or_default(),
            defaults: match table.get("defaults").and_then(|value| self.table("defaults", value, DEFAULTS)) {
                Some(defaults) => self.policy(defaults, "defaults"),
                None => PolicyOverride::default(),
            },
            factories: self.named(table, "factory", Self::factory),
            resources: self.named(table, "resource", Self::resource),
        }
    }

    fn factory(&mut self, path: &str, value: &Value) -> Option<FactoryOverride> {
        let table = self.table(path, value, FACTORY)?;
        Some(FactoryOverride {
            policy: self.policy(table, path),
            on_failure: self.choice(
                table,
                path,
                "on_failure",
                &[("fail", OnFailure::Fail), ("skip", OnFailure::Skip), ("fallback", OnFailure::Fallback)],
            ),
            enabled: self.placed(table, path, "enabled", SWITCH, Value::to_bool),
            checkpoint: self.placed(table, path, "checkpoint", SWITCH, Value::to_bool),
            cache: table.get("cache").and_then(|value| self.caching(&joined(path, "cache"), value)),
            memory: self.field(table, path, "memory", BYTES_OR_NOT, |value| switch(value, bytes)),
        })
    }

    fn cache(&mut self, value: &Value) -> CachePolicy {
        match value.to_bool() {
            Some(false) => return CachePolicy::off(),
            Some(true) => return CachePolicy::declared(),
            None => {}
        }
        let Some(table) = self.table("cache", value, CACHE) else { return CachePolicy::default() };
        let all = self.field(table, "cache", "all", SWITCH, Value::to_bool);
        CachePolicy {
            max_bytes: self.field(table, "cache", "max_bytes", BYTES, bytes),
            max_age: self.field(table, "cache", "max_age", DURATION, duration),
            ..match all {
                Some(true) => CachePolicy::all(),
                Some(false) => CachePolicy::declared(),
                None => CachePolicy::default(),
            }
        }
    }

    fn optimizer(&mut self, value: &Value) -> OptimizerOff {
        match value.to_bool() {
            Some(false) => return OptimizerOff { all: true, passes: Vec::new() },
            Some(true) => return OptimizerOff::default(),
            None => {}
        }
        let Some(table) = self.table("optimizer", value, OPTIMIZER) else { return OptimizerOff::default() };
        let passes = self.field(table, "optimizer", "off", PASSES, |value| {
            let names = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<Vec<_>>>()
        });
        OptimizerOff { all: false, passes: passes.unwrap_or_default() }
    }

    fn caching(&mut self, path: &str, value: &Value) -> Option<Placed<Switch<Caching>>> {
        let place = self.place(path, value);
        let value = match value.to_bool() {
            Some(false) => Switch::Off,
            Some(true) => Switch::To(Caching::DEFAULT),
            None => {
                let table = self.table(path, value, CACHING)?;
                Switch::To(Caching { max_age: self.field(table, path, "max_age", DURATION, duration) })
            }
        };
        Some(Placed { value, place })
    }

    fn resource(&mut self, path: &str, value: &Value) -> Option<ResourceOverride> {
        let table = self.table(path, value, RESOURCE)?;
        let max_concurrent =
            self.field(table, path, "max_concurrent", "a whole number of at least 1, or false", |value| {
                switch(value, at_least_one)
            });
        let breaker = table.get("breaker").and_then(|value| {
            let path = joined(path, "breaker");
            let place = self.place(&path, value);
            let value = match value.to_bool() {
                Some(false) => Switch::Off,
                _ => {
                    let table = self.table(&path, value, BREAKER)?;
                    Switch::To(BreakerOverride {
                        failures: self.field(table, &path, "failures", COUNT, at_least_one),
                        open_for: self.time(table, &path, "open_for", DURATION, duration),
                    })
                }
            };
            Some(Placed { value, place })
        });
        Some(ResourceOverride { max_concurrent, breaker })
    }

    fn policy(&mut self, table: &Dict, path: &str) -> PolicyOverride {
        let limit = |value: &Value| switch(value, duration);
        let policy = PolicyOverride {
            retry: table.get("retry").and_then(|value| {
                let path = joined(path, "retry");
                let place = self.place(&path, value);
                let value = match value.to_bool() {
                    Some(false) => Switch::Off,
                    _ => Switch::To(self.retry(&path, value)?),
                };
                Some(Placed { value, place })
            }),
            timeout: self.time(table, path, "timeout", LIMIT, limit),
            total_timeout: self.time(table, path, "total_timeout", LIMIT, limit),
            code: self.code(table, path),
        };
        if let (Some(Switch::To(one)), Some(Switch::To(all))) = (policy.timeout, policy.total_timeout)
            && all < one
            && let Some(value) = table.get("total_timeout")
        {
            let place = self.place(&joined(path, "total_timeout"), value);
            let one = humantime::format_duration(one);
            self.mistakes
                .push(format!("{place}: it is for all attempts together, and one may take {one} already"));
        }
        policy
    }

    fn code(&mut self, table: &Dict, path: &str) -> Option<CodeScope> {
        let choices = [("program", CodeScope::Program), ("package", CodeScope::Package)];
        self.choice(table, path, "code", &choices).map(|scope| scope.value)
    }

    fn retry(&mut self, path: &str, value: &Value) -> Option<RetryOverride> {
        let table = self.table(path, value, RETRY)?;
        let on = [("transient", RetryOn::Transient), ("any", RetryOn::Any)];
        Some(RetryOverride {
            times: self.field(table, path, "times", "a whole number", whole),
            backoff: self.time(table, path, "backoff", BACKOFF, range),
            factor: self.field(table, path, "factor", "a number of at least 1", factor),
            jitter: self.field(table, path, "jitter", SWITCH, Value::to_bool),
            on: self.choice(table, path, "on", &on).map(|on| on.value),
        })
    }

    fn named<T>(
        &mut self,
        table: &Dict,
        kind: &str,
        read: impl Fn(&mut Self, &str, &Value) -> Option<T>,
    ) -> Vec<Named<T>> {
        let Some(value) = table.get(kind) else { return Vec::new() };
        let Some(dict) = value.as_dict() else {
            self.mistake(kind, value, &format!("a table for each {kind}, as in [{kind}.name]"));
            return Vec::new();
        };
        let mut all = Vec::new();
        for (name, value) in dict {
            let path = joined(kind, name);
            if let Some(says) = read(self, &path, value) {
                let place = self.place(&path, value);
                let by_variable = is_variable(self.figment, value);
                all.push(Named { name: name.clone(), place, by_variable, says });
            }
        }
        // Variables take precedence over files that spell the same name differently.
        all.sort_by_key(|named| named.by_variable);
        all
    }

    fn table<'v>(&mut self, path: &str, value: &'v Value, allowed: &[&str]) -> Option<&'v Dict> {
        let Some(table) = value.as_dict() else {
            let switched = match allowed {
                RETRY | BREAKER => ", or false",
                CACHE | CACHING | OPTIMIZER => ", or true or false",
                _ => "",
            };
            self.mistake(path, value, &format!("a table with {}{switched}", quoted(allowed.iter().copied())));
            return None;
        };
        for (key, value) in table {
            if !allowed.contains(&key.as_str()) {
                let place = self.place(&joined(path, key), value);
                let near = (allowed == TOP && is_variable(self.figment, value))
                    .then(|| with_underscores(key, value))
                    .flatten()
                    .unwrap_or_else(|| did_you_mean(key, allowed.iter().copied()));
                self.mistakes.push(format!("{place}: unknown setting{near}"));
            }
        }
        Some(table)
    }

    fn field<T>(
        &mut self,
        table: &Dict,
        path: &str,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = table.get(key)?;
        let read = read(value);
        if read.is_none() {
            self.mistake(&joined(path, key), value, expected);
        }
        read
    }

    /// Reads a field with one duration or two. A valid duration may still be an invalid value.
    fn time<T>(
        &mut self,
        table: &Dict,
        path: &str,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let mistakes = self.mistakes.len();
        let read = self.field(table, path, key, expected, read);
        if let Some(mistake) = self.mistakes.get_mut(mistakes)
            && let Some(reason) = table.get(key).and_then(not_in_time)
        {
            mistake.push_str(": ");
            mistake.push_str(reason);
        }
        read
    }

    fn placed<T>(
        &mut self,
        table: &Dict,
        path: &str,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<Placed<T>> {
        let value = self.field(table, path, key, expected, read)?;
        let place = self.place(&joined(path, key), table.get(key)?);
        Some(Placed { value, place })
    }

    fn choice<T: Copy>(
        &mut self,
        table: &Dict,
        path: &str,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<Placed<T>> {
        let words = quoted(choices.iter().map(|(word, _)| *word)).replace('`', "\"");
        self.placed(table, path, key, &format!("one of {words}"), |value| {
            let word = value.as_str()?;
            choices.iter().find(|(choice, _)| *choice == word).map(|(_, value)| *value)
        })
    }

    fn place(&self, path: &str, value: &Value) -> String {
        place(self.figment, self.environment, path, value)
    }

    fn mistake(&mut self, path: &str, value: &Value, expected: &str) {
        let place = self.place(path, value);
        self.mistakes.push(wrong(&place, expected, value));
    }
}

const SWITCH: &str = "true or false";
const DURATION: &str = r#"a duration such as "10s""#;
const LIMIT: &str = r#"a duration such as "10s", or false"#;
const BACKOFF: &str = r#"one duration or two, such as "1s..1m""#;
const BYTES: &str = r#"a number of bytes, or a text such as "500 MiB""#;
const BYTES_OR_NOT: &str = r#"a number of bytes, a text such as "500 MiB", or false"#;
const PASSES: &str = r#"a list of names of passes, such as ["share-scans"]"#;
const COUNT: &str = "a whole number of at least 1";

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
