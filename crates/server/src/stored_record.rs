//! Reads the stored record of a call where a damaged one is skipped.

use wholecall_record::Call;

/// Parses a stored record. `None`, with a line in the log, if it cannot be read: damage is skipped, but not silently.
pub(crate) fn parse_or_skip(record: &str) -> Option<Call> {
    let parsed = serde_json::from_str(record);
    parsed
        .inspect_err(|error| {
            tracing::error!(%error, "a stored record cannot be read and was skipped; run `wholecall check`");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_record_is_skipped() {
        assert_eq!(parse_or_skip("{\"id\":"), None);
        assert_eq!(parse_or_skip("{}"), None);
    }
}
