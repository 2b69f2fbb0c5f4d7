//! The report as JSON: the same content as every other form, for machines.

use super::Report;

/// The report as JSON, indented.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
