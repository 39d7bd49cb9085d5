//! What happens when a source is unreliable?
//!
//! `cargo run --example flaky_http` asks a service that behaves as badly as it can, and delivers its figures all the same:
//!
//! - The orders come at the fourth attempt: the service is busy twice, then it hangs up.
//! - The rates of today never come. After three failures their breaker spares the service, and those of yesterday stand in.
//! - The weather hangs. It is nice to have, so it is left out.
//!
//! The service is a server in this program; nothing leaves the machine. The figures go to `target/flaky_http/takings.csv`.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use setl::Event;
use setl::polars::prelude::*;
use setl::policy::{Classifier, Resource, Transience, find};
use setl::prelude::*;
use setl::run::Outcome;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

#[derive(Row, Deserialize)]
struct Order {
    currency: String,
    amount: f64,
}

#[derive(Row, Deserialize)]
struct Rate {
    currency: String,
    per_euro: f64,
}

#[derive(Clone, Deserialize)]
struct Weather {
    sky: String,
}

/// What came in, in one currency.
#[derive(Row, Debug, PartialEq)]
struct Takings {
    currency: String,
    orders: u32,
    euros: f64,
    sky: String,
}

/// Where to ask. It says nothing of retries and times: that is up to each factory.
#[derive(Clone)]
struct Service {
    address: String,
    client: reqwest::Client,
}

impl Service {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, reqwest::Error> {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await?;
        answer.error_for_status()?.json().await
    }
}

/// Which errors of the client may go away: where the service is busy or broken, and where the connection is. Any other
/// answer will be the same next time.
const BY_STATUS: Classifier = |error| {
    let error = find::<reqwest::Error>(error)?;
    let passes = match error.status() {
        Some(status) => status == 429 || status.is_server_error(),
        None => error.is_request() || error.is_body(),
    };
    Some(if passes { Transience::Transient } else { Transience::Permanent })
};

/// All that asks for rates shares this: after three failures in a row, nobody asks for half a minute.
static RATES: Resource = Resource::new("rates").breaker(3, Duration::from_secs(30));

#[factory(retry(times = 5, backoff = "50ms..1s"), timeout = "2s")]
async fn orders(service: Service) -> Result<Dataset<Order>> {
    let orders: Vec<Order> = service.get("/orders").await?;
    Dataset::from_rows(&orders)
}

/// The total timeout is shorter than the breaker stays open, so nobody waits for it to close.
#[factory(
    retry(times = 5, backoff = "50ms..1s"),
    timeout = "2s",
    total_timeout = "10s",
    resource = RATES,
    on_failure = fallback(cached_rates)
)]
async fn live_rates(service: Service) -> Result<Dataset<Rate>> {
    let rates: Vec<Rate> = service.get("/rates/live").await?;
    Dataset::from_rows(&rates)
}

/// Those of yesterday, from a file.
#[factory]
fn cached_rates(yesterday: Repository<Rate>) -> Result<Dataset<Rate>> {
    yesterday.load()
}

#[factory(timeout = "500ms", on_failure = skip)]
async fn weather(service: Service) -> Result<Weather> {
    Ok(service.get("/weather").await?)
}

#[factory(output = Dataset<Takings>)]
struct CountTakings {
    #[delivery]
    orders: Dataset<Order>,
    #[delivery]
    rates: Dataset<Rate>,
    #[delivery(optional)]
    weather: Option<Weather>,
    #[delivery]
    target: Repository<Takings>,
}

impl Factory for CountTakings {
    async fn process(&mut self) -> Result<Self::Output> {
        let by = [Order::CURRENCY.col()];
        let sky = self.weather.as_ref().map_or("unknown", |weather| &weather.sky);
        let takings = self
            .orders
            .lazy()
            .join(self.rates.lazy(), by.clone(), [Rate::CURRENCY.col()], JoinArgs::new(JoinType::Inner))
            .group_by(by)
            .agg([len().alias("orders"), (Order::AMOUNT.col() / Rate::PER_EURO.col()).sum().alias("euros")])
            .with_column(lit(sky).alias("sky"))
            .sort(["euros"], Default::default());
        Dataset::cast(takings)?.materialize().await
    }

    async fn write(&mut self, takings: &Self::Output) -> Result<()> {
        self.target.save(takings).await?;
        Ok(())
    }
}

#[pipeline(extract(orders, live_rates, weather), load(CountTakings))]
struct Shop {
    service: Service,
    yesterday: Repository<Rate>,
    takings: Repository<Takings>,
}

/// Runs the pipeline once against the service at this address.
async fn run(address: String, target: &Path) -> Result<Outcome<Shop>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let shop = Shop {
        service: Service { address, client: reqwest::Client::new() },
        yesterday: Csv::open(data.join("rates/yesterday.csv"))?,
        takings: Csv::create(target.join("takings.csv"))?,
    };
    Ok(shop.run().classify(BY_STATUS).cancel_on_ctrl_c().observe(tell).outcome().await)
}

/// One line for each thing that did not go as it should.
fn tell(event: &Event<'_>) {
    match event {
        Event::Retrying { factory, attempt, error, .. } => println!("{factory}, attempt {attempt}: {error}"),
        Event::FellBack { factory, to } => println!("{factory} is given up; {to} stands in"),
        Event::Skipped { factory } => println!("{factory} is left out"),
        _ => {}
    }
}

/// A service on a bad day.
async fn service() -> MockServer {
    let server = MockServer::start().await;
    let orders = serde_json::json!([
        { "currency": "EUR", "amount": 12.5 },
        { "currency": "USD", "amount": 50.0 },
        { "currency": "EUR", "amount": 7.5 },
    ]);
    let hangs_up = |_: &Request| io::Error::from(ErrorKind::ConnectionReset);
    let unavailable = ResponseTemplate::new(503);
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    for mock in [
        Mock::given(path("/orders")).respond_with(unavailable.clone()).up_to_n_times(2),
        Mock::given(path("/orders")).respond_with_err(hangs_up).up_to_n_times(1),
        Mock::given(path("/orders")).respond_with(ResponseTemplate::new(200).set_body_json(orders)),
        Mock::given(path("/rates/live")).respond_with(unavailable),
        Mock::given(path("/weather")).respond_with(slow),
    ] {
        server.register(mock).await;
    }
    server
}

/// An outcome is what `main` can give back: it prints the report, and the exit code says how the run ended.
#[tokio::main]
async fn main() -> Result<Outcome<Shop>> {
    let server = service().await;
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("flaky_http");
    let outcome = run(server.uri(), &target).await?;
    if let Some(takings) = outcome.find::<CountTakings>() {
        println!("\n{}", takings.collect().await?);
    }
    Ok(outcome)
}

#[cfg(test)]
#[path = "tests/flaky_http/run.rs"]
mod tests;
