//! Records as columns: Parquet files for engines that read many records and few members (DuckDB, Spark, Trino, ClickHouse).
//!
//! A source of records, such as a segment of the log, becomes a file for each type and hour, in folders as Hive names them
//! (`event_type=dns/date=2026-12-01/hour=09/`). Names and contents follow from the source and nothing else, so that who makes them
//! again replaces them. A file has its name when it is whole. Memory is bounded, whatever comes: groups of rows are written when all
//! together take too much, and few files are open at once.

mod cells;
mod columns;
mod sheet;
mod sheets;

pub use sheets::{Made, Sheets};

#[cfg(test)]
mod tests;
