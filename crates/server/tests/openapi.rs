//! The OpenAPI document is a file of the documentation, so that every change of the API shows in a review.

use std::{env, fs, path::Path};

#[test]
fn the_committed_document_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let generated = serde_json::to_string_pretty(&wholecall_server::openapi_document()).unwrap() + "\n";
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        generated == committed,
        "the API has changed: if that is intended, run the tests with UPDATE_OPENAPI=1 and commit docs/openapi.json"
    );
}
