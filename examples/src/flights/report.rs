//! The report that brings flights, airlines, aircraft and weather together.

use setl::polars::prelude::*;
use setl::prelude::*;

use super::figures::descending;
use super::rows::{Airline, AirlineDelay, Plane, WeatheredFlight};

/// What each airline lost at each airport, the most first.
#[factory(output = Dataset<AirlineDelay>)]
pub struct AirlineReport {
    #[delivery]
    flights: Dataset<WeatheredFlight>,
    #[delivery]
    planes: Dataset<Plane>,
    #[delivery(auto_load)]
    airlines: Dataset<Airline>,
    #[delivery]
    target: Repository<AirlineDelay>,
}

impl Factory for AirlineReport {
    async fn process(&mut self) -> Result<Self::Output> {
        let airlines = self.airlines.lazy().rename(["name"], ["airline"], true);
        let delay = WeatheredFlight::DEP_DELAY.col();
        let (visib, precip) = (WeatheredFlight::VISIB.col(), WeatheredFlight::PRECIP.col());
        let report = self
            .flights
            .lazy()
            .join(airlines, [col("carrier")], [col("carrier")], JoinArgs::new(JoinType::Inner))
            .join(self.planes.lazy(), [col("tailnum")], [col("tailnum")], JoinArgs::new(JoinType::Left))
            .group_by([col("airline"), col("origin")])
            .agg([
                len().alias("flights"),
                delay.clone().filter(delay.clone().gt(lit(0))).sum().alias("total_delay"),
                delay.mean().alias("mean_dep_delay"),
                (lit(2013) - Plane::MADE.col()).mean().alias("mean_age"),
                // Null where the weather is not known, and then not counted.
                visib.lt(lit(3.0)).or(precip.gt(lit(0.1))).mean().alias("share_bad_weather"),
            ])
            .sort_by_exprs(
                [col("total_delay"), col("airline"), col("origin")],
                descending([true, false, false]),
            );
        Dataset::cast(report)?.materialize().await
    }

    async fn write(&mut self, report: &Self::Output) -> Result<()> {
        self.target.save(report).await?;
        Ok(())
    }
}
