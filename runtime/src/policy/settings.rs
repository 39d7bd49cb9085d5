//! Policies that change without a rebuild: from a file and from environment variables.
//!
//! ```toml
#![doc = include_str!("settings/example.toml")]
//! ```
//!
//! A single duration for `backoff` sets all waits to this duration. `false` switches an option off: `retry`, `timeout`,
//! `total_timeout`, `max_concurrent`, `breaker`, `cache`, `memory`, `optimizer`.
//!
//! # Precedence
//!
//! The sources, from the highest precedence to the lowest:
//!
//! 1. environment variables: `SETL_FACTORY__FETCH_RATES__TIMEOUT=10s` is `factory.fetch_rates.timeout`,
//! 2. the chosen environment: `[env.production.…]`,
//! 3. the rest of the file,
//!
//! The tables and options, after the sources are combined:
//!
//! 1. `[factory.…]`,
//! 2. the options of the factory,
//! 3. `[defaults]`,
//! 4. the defaults of the pipeline.
//!
//! Environments are [profiles of figment](figment::Profile) and follow its rules: the tables outside of `env` are its default
//! profile, and variables are its global profile. Unlike in figment's nested files, the default profile has no table of its own.
//! So a file without environments has one level less.
//!
//! # Names in variables
//!
//! Two underscores stand for the dot. Names of factories and resources match regardless of case and underscores: `CARRIER_DELAYS`
//! is `CarrierDelays`. Other programs may use variables that begin with `SETL_`. Therefore a variable is read only if it contains
//! two underscores, begins with `SETL_FACTORY_`, `SETL_RESOURCE_` or `SETL_DEFAULTS_`, or is a misspelt setting. In a misspelt
//! setting at most one letter in five is wrong, and at most two.

mod apply;
mod origin;
mod read;
#[cfg(test)]
mod tests;
mod value;
mod variables;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fs, io};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Source};

use super::{Effective, SettingsSource};
use crate::base::names::did_you_mean;
use crate::plan::Plan;
use origin::Given;
use read::{Overrides, Reader};

/// Overrides of policies, from a file and from environment variables. See the [module](self).
///
/// ```
/// use std::time::Duration;
///
/// use setl::pipeline::PipelineItem;
/// use setl::policy::Settings;
/// use setl::prelude::*;
///
/// #[factory]
/// fn fetch_rates() -> f64 {
///     1.1
/// }
///
/// #[pipeline(extract(fetch_rates))]
/// struct Daily;
///
/// # fn main() -> Result<()> {
/// let settings: Settings = "
///     [defaults]
///     retry.times = 3
///     [factory.fetch_rates]
///     timeout = '10s'
/// "
/// .parse()?;
/// let effective = settings.apply(Daily::PLAN, |_| false)?;
/// assert_eq!(effective.of_factory(0).policy.timeout, Some(Duration::from_secs(10)));
///
/// let settings: Settings = "factory.fetch_rate.timeout = '10s'".parse()?;
/// let error = settings.apply(Daily::PLAN, |_| false).unwrap_err();
/// assert!(error.to_string().contains("no factory `fetch_rate`, did you mean `fetch_rates`?"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings {
    figment: Figment,
    /// The environments that files have tables for.
    environments: Vec<String>,
    /// The environment that `SETL_ENV` chooses.
    of_variable: Option<String>,
    /// The environment that the program chooses.
    environment: Option<String>,
}

/// An error in settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("settings file {} cannot be read", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("{place} is not TOML: {reason}")]
    NotToml {
        /// The file, or the text of the settings.
        place: String,
        /// The reason and the position.
        reason: String,
    },
    /// The settings are invalid.
    #[error("{}", listed(mistakes))]
    Mistakes {
        /// All mistakes, each with its file or variable and its key.
        mistakes: Vec<String>,
    },
}

fn listed(mistakes: &[String]) -> String {
    match mistakes {
        [one] => format!("the settings have a mistake: {one}"),
        several => format!("the settings have {} mistakes:\n  {}", several.len(), several.join("\n  ")),
    }
}

impl Settings {
    /// Reads settings from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or contains an invalid setting in any environment. The names of factories are
    /// checked when the settings are applied.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        Self::default().with_file(path)
    }

    /// Adds a file, which takes precedence over those that were added earlier.
    ///
    /// # Errors
    /// The errors of [`Settings::from_file`].
    pub fn with_file(self, path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
        self.with_text(&text, Some(path))
    }

    /// Adds the environment variables of the process that begin with `SETL_`. `SETL_ENV` chooses the environment.
    pub fn with_env(self) -> Self {
        // A variable that is not text cannot be a setting.
        let variables = std::env::vars_os();
        self.with_variables(
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// Adds the given variables instead of those of the process, like [`Settings::with_env`].
    ///
    /// ```
    /// use setl::policy::Settings;
    ///
    /// let settings = Settings::default().with_variables([("SETL_DEFAULTS__RETRY__TIMES", "5")]);
    /// ```
    pub fn with_variables<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut variables: Vec<(String, String)> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        variables.sort();
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("SETL_") else { continue };
            if key == "ENV" {
                self.of_variable = Some(value).filter(|name| !name.is_empty());
            } else if variables::is_meant(key) {
                // Each variable is its own source, so that mistakes name it.
                self.figment = self.figment.merge(Given::variable(&name, key, &value));
            }
        }
        self
    }

    /// Chooses the environment, regardless of `SETL_ENV`.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// Applies the settings to the policies of a pipeline. `can_persist` returns `true` if the output of the factory with this
    /// index can be kept on disk.
    ///
    /// # Errors
    /// Lists every mistake: unknown settings, factories and resources, invalid values, and settings that the code of a factory
    /// does not allow.
    pub fn apply(
        &self,
        plan: &Plan,
        can_persist: impl Fn(usize) -> bool,
    ) -> Result<Effective, SettingsError> {
        let chosen = self.environment.as_ref().or(self.of_variable.as_ref());
        let (overrides, mut mistakes) = self.read(chosen.map(String::as_str));
        // If there are no environments, `SETL_ENV` may be meant for another program.
        if let Some(chosen) = chosen
            && !self.environments.is_empty()
            && !self.environments.iter().any(|known| known.eq_ignore_ascii_case(chosen))
        {
            let place = if self.environment.is_none() { "environment variable `SETL_ENV`: " } else { "" };
            let near = did_you_mean(chosen, self.environments.iter().map(String::as_str));
            mistakes.push(format!("{place}there is no environment `{chosen}`{near}"));
        }
        let effective = apply::apply(&overrides, plan, can_persist, &mut mistakes);
        if mistakes.is_empty() { Ok(effective) } else { Err(SettingsError::Mistakes { mistakes }) }
    }

    fn with_text(mut self, text: &str, path: Option<&Path>) -> Result<Self, SettingsError> {
        let metadata = match path {
            Some(path) => Metadata::from("settings file", Source::File(path.to_owned())),
            None => Metadata::from("settings", Source::Custom("text".to_owned())),
        };
        let mut dict: Dict = Toml::from_str(text).map_err(|error: <Toml as Format>::Error| {
            let place = path.map_or("the text of the settings".to_owned(), |path| path.display().to_string());
            SettingsError::NotToml { place, reason: error.to_string().trim_end().to_owned() }
        })?;
        let place = path.map_or(String::new(), |path| format!("{}: ", path.display()));
        let mut mistakes = Vec::new();
        let mut data = Map::new();
        match dict.remove("env") {
            Some(Value::Dict(_, environments)) => {
                for (name, value) in environments {
                    match value {
                        Value::Dict(_, dict) if Profile::new(&name).is_custom() => {
                            data.insert(Profile::new(&name), dict);
                            self.environments.push(name);
                        }
                        Value::Dict(..) => {
                            mistakes
                                .push(format!("{place}`env.{name}`: an environment cannot have this name"));
                        }
                        other => {
                            mistakes.push(value::wrong(&format!("{place}`env.{name}`"), "a table", &other))
                        }
                    }
                }
            }
            Some(other) => {
                mistakes.push(value::wrong(&format!("{place}`env`"), "a table of environments", &other))
            }
            None => {}
        }
        data.insert(Profile::Default, dict);
        self.figment = self.figment.merge(Given { metadata, data });
        for environment in std::iter::once(None).chain(self.environments.iter().map(Some)) {
            let (_, found) = self.read(environment.map(String::as_str));
            for mistake in found {
                // Settings outside of `env` are read once per environment.
                if !mistakes.contains(&mistake) {
                    mistakes.push(mistake);
                }
            }
        }
        if mistakes.is_empty() { Ok(self) } else { Err(SettingsError::Mistakes { mistakes }) }
    }

    fn read(&self, environment: Option<&str>) -> (Overrides, Vec<String>) {
        let figment = self.figment.clone().select(environment.map_or(Profile::Default, Profile::new));
        Reader::read(&figment, environment)
    }
}

/// Parses settings from a text.
impl FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        Self::default().with_text(text, None)
    }
}

impl SettingsSource for Settings {
    fn overridden(&self, plan: &Plan, can_persist: &dyn Fn(usize) -> bool) -> Result<Effective, String> {
        self.apply(plan, can_persist).map_err(|error| error.to_string())
    }
}
