//! The OpenAPI document is committed, so that a review shows every change of the API.

use std::{env, fs, path::Path};

#[test]
fn committed_openapi_document_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let current = serde_json::to_string_pretty(&wholecall_server::openapi_document()).unwrap() + "\n";
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &current).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        current == committed,
        "the API has changed: check that this is intended, then run the tests with UPDATE_OPENAPI=1"
    );
}
