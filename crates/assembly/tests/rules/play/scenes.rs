//! Beginnings that many scripts share.

/// +1404 calls 104, who answers at 3.
pub(crate) const ANSWERED: &str = "
    0   A/1 out -   +1404>+1650=104 Setup
    0.1 A/2 in  104 +1404>+1650=104 Setup
    0.2 A/1 Answered
    0.3 A/2 Proceeding
    3   A/2 Answered
";

/// Then 104 puts the caller on hold at 9 and calls 106, who answers at 13.
pub(crate) const CONSULTING: &str = "
    9    A/2 Hold
    10   B/1 out 104 104>106 Setup
    10.1 B/2 in  106 104>106 Setup
    10.2 B/1 Answered
    10.3 B/2 Proceeding
    13   B/2 Answered
";

/// Then 104 opens a bridge and brings in the caller at 21, 106 at 22.
pub(crate) const BRIDGED: &str = "
    14   B/1 Hold
    K is Conference
    20   K/1 out 104 104>conference Setup
    20.2 K/1 Answered
    21   K/2 in - 104>conference Setup
    21   K/2 Gone -> A/2
    21   A/2 Gone/Conference -> K/2
    22   K/3 in - 104>conference Setup
    22   K/3 Gone -> B/1
    22   B/1 Gone/Conference -> K/3
";

/// After `ANSWERED`: 104 parks the caller at 10.
pub(crate) const PARKED: &str = "
    10   A/1 Parked/CallPark park:*801
    10.1 A/2 Disconnected
";
