//! The colours of a drawing, on light and dark backgrounds.
//!
//! Every element has its light colour as an attribute, so that every SVG reader shows it. If style sheets are
//! supported, a class gives the element a custom property (`--wc-ink`, …) that a page may set, and the dark
//! colour on a dark screen.

use crate::lanes::Activity;

/// A colour: the name of its class and custom property, and its light and dark values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    pub(super) name: &'static str,
    pub(super) light: &'static str,
    dark: &'static str,
}

const fn ink(name: &'static str, light: &'static str, dark: &'static str) -> Ink {
    Ink { name, light, dark }
}

pub(super) const PAPER: Ink = ink("paper", "#ffffff", "#11161d");
pub(super) const PANEL: Ink = ink("panel", "#f4f6f8", "#19202a");
pub(super) const TEXT: Ink = ink("ink", "#18212c", "#e8edf3");
pub(super) const MUTED: Ink = ink("muted", "#596474", "#9ba8b7");
pub(super) const GRID: Ink = ink("grid", "#dfe4ea", "#2b3440");
pub(super) const DOOR: Ink = ink("door", "#3f3cbb", "#b3b5ff");
pub(super) const ON_DOOR: Ink = ink("on-door", "#ffffff", "#17173a");
pub(super) const BAND: Ink = ink("band", "#d9efe1", "#173526");

const TALKING: (Ink, Ink) = (ink("talking", "#23804a", "#4fc384"), ink("on-talking", "#ffffff", "#06210f"));
const RINGING: (Ink, Ink) = (ink("ringing", "#f3c456", "#e0ae3a"), ink("on-ringing", "#3a2c00", "#2a1f00"));
const WAITING: (Ink, Ink) = (ink("waiting", "#c3cad3", "#56616f"), ink("on-waiting", "#27303b", "#f2f5f8"));
const ON_HOLD: (Ink, Ink) = (ink("on-hold", "#e3b7df", "#b57eb0"), ink("on-on-hold", "#421a3e", "#1f061c"));
const HOLDING: (Ink, Ink) = (ink("holding", "#93458c", "#d78fd0"), ink("on-holding", "#ffffff", "#2b0828"));
const PARKED: (Ink, Ink) = (ink("parked", "#7cc6d8", "#4ea5b9"), ink("on-parked", "#04303b", "#00191f"));
const VOICEMAIL: (Ink, Ink) =
    (ink("voicemail", "#b9482a", "#f0926f"), ink("on-voicemail", "#ffffff", "#310d02"));
const LISTENING: (Ink, Ink) =
    (ink("listening", "#3f66c9", "#8fabf5"), ink("on-listening", "#ffffff", "#081437"));
const ROUTING: (Ink, Ink) = (ink("routing", "#a9b6d0", "#6d7d9c"), ink("on-routing", "#1c2842", "#f4f7fd"));
const FAX: (Ink, Ink) = (ink("fax", "#826534", "#cdab73"), ink("on-fax", "#ffffff", "#251802"));

/// The colour of an activity, and that of the text on it.
pub(super) fn of(activity: Activity) -> (Ink, Ink) {
    match activity {
        Activity::Talking => TALKING,
        Activity::Ringing => RINGING,
        Activity::Waiting => WAITING,
        Activity::OnHold => ON_HOLD,
        Activity::Holding => HOLDING,
        Activity::Parked => PARKED,
        Activity::Voicemail => VOICEMAIL,
        Activity::Listening => LISTENING,
        Activity::Routing => ROUTING,
        Activity::Fax => FAX,
    }
}

/// The style sheet for a page that contains drawings, or within a stand-alone SVG.
pub fn style_sheet() -> String {
    let plain = [PAPER, PANEL, TEXT, MUTED, GRID, DOOR, ON_DOOR, BAND];
    let inks =
        || plain.into_iter().chain(Activity::ALL.into_iter().map(of).flat_map(|(fill, on)| [fill, on]));
    let rules = inks().map(|Ink { name, light, .. }| {
        format!(
            ".wc-{name}{{fill:var(--wc-{name},{light})}}.wc-l-{name}{{stroke:var(--wc-{name},{light})}}\n"
        )
    });
    let dark = inks().map(|Ink { name, dark, .. }| format!("--wc-{name}:{dark};"));
    format!(
        "{}@media (prefers-color-scheme:dark){{.wc{{{}}}}}\n",
        rules.collect::<String>(),
        dark.collect::<String>()
    )
}
