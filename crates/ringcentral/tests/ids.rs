//! A request goes to the intended path, whatever the ids contain.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;
use wholecall_ringcentral::{Client, Credentials, Http, session_path};

#[tokio::test]
async fn a_session_whose_id_leads_elsewhere_is_never_requested() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let credentials = Credentials {
        server: format!("http://{}", server.local_addr().unwrap()),
        client_id: "id".to_owned(),
        client_secret: "secret".to_owned(),
        jwt: "jwt".to_owned(),
    };
    let client = Client::new(Http::new().unwrap(), credentials, Arc::new(|| 0)).unwrap();
    let ids = [
        "s-x/../../../../../restapi/v1.0/account/~/extension",
        "../../../extension/~",
        "s-x?access=1",
        "s-y#frag",
        "s-z%2F..",
        "",
    ];
    for id in ids {
        assert!(client.session("800000016", id).await.unwrap().is_none(), "{id}");
        assert!(
            !session_path("8", id).trim_start_matches("/restapi/v1.0/").contains(['?', '#', '.']),
            "{id}"
        );
    }
    assert!(client.session("8/../9", "s-1").await.unwrap().is_none());
    let accepted = tokio::time::timeout(Duration::from_millis(200), server.accept()).await;
    assert!(accepted.is_err(), "something was requested");
    // A regular id is requested.
    let (accepted, _) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(10), server.accept()),
        tokio::time::timeout(Duration::from_millis(500), client.session("800000016", "s-1")),
    );
    assert!(accepted.unwrap().is_ok());
}
