//! A prediction as a table.

use std::fmt;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::Prediction;
use crate::model::{Basis, Interval, NOT_KNOWN, seconds, unknown_since};

/// One line below the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pipeline {}, {} at once", self.pipeline, self.workers)?;
        let own = || self.factories.iter().filter(|factory| factory.in_query_of.is_none());
        let makespan = self.makespan.if_known(self.basis);
        if makespan.is_none() && own().all(|factory| factory.wall.if_known().is_none()) {
            let most = own().map(|factory| factory.wall.basis.measurements()).max().unwrap_or_default();
            return write!(f, "\n{NOT_KNOWN}: {}", unknown_since(Basis::of(most)));
        }
        // The start of a factory is unknown if the time of a factory before it is unknown.
        let unknown = own().filter(|factory| factory.wall.if_known().is_none()).map(|factory| factory.start);
        let known_until = unknown.fold(f64::INFINITY, f64::min);
        let mut table = Table::new();
        table.load_style(STYLE);
        table.set_header(["factory", "start", "time", "from", ""]);
        for factory in &self.factories {
            let (time, from) = match &factory.in_query_of {
                Some(host) => (format!("in the query of `{host}`"), String::new()),
                None => (told(factory.wall.if_known()), factory.wall.basis.to_string()),
            };
            let start = if factory.start <= known_until { seconds(factory.start) } else { String::new() };
            let critical = if factory.critical { "critical" } else { "" };
            table.add_row([&factory.factory, &start, &time, &from, critical]);
        }
        if let Some(start) = table.column_mut(1) {
            start.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "\n{table}")?;
        for batch in &self.batches {
            if let Some(wall) = batch.wall.if_known() {
                let (factories, basis) = (batch.factories.join(", "), batch.wall.basis);
                writeln!(f, "queries of {factories} together {}, from {basis}", wall.seconds())?;
            }
        }
        write!(f, "makespan {}, from {}", told(makespan), self.basis)?;
        if let Some(peak) = self.peak_bytes.and_then(|peak| peak.if_known(self.basis)) {
            write!(f, "\noutputs held at once {}", peak.bytes())?;
        }
        Ok(())
    }
}

fn told(interval: Option<Interval>) -> String {
    interval.map_or_else(|| NOT_KNOWN.to_owned(), |interval| interval.seconds().to_string())
}
