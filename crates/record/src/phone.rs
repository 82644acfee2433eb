//! What the spelling of a dialled number says.

/// Prefixes of a dialled number that show or hide the caller's own number; they are not part of the number.
const CALLER_ID_CODES: [&str; 2] = ["*67", "*82"];

/// Returns a dialled number without the prefix that shows or hides the caller's own number.
pub fn without_caller_id_code(number: &str) -> &str {
    let stripped = CALLER_ID_CODES.iter().find_map(|code| number.strip_prefix(code));
    stripped.filter(|rest| !rest.is_empty()).unwrap_or(number)
}

/// Whether a number is a star code: a service of the platform.
pub fn is_star_code(number: &str) -> bool {
    without_caller_id_code(number).starts_with('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_id_code_is_not_part_of_the_number() {
        assert_eq!(without_caller_id_code("*6712125550147"), "12125550147");
        assert_eq!(without_caller_id_code("*67"), "*67");
        assert!(!is_star_code("*82+12125550147") && is_star_code("*86") && is_star_code("*67"));
    }
}
