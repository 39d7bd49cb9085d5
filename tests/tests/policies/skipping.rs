//! `on_failure = skip` and `when = …`

use super::*;

#[derive(Clone)]
struct Settings {
    full: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Weather(&'static str);

#[factory(on_failure = skip)]
fn weather() -> Result<Weather> {
    Err(lost().context("no weather today"))
}

#[factory]
fn forecast(#[delivery(optional)] weather: Option<Weather>) -> String {
    weather.map_or("who knows".to_owned(), |weather| weather.0.to_owned())
}

#[pipeline(read(weather), report(forecast))]
struct Forecast;

#[tokio::test]
async fn what_failed_and_may_be_absent_is_left_out() {
    let told = Told::default();
    let run = Forecast.run().observe(told.observer()).await.unwrap();
    assert_eq!(run.get::<forecast>(), "who knows");
    assert_eq!(run.find::<weather>(), None);
    let entry = run.entry("weather").unwrap();
    assert_eq!((entry.status, entry.attempts), (Status::Skipped, 1));
    assert_eq!(entry.note.as_deref(), Some("it failed: no weather today: connection lost"));
    assert_eq!(told.all()[2], "Skipped { factory: \"weather\" }");
}

#[factory(when = settings.full)]
fn archive(settings: Settings) -> u8 {
    u8::from(settings.full)
}

#[factory(when = !numbers.is_empty())]
fn largest(numbers: Vec<u32>) -> u32 {
    numbers.into_iter().max().unwrap()
}

#[factory(when = "yes".parse::<bool>())]
fn unclear() -> u16 {
    0
}

#[pipeline(only(archive, largest))]
struct Conditions {
    settings: Settings,
    numbers: Vec<u32>,
}

#[tokio::test]
async fn a_condition_sees_settings_and_data() {
    let run = async |full, numbers| Conditions { settings: Settings { full }, numbers }.run().await.unwrap();
    let both = run(true, vec![3, 9, 4]).await;
    assert_eq!((both.find::<archive>(), both.find::<largest>()), (Some(&1), Some(&9)));
    let neither = run(false, vec![]).await;
    assert_eq!((neither.find::<archive>(), neither.find::<largest>()), (None, None));
    let entry = neither.entry("largest").unwrap();
    assert_eq!(
        (entry.status, entry.attempts, entry.note.as_deref()),
        (Status::Skipped, 0, Some("its condition does not hold"))
    );
}

#[pipeline(only(unclear))]
struct Unclear;

#[tokio::test]
async fn a_condition_that_cannot_be_found_out_fails() {
    let error = Unclear.run().await.unwrap_err();
    assert_eq!(error.failures()[0].phase, Phase::Condition);
    assert_eq!(
        error.line(),
        "pipeline `Unclear`: factory `unclear` of stage `only` failed in its condition (`when`): provided string was not `true` or `false`"
    );
}

/// Cannot be loaded.
struct Missing;

impl setl::delivery::AutoLoad for Missing {
    type Source = Source;
    type Condition = ();

    fn auto_load(_source: &Source, _condition: Option<()>) -> Result<Self> {
        Err(Error::msg("no such file"))
    }
}

struct Source;

#[factory]
fn make(ledger: Arc<Ledger>) -> Parcel {
    ledger.parcel(1, 1)
}

#[derive(Clone)]
struct Joined;

#[factory(output = Joined, on_failure = skip)]
struct Join {
    #[delivery(auto_load)]
    _missing: Missing,
    #[delivery]
    _parcel: Parcel,
}

impl Factory for Join {
    async fn process(&mut self) -> Result<Joined> {
        Ok(Joined)
    }
}

#[factory]
fn count(#[delivery(optional)] joined: Option<Joined>, ledger: Arc<Ledger>) -> usize {
    assert!(joined.is_none());
    ledger.live()
}

#[pipeline(first(make), then(Join), last(count))]
struct Joining {
    source: Source,
    ledger: Arc<Ledger>,
}

#[tokio::test]
async fn what_it_did_not_come_to_take_is_released() {
    let run = Joining { source: Source, ledger: Arc::default() }.run().await.unwrap();
    assert_eq!(
        run.entry("Join").unwrap().note.as_deref(),
        Some("it failed: cannot load delivery `_missing`: no such file")
    );
    assert_eq!(run.get::<count>(), &0);
}
