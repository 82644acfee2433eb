//! The public items of the crates that other programs use: every change of them shows in a review.
//! `INSTA_UPDATE=always cargo test -p wholecall --test public_api` writes them again.

#![allow(clippy::unwrap_used, reason = "a test fails without it")]

use std::{env, path::Path, process::Command};

/// Writes what rustdoc knows of a crate as JSON, which the compiler calls unstable: the format belongs to the version of
/// Rust in `rust-toolchain.toml`, and to the version of `public-api`.
fn public_items(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A folder of its own: these flags would make everything else compile again.
    let target = root.join("target/public-api");
    let rustdoc = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["rustdoc", "--locked", "--quiet", "--lib", "--package", name, "--target-dir"])
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("RUSTDOCFLAGS")
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(rustdoc.status.success(), "{}", String::from_utf8_lossy(&rustdoc.stderr));
    let json = target.join(format!("doc/{}.json", name.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_auto_derived_impls(true)
        .omit_auto_trait_impls(true)
        .omit_blanket_impls(true)
        .build()
        .unwrap();
    api.to_string()
}

#[test]
fn the_public_items_of_the_libraries_are_the_committed_ones() {
    for name in ["wholecall-time", "wholecall-notification", "wholecall-record", "wholecall-assembly"] {
        insta::assert_snapshot!(name, public_items(name));
    }
}
