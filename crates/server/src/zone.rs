//! Time zones by their IANA names, from the program's own database. Other files in a machine's folder of zones, such as
//! `localtime`, would reveal its configuration.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zone with a name. `None` if the name is not one of the IANA's.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_iana_names_are_zones() {
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
