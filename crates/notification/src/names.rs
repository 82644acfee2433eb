//! RingCentral's vocabularies: status codes, reasons, directions, origins, roles.
//!
//! Sources: RingCentral guide, "Telephony session notifications", and its API reference; words in no specification
//! (`Conference`, `CallerDropped`) were seen in real streams. Comparison ignores case. Every vocabulary has a variant
//! for unknown words; the word itself stays in the field it was read from.

/// Declares a vocabulary: variants, and the spellings that each is read from (the first is the one that is written).
macro_rules! vocabulary {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $spelling:literal $( | $alias:literal )*, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A word that is not in this list.
            Other,
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $( $spelling => Self::$variant, )*
                    $( _ if word.eq_ignore_ascii_case($spelling) $( || word.eq_ignore_ascii_case($alias) )* => {
                        Self::$variant
                    } )*
                    _ => Self::Other,
                }
            }
        }

        impl $name {
            /// The word as this project writes it. `None` for an unknown word.
            pub fn word(self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some($spelling), )*
                    Self::Other => None,
                }
            }
        }
    };
}

vocabulary! {
    /// `status.code`: the state that a party has entered.
    pub enum Code {
        /// The leg was created.
        Setup = "Setup",
        /// The far end is being alerted; for an inbound leg: its endpoints ring.
        Proceeding = "Proceeding",
        /// Media with the endpoint; for a RingCentral destination only "the platform took the call".
        Answered = "Answered",
        /// This party put the others on hold.
        Hold = "Hold",
        /// Parked.
        Parked = "Parked",
        /// Sent to voicemail.
        Voicemail = "Voicemail" | "VoiceMail",
        /// The callee listens while the caller leaves a message.
        VoicemailScreening = "VoiceMailScreening" | "VMScreening",
        /// A fax is coming in.
        FaxReceive = "FaxReceive",
        /// Left this session for another one, see `peerId`.
        Gone = "Gone",
        /// Left.
        Disconnected = "Disconnected",
    }
}

vocabulary! {
    /// `status.reason`: why a party has entered its state.
    #[non_exhaustive]
    pub enum Reason {
        /// A warm transfer was completed.
        AttendedTransfer = "AttendedTransfer",
        /// Cold transfer, or a ringing call sent elsewhere.
        BlindTransfer = "BlindTransfer",
        /// Transfer by a call controller.
        RccTransfer = "RccTransfer",
        /// Transfer by keypad code.
        DtmfTransfer = "DtmfTransfer",
        /// The caller keyed a menu option or an extension.
        CallerInputRedirect = "CallerInputRedirect",
        /// A rule forwarded the call.
        CallRedirected = "CallRedirected",
        /// Taken by someone else, or retrieved from a park extension.
        Pickup = "Pickup",
        /// The same user continues at another device.
        CallSwitch = "CallSwitch",
        /// Flipped to another number.
        CallFlip = "CallFlip",
        /// Parked to a park extension.
        CallPark = "CallPark",
        /// Parked to a park location.
        ParkLocation = "ParkLocation",
        /// A supervisor's leg.
        Supervising = "Supervising",
        /// A supervisor took the call.
        TakeOver = "TakeOver",
        /// Merged into a conference. In no specification.
        Conference = "Conference",
        /// Answered at another phone.
        AnsweredElsewhere = "AnsweredElsewhere",
        /// An agent of the queue answered.
        AgentAnswered = "AgentAnswered",
        /// This agent did not answer.
        AgentDropped = "AgentDropped",
        /// Answered by a text message.
        CallReplied = "CallReplied",
        /// Declined.
        Rejected = "Rejected",
        /// Not answered.
        NoAnswer = "NoAnswer",
        /// Not answered in time.
        Timeout = "Timeout",
        /// Busy.
        TargetBusy = "TargetBusy",
        /// Cancelled by the caller.
        Cancelled = "Cancelled",
        /// The caller hung up before the answer. In no specification.
        CallerDropped = "CallerDropped",
        /// The number does not exist.
        InvalidNumber = "InvalidNumber",
        /// International calls are disabled.
        InternationalDisabled = "InternationalDisabled",
        /// The destination is blocked.
        DestinationBlocked = "DestinationBlocked",
        /// The account's credit is used up.
        NotEnoughFunds = "NotEnoughFunds",
        /// The user does not exist.
        NoSuchUser = "NoSuchUser",
        /// The platform failed.
        InternalError = "InternalError",
        /// The normal end.
        CallFinished = "CallFinished",
        /// The connection was lost.
        CallDropped = "CallDropped",
        /// Went to voicemail.
        Voicemail = "Voicemail" | "VoiceMail",
    }
}

vocabulary! {
    /// A leg's technical direction: the caller's leg is `Outbound` even when an outsider calls in.
    pub enum Direction {
        /// The side that is called.
        Inbound = "Inbound",
        /// The side that calls.
        Outbound = "Outbound",
    }
}

vocabulary! {
    /// `origin.type`: how a session was created.
    #[non_exhaustive]
    pub enum Origin {
        /// An ordinary call.
        Call = "Call",
        /// Click to call: the platform rings the initiator, then the target.
        RingOut = "RingOut",
        /// Click to call from a web page.
        RingMe = "RingMe",
        /// The platform calls out on behalf of an extension: a queue's callback, a dialler.
        CallOut = "CallOut",
        /// A conference bridge; its `sessionId` is always "0".
        Conference = "Conference",
    }
}

vocabulary! {
    /// `ringOutRole`, `ringMeRole` and `conferenceRole`.
    #[non_exhaustive]
    pub enum Role {
        /// The party that requested a RingOut.
        Initiator = "Initiator",
        /// The party that a RingOut is to reach.
        Target = "Target",
        /// The party that opened the conference.
        Host = "Host",
        /// A seat in the bridge, not a person: see `peerId`.
        Participant = "Participant",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_voicemail_are_one_code() {
        for word in ["Voicemail", "VoiceMail", "VOICEMAIL", "voicemail"] {
            assert_eq!(Code::from(word), Code::Voicemail, "{word}");
        }
        for word in ["VoiceMailScreening", "VMScreening", "vmscreening", "VoicemailScreening"] {
            assert_eq!(Code::from(word), Code::VoicemailScreening, "{word}");
        }
    }

    #[test]
    fn unknown_words_are_not_an_error() {
        assert_eq!(Code::from("Tds"), Code::Other);
        assert_eq!(Reason::from("Undefined"), Reason::Other);
        assert_eq!(Origin::from("Zoom"), Origin::Other);
    }
}
