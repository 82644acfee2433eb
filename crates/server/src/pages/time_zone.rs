//! The time zone in which a visitor sees times.

use jiff::{Timestamp, tz::TimeZone};
use wholecall_render::svg::Clock;

use crate::zone;

/// A visitor's time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl Zone {
    /// `None` if there is no such zone.
    pub(super) fn named(name: &str) -> Option<Self> {
        // Some browsers escape the slash in a cookie.
        let name = name.replace("%2F", "/");
        Some(Self { zone: zone::named(&name)?, name })
    }

    pub(super) fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// The zone's offset from UTC at a time.
    pub(super) fn clock(&self, at_ms: i64) -> Clock {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
        Clock { offset_s: self.zone.to_offset(at).seconds() }
    }

    /// A local time like `2026-11-16 15:31:27`.
    pub(super) fn show(&self, at_ms: i64) -> String {
        self.clock(at_ms).date_and_time(wholecall_record::Time::from_millis(at_ms))
    }
}
