//! Pure functions of a summary: rates with their evidence, percentiles, findings.

pub mod report;
