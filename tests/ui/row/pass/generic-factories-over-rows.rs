use setl::prelude::*;

#[derive(Row)]
struct Flight {
    delay: f64,
}

#[derive(Row)]
struct Plane {
    year: i32,
}

#[factory]
fn load<T: Row>(source: Repository<T>) -> Result<Dataset<T>> {
    source.load()
}

#[factory]
fn count(flights: Dataset<Flight>, #[delivery(auto_load)] planes: Dataset<Plane>) -> usize {
    flights.row_count().unwrap_or_default() + planes.row_count().unwrap_or_default()
}

#[pipeline(extract(load<Flight>), transform(count))]
struct Delays {
    flights: Repository<Flight>,
    planes: Repository<Plane>,
}

pub(crate) fn main() {
    assert_eq!(Delays::plan().factories.len(), 2);
}
