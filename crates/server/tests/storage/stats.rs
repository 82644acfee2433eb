//! `GET /v1/stats`.

use serde_json::Value;

use crate::service::{Service, traffic};

fn sum(buckets: &[Value], name: &str) -> i64 {
    buckets.iter().map(|bucket| bucket[name].as_i64().expect("a number")).sum()
}

#[test]
fn figures_equal_the_sums_over_the_records() {
    let service = Service::start();
    let bodies = traffic(20, 12);
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let records = service.records();
    let total = |pointer: &str| -> i64 {
        records.iter().map(|record| record.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)).sum()
    };
    let with = |result: &str| records.iter().filter(|record| record["result"] == result).count() as i64;
    for by in ["day", "hour"] {
        let stats = service.get(&format!("/v1/stats?by={by}&zone=America/New_York"));
        let buckets = stats["buckets"].as_array().unwrap();
        assert_eq!(sum(buckets, "calls"), records.len() as i64);
        assert_eq!(sum(buckets, "answered"), with("Answered"));
        assert_eq!(sum(buckets, "missed"), with("Missed"));
        assert_eq!(sum(buckets, "abandoned"), with("Abandoned"));
        assert_eq!(sum(buckets, "voicemail"), with("Voicemail"));
        assert_eq!(sum(buckets, "talkMs"), total("/durations/talkMs"));
        assert_eq!(sum(buckets, "holdMs"), total("/durations/holdMs"));
    }
    let talk: i64 = records
        .iter()
        .flat_map(|record| record["participants"].as_array().unwrap())
        .filter(|participant| !participant["extensionId"].is_null())
        .map(|participant| participant["talkMs"].as_i64().unwrap())
        .sum();
    let stats = service.get("/v1/stats?by=extension");
    let extensions = stats["buckets"].as_array().unwrap();
    assert_eq!(sum(extensions, "talkMs"), talk);
    let queues = service.get("/v1/stats?by=queue");
    let visited = records.iter().any(|record| !record["queues"].as_array().unwrap().is_empty());
    let queues = queues["buckets"].as_array().unwrap();
    assert_eq!(visited, !queues.is_empty());
    let visits: Vec<&Value> =
        records.iter().flat_map(|record| record["queues"].as_array().unwrap()).collect();
    assert_eq!(sum(queues, "offered"), visits.len() as i64);
    let columns = ["answered", "left", "overflowed", "abandoned", "unknown", "open"];
    for queue in queues {
        let all: i64 = columns.iter().map(|name| queue[*name].as_i64().unwrap()).sum();
        assert_eq!(queue["offered"], all, "{queue}");
    }
    let answered = visits.iter().filter(|visit| visit["outcome"] == "Answered").count();
    assert_eq!(sum(queues, "answered"), answered as i64);
}

#[test]
fn days_are_those_of_the_requested_zone_in_csv_too() {
    let service = Service::start();
    let bodies = traffic(20, 12);
    service.receive(bodies.iter().map(String::as_str));
    service.settle();
    let starts = service.records();
    // 2026-06-01T04:00:00Z is midnight in New York.
    let expected =
        starts.iter().filter(|record| record["startTime"].as_str().unwrap() >= "2026-06-01T04:00:00").count();
    let (status, table) =
        service.request("GET", "/v1/stats?zone=America/New_York&from=2026-06-01&to=2026-06-02&format=csv");
    assert_eq!(status, 200);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("start,calls,answered,"), "{table}");
    assert!(lines[1].starts_with(&format!("2026-06-01T00:00:00-04:00,{expected},")), "{table}");
    assert_eq!(lines.len(), 2);
    for wrong in ["zone=Atlantis/Here", "by=moon", "from=yesterday", "format=xml"] {
        assert_eq!(service.request("GET", &format!("/v1/stats?{wrong}")).0, 400, "{wrong}");
    }
}
