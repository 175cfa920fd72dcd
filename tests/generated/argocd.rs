//! The settings for Argo CD in `deploy/argocd/argocd-cm.yaml`, made of the scripts in `resource_customizations` beside it.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::folder;

const GROUP: &str = "arango-operator.dev";
const KINDS: [&str; 4] = ["ArangoCluster", "ArangoDatabase", "ArangoPermission", "ArangoUser"];
/// Where it is set, what is generated is written instead of compared.
const WRITE: &str = "WRITE_GENERATED";

const HEAD: &str = "\
# Generated from resource_customizations by `WRITE_GENERATED=1 cargo test --test generated argo_cd`. Do not edit.
# A patch of Argo CD's own ConfigMap: see docs/gitops.md.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
data:
";

fn scripts(kind: &str) -> PathBuf {
    folder("deploy/argocd/resource_customizations").join(GROUP).join(kind)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A block of text under a key.
fn block(text: &mut String, indent: usize, key: &str, lines: &str) {
    writeln!(text, "{:indent$}{key}: |", "").unwrap();
    for line in lines.lines() {
        assert_eq!(line, line.trim_end(), "a line of {key}");
        let indent = if line.is_empty() { 0 } else { indent + 2 };
        writeln!(text, "{:indent$}{line}", "").unwrap();
    }
}

/// The actions of a kind: the names of the folders.
fn actions(kind: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(scripts(kind).join("actions")).unwrap().map(Result::unwrap);
    let names = entries.filter(|entry| entry.path().join("action.lua").exists());
    names.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn settings() -> String {
    let mut text = HEAD.to_owned();
    for kind in KINDS {
        let key = |what: &str| format!("resource.customizations.{what}.{GROUP}_{kind}");
        block(&mut text, 2, &key("health"), &read(&scripts(kind).join("health.lua")));
        let of_actions = scripts(kind).join("actions");
        let mut inner = String::new();
        block(&mut inner, 0, "discovery.lua", &read(&of_actions.join("discovery.lua")));
        inner.push_str("definitions:\n");
        for action in actions(kind) {
            writeln!(inner, "- name: {action}").unwrap();
            block(&mut inner, 2, "action.lua", &read(&of_actions.join(action).join("action.lua")));
        }
        block(&mut text, 2, &key("actions"), &inner);
    }
    text
}

#[test]
fn the_settings_for_argo_cd_are_fresh() {
    let path = folder("deploy/argocd/argocd-cm.yaml");
    let settings = settings();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &settings).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == settings,
        "deploy/argocd/argocd-cm.yaml is not what the scripts say; run `{WRITE}=1 cargo test --test generated argo_cd`"
    );
}

#[test]
fn what_kinds_have_in_common_for_argo_cd_is_the_same() {
    // Upstream's form wants a file per kind.
    let first = scripts(KINDS[0]);
    for kind in &KINDS[1..] {
        let same = |file: &str| {
            assert_eq!(read(&scripts(kind).join(file)), read(&first.join(file)), "{kind}: {file}");
        };
        same("health.lua");
        for action in actions(kind).intersection(&actions(KINDS[0])) {
            same(&format!("actions/{action}/action.lua"));
        }
    }
    let stored = fs::read_dir(folder("deploy/argocd/resource_customizations").join(GROUP)).unwrap();
    let stored: BTreeSet<_> = stored.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(stored, KINDS.map(str::to_owned).into());
}
