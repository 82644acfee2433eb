//! Which numbers may belong to extensions, and which belong to public services.

use wholecall_record::ShortText;
use wholecall_record::phone::{is_star_code, without_caller_id_code};

use crate::{directory::Directory, phone_number::normalized_phone_number};

/// Numbers of emergency and public services: 911 and the N11 codes, 933 (911 test) and 988 (crisis line) of the North
/// American Numbering Plan; 112 (GSM and the European Union); 999 (United Kingdom); 000 (Australia); 110, 118 and 119
/// (Japan, Italy); 111 (New Zealand, NHS).
const PUBLIC_SERVICES: [&str; 18] = [
    "911", "112", "999", "933", "988", "000", "110", "111", "118", "119", "211", "311", "411", "511", "611",
    "711", "811", "116117",
];

/// Without a directory, a number of at most this many digits is taken for an extension number.
const MAX_EXTENSION_DIGITS: usize = 5;

/// Whether a number without further description belongs to an extension: the directory has it; without a directory,
/// it is short and not a public service.
pub(crate) fn is_extension_number(number: &str, directory: Option<&Directory>) -> bool {
    let is_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits || PUBLIC_SERVICES.contains(&number) {
        return false;
    }
    match directory.filter(|directory| !directory.is_empty()) {
        Some(directory) => directory.by_extension_number(number).is_some(),
        None => number.len() <= MAX_EXTENSION_DIGITS,
    }
}

/// The number dialled after such a prefix, normalized if it is a public number; any other number as it was dialled.
pub(crate) fn number_without_code(number: &str) -> ShortText {
    match without_caller_id_code(number) {
        rest if rest == number => ShortText::from(number),
        rest => normalized_phone_number(rest).unwrap_or_else(|| ShortText::from(rest)),
    }
}

/// Whether a star code names more than the service: an extension, a group, a park location.
pub(crate) fn star_code_carries_more(number: &str) -> bool {
    /// A star and two digits.
    const SERVICE_LENGTH: usize = 3;
    is_star_code(number) && number.len() > SERVICE_LENGTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_are_extensions_unless_a_public_service_has_them() {
        for number in ["102", "4", "11104"] {
            assert!(is_extension_number(number, None), "{number}");
        }
        for number in ["911", "112", "988", "411", "123456", "+1404", "*86", "", "conference", "116117"] {
            assert!(!is_extension_number(number, None), "{number}");
        }
    }

    #[test]
    fn a_directory_knows_better_than_the_length() {
        let mut directory = Directory::default();
        let entry = |number| crate::DirectoryEntry {
            extension_number: Some(number),
            ..crate::DirectoryEntry::default()
        };
        directory.insert("62000104016", entry("7001234".into()));
        assert!(is_extension_number("7001234", Some(&directory)));
        assert!(!is_extension_number("102", Some(&directory)));
        assert!(is_extension_number("102", Some(&Directory::default())));
    }

    #[test]
    fn a_star_code_with_more_digits_names_more_than_the_service() {
        assert!(
            star_code_carries_more("*84450")
                && star_code_carries_more("*801")
                && !star_code_carries_more("*86")
        );
    }
}
