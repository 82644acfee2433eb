use super::*;

const FIRST: LegKey = LegKey(0);

fn described(description: &Description<'_>) -> Legs {
    let mut legs = Legs::default();
    let leg = legs.find_or_add("p-1");
    assert!(legs.add_description(leg, 2, None, description));
    legs
}

#[test]
fn a_description_comes_out_as_it_went_in() {
    let side = Side { number: Some("+1404"), name: Some(""), extension: None, device: Some("d") };
    let description = Description {
        account: Some("1"),
        extension: None,
        direction: Some(Direction::Inbound),
        from: side,
        to: Side { name: Some("Å"), ..Side::default() },
        queue_call: true,
        queue_name: Some("Support"),
        caller_name: Some("MILLER J"),
        ring_out_role: Some(Role::Target),
    };
    assert_eq!(described(&description).description(FIRST), description);
    assert_eq!(described(&Description::default()).description(FIRST), Description::default());
}

#[test]
fn a_later_description_does_not_erase_what_it_lacks() {
    let named = Description { extension: Some("7"), account: Some("1"), ..Description::default() };
    let renamed = Description { extension: Some("8"), ..Description::default() };
    let mut legs = described(&named);
    assert!(legs.add_description(FIRST, 5, None, &renamed));
    assert_eq!(legs.description(FIRST), Description { account: Some("1"), ..renamed });
    assert_eq!(legs.extension(FIRST), Some("8"));
    // Repeated by an earlier change it changes nothing; by a later one it applies again.
    assert!(legs.add_description(FIRST, 9, None, &named));
    assert_eq!(legs.extension(FIRST), Some("7"));
}

#[test]
fn a_name_of_a_megabyte_is_cut_between_characters() {
    let name = "é".repeat(1 << 19);
    let side = Side { name: Some(&name), ..Side::default() };
    let description = Description { from: side, to: side, ..Description::default() };
    let mut legs = described(&description);
    assert!(!legs.add_description(FIRST, 3, None, &description));
    assert_eq!(legs.description(FIRST).to.name.map(str::len), Some(MAX_FIELD_BYTES));
}

#[test]
fn a_session_that_drops_its_legs_again_and_again_does_not_grow() {
    let mut legs = Legs::default();
    let description = Description { extension: Some("7"), ..Description::default() };
    for round in 0..100_000 {
        let leg = legs.find_or_add(&format!("p-{round}"));
        legs.add_description(leg, 2, None, &description);
        assert!(legs.count_event(leg));
        if round >= 20 {
            legs.uncount_event(legs.index.as_ref().unwrap().keys[&*format!("p-{}", round - 3)]);
        }
    }
    assert!(legs.text.len() < 100_000 && legs.descriptions.len() < 5_000 && legs.len() < 50);
    let last = legs.find_or_add("p-99999");
    assert_eq!((legs.id(last), legs.extension(last)), ("p-99999", Some("7")));
}
