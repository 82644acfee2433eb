//! The level of detail of events that endpoints are sent.

use wholecall_store::Expiry;

use super::*;

/// Removes all calls by retention, and announces that to the endpoints.
fn remove_all(simulation: &Simulation) {
    let (store, tenant) = (simulation.store.clone(), simulation.view.tenant());
    let expiry = Expiry { tenant, before_ms: i64::MAX, quiet_since_ms: i64::MAX };
    on_thread(|| store.remove_calls(expiry, 1_000)).unwrap();
    on_thread(|| store.announce(tenant, MIDNIGHT)).unwrap();
}

/// The events that an endpoint with these settings is sent for a call that is completed, revised and removed.
async fn sent(mut settings: Value) -> Vec<Value> {
    let events = json!({ "events": ["call.completed", "call.revised"] });
    json_patch::merge(&mut settings, &events);
    let mut simulation = Simulation::start(&["one"], &settings, |_, _| status(200));
    simulation.publish("s-1", ChangeKind::Completed);
    simulation.until(|| simulation.count_accepted("one") == 1).await;
    simulation.publish_all(&["s-1"], ChangeKind::Revised, |call| call.legs.truncate(1));
    simulation.until(|| simulation.count_accepted("one") == 2).await;
    remove_all(&simulation);
    simulation.until(|| simulation.count_accepted("one") == 3).await;
    simulation.posted_to("one").into_iter().map(|one| one.body).collect()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_sent_calls_in_the_detail_that_it_is_configured_for() {
    let full = sent(json!({})).await;
    assert!(full[0]["data"]["call"]["legs"].as_array().is_some_and(|legs| legs.len() > 1));
    let is_of_legs = |one: &Value| one["path"].as_str().unwrap().starts_with("/legs");
    assert!(full[1]["data"]["changed"].as_array().unwrap().iter().any(is_of_legs));

    let without = sent(json!({ "payload": "withoutLegs" })).await;
    let call = &without[0]["data"]["call"];
    assert!(call["legs"].is_null() && call["participants"].is_array(), "{call}");
    let changed = without[1]["data"]["changed"].as_array().unwrap();
    assert!(!changed.is_empty() && !changed.iter().any(is_of_legs), "{changed:?}");

    let thin = sent(json!({ "payload": "thin" })).await;
    let link = "https://calls.example/v1/calls/s-1";
    assert_eq!(thin[0]["data"], json!({ "call": { "id": "s-1", "version": 1 }, "link": link }));
    assert_eq!((&thin[1]["data"]["fromVersion"], &thin[1]["data"]["changed"]), (&json!(1), &Value::Null));
    for events in [full, without, thin] {
        assert_eq!(events[2]["data"]["calls"].as_array().unwrap().len(), 1, "the list has only ids");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_exceeds_the_maximum_size_is_sent_in_less_detail() {
    let full = sent(json!({})).await[0].to_string().len();
    let without = sent(json!({ "payload": "withoutLegs" })).await[0].to_string().len();
    let is_full = |event: &Value| event["data"]["call"]["legs"].is_array();
    let is_thin = |event: &Value| event["data"]["link"].is_string();
    let first = async |max_bytes: usize| sent(json!({ "maxBytes": max_bytes })).await.remove(0);
    assert!(is_full(&first(full + 100).await));
    let event = first(full - 100).await;
    assert!(!is_full(&event) && !is_thin(&event));
    let event = first(without - 100).await;
    assert!(is_thin(&event) && event.to_string().len() < 1_000, "{event}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_stays_within_the_maximum_size_and_a_long_list_becomes_a_link() {
    let settings = json!({ "batch": 10, "maxBytes": 6_000 });
    let mut simulation = Simulation::start(&["many"], &settings, |_, _| status(200));
    let names: Vec<String> = (0..200).map(|number| format!("s-{number:030}")).collect();
    let calls: Vec<&str> = names.iter().map(String::as_str).collect();
    simulation.publish_all(&calls, ChangeKind::Completed, |_| ());
    simulation.until(|| simulation.count_accepted("many") == 20).await;
    remove_all(&simulation);
    simulation.until(|| simulation.count_accepted("many") == 21).await;
    let posted = simulation.posted_to("many");
    assert!(posted.iter().all(|one| one.body.to_string().len() <= 6_000));
    let data = &posted[20].body["data"][0]["data"];
    assert_eq!((&data["calls"], &data["count"]), (&json!([]), &json!(200)));
    let after =
        data["link"].as_str().unwrap().strip_prefix("https://calls.example/v1/changes?after=").unwrap();
    let after = simulation.view.parse_cursor(after.strip_suffix("&limit=1").unwrap()).unwrap();
    let linked = simulation.view.changes_after(after, 1).unwrap();
    let linked: Value = serde_json::from_str(&linked[0].record).unwrap();
    assert_eq!(linked["calls"].as_array().unwrap().len(), 200);
}
