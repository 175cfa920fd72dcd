//! What is said in several places is the same in all of them.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{file, package, sources};

/// What follows `before` in a file, up to the end of the word.
fn after<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no `{before}`")).1;
    rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').next().unwrap()
}

#[test]
fn the_image_is_built_with_the_compiler_that_everybody_has() {
    let toolchain = file("rust-toolchain.toml");
    let channel = after(&toolchain, "channel = \"");
    assert_eq!(after(&file("Dockerfile"), "/rust:"), format!("{channel}-slim-bookworm"));
}

#[test]
fn the_oldest_compiler_is_the_same_wherever_it_is_named_and_takes_every_dependency() {
    let package = package();
    let oldest = package["rust_version"].as_str().unwrap();
    assert!(file("README.md").contains(&format!("Rust {oldest} or newer")), "README.md says another");
    assert!(
        file(".github/workflows/ci.yml").contains(&format!("rustup toolchain install {oldest} ")),
        "ci.yml tries another"
    );

    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version=1", "--locked"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = metadata.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |version: &str| -> Vec<u64> {
        version.split('.').take(2).map(|part| part.parse().unwrap()).collect()
    };
    for crate_ in all["packages"].as_array().unwrap() {
        if let Some(needed) = crate_["rust_version"].as_str() {
            let name = &crate_["name"];
            assert!(
                number(needed) <= number(oldest),
                "{name} needs Rust {needed}, and Cargo.toml says {oldest}"
            );
        }
    }
}

#[test]
fn the_image_is_built_from_all_that_the_sources_embed() {
    let given = file(".dockerignore");
    let given: Vec<_> = given.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut embedded = 0;
    for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for part in text.split("include_str!(\"").skip(1) {
            let target = part.split('"').next().unwrap();
            // What lies beside the sources comes with them.
            if let Some(outside) = target.rsplit_once("../").map(|(_, outside)| outside) {
                embedded += 1;
                let there = given.iter().any(|folder| outside.starts_with(&format!("{folder}/")));
                assert!(there, "{} embeds {outside}, which .dockerignore keeps out", path.display());
            }
        }
    }
    assert!(embedded > 2, "the sources embed {embedded} files");
}
