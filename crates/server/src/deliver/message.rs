//! The body and id of a request: one event, or several in a batch.

use sha2::{Digest, Sha256};
use wholecall_record::Time;

/// Maximum number of bytes that a batch has besides its events and a comma for each.
pub(crate) const BATCH_OVERHEAD_BYTES: usize = 80;

/// The body of a batch: its events in order.
pub(crate) fn batch(events: &[String], now: Time) -> String {
    format!(r#"{{"type":"batch","timestamp":"{now}","data":[{}]}}"#, events.join(","))
}

/// The id of a message: the event's id, or a hash of the ids of all events in a batch.
pub(crate) fn id(events: &[String]) -> String {
    match events {
        [event] => event.clone(),
        events => {
            let mut hash = Sha256::new();
            events.iter().for_each(|event| hash.update(format!("{event}\n")));
            let hash: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
            format!("batch_{hash}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_batch_contains_its_events_unchanged_and_its_id_depends_on_all_of_them() {
        let events = [json!({ "id": "msg_9" }), json!({ "id": "msg_10" })];
        let texts = events.each_ref().map(Value::to_string);
        let text = batch(&texts, Time::from_millis(253_402_214_400_000));
        assert!(text.len() <= texts.iter().map(|text| text.len() + 1).sum::<usize>() + BATCH_OVERHEAD_BYTES);
        let batch: Value = serde_json::from_str(&batch(&texts, Time::from_millis(0))).unwrap();
        assert_eq!((&batch["type"], &batch["data"]), (&json!("batch"), &json!(events)));
        let both = ["msg_9", "msg_10"].map(str::to_owned);
        assert_eq!(id(&both), id(&both));
        assert_ne!(id(&both), id(&both[..1]));
        assert_eq!(id(&both[..1]), "msg_9");
    }
}
