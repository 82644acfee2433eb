//! Logins, rate limits, accounts.

use std::time::Duration;

use wholecall_fake_ringcentral::Config;

use crate::harness::{Platform, quiet};

const ACCOUNT: &str = "/restapi/v1.0/account/~";

#[test]
fn a_refresh_token_can_be_used_once_and_ends_the_old_access_token() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    assert_eq!(user.try_get(ACCOUNT).status, 200);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", user.refresh.as_str())];
    let renewed = platform.token(&refresh);
    assert_eq!((renewed.status, renewed.body["expires_in"].as_i64()), (200, Some(3600)));
    assert_eq!(user.try_get(ACCOUNT).error(), (401, "OAU-149"));
    let again = platform.token(&refresh);
    assert_eq!((again.status, &again.body["error"]), (400, &"invalid_grant".into()));
}

#[test]
fn access_tokens_expire_and_the_sixth_login_ends_the_first() {
    let platform = Platform::start(quiet());
    let first = platform.log_in(0);
    let others: Vec<_> = (0..4).map(|_| platform.log_in(0)).collect();
    assert_eq!(first.try_get(ACCOUNT).status, 200);
    let sixth = platform.log_in(0);
    assert_eq!(first.try_get(ACCOUNT).error(), (401, "OAU-149"));
    assert!(others.iter().chain([&sixth]).all(|user| user.try_get(ACCOUNT).status == 200));
    platform.advance(3601.0);
    assert_eq!(sixth.try_get(ACCOUNT).error(), (401, "OAU-128"));
}

#[test]
fn heavy_requests_are_limited_and_a_request_during_a_penalty_restarts_it() {
    let platform = Platform::start(Config { rate_window: Duration::from_secs(60), ..quiet() });
    let user = platform.log_in(0);
    let request = || user.try_get(&format!("{ACCOUNT}/active-calls"));
    for left in (0..10).rev() {
        let reply = request();
        assert_eq!((reply.status, reply.header("x-rate-limit-remaining")), (200, left.to_string().as_str()));
        assert_eq!(
            (reply.header("x-rate-limit-group"), reply.header("x-rate-limit-window")),
            ("heavy", "60")
        );
    }
    let refused = request();
    assert_eq!((refused.error(), refused.header("retry-after")), ((429, "CMN-301"), "60"));
    platform.advance(50.0);
    assert_eq!(request().status, 429);
    platform.advance(50.0);
    assert_eq!(request().status, 429);
    platform.advance(61.0);
    assert_eq!(request().status, 200);
    assert_eq!(user.try_get(ACCOUNT).header("x-rate-limit-group"), "light");
    assert_eq!(platform.counts()["rateLimitViolations"], 3);
}

#[test]
fn accounts_do_not_see_each_other_and_errors_have_their_bodies() {
    let platform = Platform::start(Config { accounts: 2, ..quiet() });
    let users = [platform.log_in(0), platform.log_in(1)];
    let ids = [0, 1].map(|account| platform.fake.account_id(account).unwrap());
    assert_ne!(ids[0], ids[1]);
    assert_eq!(users[1].get(ACCOUNT)["id"], ids[1]);
    assert_eq!(users[1].try_get(&format!("/restapi/v1.0/account/{}", ids[0])).error(), (404, "CMN-102"));
    let call = platform.play("inbound");
    platform.advance(1.0);
    let session = format!("{ACCOUNT}/telephony/sessions/{}", call[0]["id"].as_str().unwrap());
    assert_eq!(users[0].get(&session)["id"], call[0]["id"]);
    let missing = users[1].try_get(&session);
    assert_eq!(missing.error(), (404, "CMN-102"));
    assert_eq!(missing.body["errorCode"], "CMN-102");
    assert_eq!(users[0].try_get("/restapi/v1.0/nothing").error(), (404, "CMN-120"));
    let date = users[0].try_get(&format!("{ACCOUNT}/call-log?dateFrom=soon"));
    assert_eq!((date.error(), &date.body["parameterName"]), ((400, "CMN-101"), &"dateFrom".into()));
    platform.control("outage", serde_json::json!({ "of": "api", "seconds": 5 }));
    assert_eq!(users[0].try_get(ACCOUNT).error(), (503, "CMN-201"));
    platform.advance(6.0);
    assert_eq!(users[0].try_get(ACCOUNT).status, 200);
}

#[test]
fn the_directory_lists_extensions_queues_and_numbers() {
    let platform = Platform::start(quiet());
    let user = platform.log_in(0);
    let extensions = user.get(&format!("{ACCOUNT}/extension?perPage=1000"))["records"].clone();
    let of_type =
        |kind: &str| extensions.as_array().unwrap().iter().filter(|one| one["type"] == kind).count();
    assert_eq!((of_type("User"), of_type("Department"), of_type("IvrMenu")), (24, 2, 1));
    let queue = user.get(&format!("{ACCOUNT}/call-queues"))["records"][0]["id"].as_str().unwrap().to_owned();
    let members = user.get(&format!("{ACCOUNT}/call-queues/{queue}/members"));
    assert!(members["paging"]["totalElements"].as_u64().unwrap() > 1);
    let numbers = user.get(&format!("{ACCOUNT}/phone-number?perPage=5"));
    assert_eq!(numbers["records"][0]["usageType"], "MainCompanyNumber");
    let second = user.get(numbers["navigation"]["nextPage"]["uri"].as_str().unwrap());
    assert_eq!(second["paging"]["pageStart"], 5);
}
