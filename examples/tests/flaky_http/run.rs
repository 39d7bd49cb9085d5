//! The `flaky_http` example: how often each source is asked, who stands in, and what comes out.

use setl::policy::CircuitState;
use setl::run::Status;
use wiremock::MockServer;

use super::*;

/// How often the service was asked for this.
async fn requests(server: &MockServer, path: &str) -> usize {
    let requests = server.received_requests().await.unwrap_or_default();
    requests.iter().filter(|request| request.url.path() == path).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_come_in_spite_of_the_service() -> Result<()> {
    let (server, target) = (service().await, tempfile::tempdir()?);
    let outcome = run(server.uri(), target.path()).await?;
    assert_eq!(outcome.code(), 0, "{outcome}");

    let report = outcome.report().expect("the run started");
    let of = |factory| report.entry(factory).expect(factory);
    assert_eq!((of("orders").status, of("orders").attempts), (Status::Succeeded, 4));
    assert_eq!(of("live_rates").status, Status::Succeeded);
    let note = of("live_rates").note.as_deref().unwrap_or_default();
    assert!(note.contains("`cached_rates`"), "{note}");
    assert_eq!((of("weather").status, of("weather").attempts), (Status::Skipped, 1));
    assert_eq!(of("CountTakings").status, Status::Succeeded);

    // The breaker spares the service: the fourth attempt of six does not reach it.
    let rates = &report.resources()[0];
    assert_eq!((rates.name, rates.attempts, rates.failures, rates.rejected), ("rates", 3, 3, 1));
    assert_eq!((rates.opened, rates.state), (1, CircuitState::Open));
    assert_eq!(requests(&server, "/rates/live").await, 3);
    assert_eq!(requests(&server, "/orders").await, 4);

    let takings = outcome.find::<CountTakings>().expect("it delivered").to_rows().await?;
    let takings_of = |currency: &str, orders, euros| Takings {
        currency: currency.to_owned(),
        orders,
        euros,
        sky: "unknown".to_owned(),
    };
    assert_eq!(takings, [takings_of("EUR", 2, 20.0), takings_of("USD", 1, 40.0)]);
    let written = std::fs::read_to_string(target.path().join("takings.csv"))?;
    assert_eq!(written, "currency,orders,euros,sky\nEUR,2,20.0,unknown\nUSD,1,40.0,unknown\n");
    Ok(())
}
