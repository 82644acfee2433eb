//! The OpenAPI document is kept beside the documentation, so that every change to it is seen.

use std::{env, fs, path::Path};

#[test]
fn the_document_is_the_one_that_is_kept() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = serde_json::to_string_pretty(&wholecall_server::openapi_document()).unwrap() + "\n";
    if env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        made == kept,
        "the API has changed: look at it, and run the tests with UPDATE_OPENAPI=1 to keep it so"
    );
}
