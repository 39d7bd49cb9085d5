//! A prediction as a table.

use std::fmt;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::Prediction;
use crate::optimize::model::seconds;

/// One rule under the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(STYLE);
        table.set_header(["factory", "start", "time", "from", ""]);
        for factory in &self.factories {
            let (time, from) = match &factory.in_query_of {
                Some(host) => (format!("in the query of `{host}`"), String::new()),
                None => (factory.wall.interval().seconds().to_string(), factory.wall.basis.to_string()),
            };
            let critical = if factory.critical { "critical" } else { "" };
            table.add_row([&factory.factory, &seconds(factory.start), &time, &from, critical]);
        }
        if let Some(start) = table.column_mut(1) {
            start.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "pipeline {}, {} at once", self.pipeline, self.workers)?;
        writeln!(f, "{table}")?;
        for batch in &self.batches {
            let (wall, basis) = (batch.wall.interval(), batch.wall.basis);
            writeln!(
                f,
                "queries of {} together {}, from {basis}",
                batch.factories.join(", "),
                wall.seconds()
            )?;
        }
        write!(f, "makespan {}, from {}", self.makespan.seconds(), self.basis)?;
        if let Some(peak) = self.peak_bytes {
            write!(f, "\noutputs held at once {}", peak.bytes())?;
        }
        Ok(())
    }
}
