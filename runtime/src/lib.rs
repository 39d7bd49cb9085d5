//! ETL pipelines whose wiring is proved by the compiler.
