//! Time zones by the names of the IANA: those that come with the program. What else lies in a machine's folder of zones, as
//! `localtime` does, tells of the machine.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone with that name.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_iana_are_zones() {
        for name in ["UTC", "America/New_York", "Europe/Berlin", "Etc/GMT+5"] {
            assert!(named(name).is_some(), "{name}");
        }
        for name in
            ["localtime", "posixrules", "posix/UTC", "right/UTC", "../localtime", "/etc/localtime", ""]
        {
            assert!(named(name).is_none(), "{name}");
        }
    }
}
