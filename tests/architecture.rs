//! What may know what, checked by reading the sources. A broken rule is named with its file and line.

#![allow(clippy::unwrap_used, clippy::panic)] // a test's helper may fail like the test itself

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file. Somebody has to read it in one go.
const LINES_MAX: usize = 420;
/// Files that may be longer, each with its reason.
const LONGER: &[(&str, &str)] = &[];

/// What the pure parts may not name: I/O, clock, randomness, logging, Kubernetes, the network.
const IMPURE: &[&str] = &[
    "tokio",
    "kube",
    "reqwest",
    "axum",
    "hyper",
    "tracing",
    "rand",
    "Instant::now",
    "SystemTime",
    "println",
    "eprintln",
    "print!",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
];
/// What the stand-in's model may not name of the operator.
const FOREIGN: &[&str] = &["kinds", "reconcile", "operator", "arango", "cli", "control_plane"];

/// A source file by its path from the root, with comments and texts taken out.
struct Source {
    path: String,
    lines: usize,
    code: String,
}

impl Source {
    fn new(path: impl Into<String>, text: &str) -> Self {
        Self { path: path.into(), lines: text.lines().count(), code: expanded(&stripped(text)) }
    }

    /// Whether a path like `std::fs` or a name like `kube` occurs as whole words.
    fn names(&self, what: &str) -> bool {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(what).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + what.len()..].chars().next();
            !before.is_some_and(word) && !after.is_some_and(word)
        })
    }
}

/// The code without comments and without the inside of texts.
fn stripped(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(hashes) = raw(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '"' {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\'") {
            3
        } else {
            0
        };
        if skip == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skip..];
        }
    }
    code
}

/// The number of hashes of a raw text that begins here.
fn raw(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    hashes[count..].starts_with('"').then_some(count)
}

/// The code, followed by every path that its `use` statements name, written out in full.
fn expanded(code: &str) -> String {
    let mut paths = String::new();
    for statement in code.split(';') {
        let Some((_, tree)) = statement.rsplit_once("use ") else { continue };
        let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
        write_out("", &tree, &mut paths);
    }
    format!("{code}\n{paths}")
}

fn write_out(prefix: &str, tree: &str, paths: &mut String) {
    let mut depth = 0_usize;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((head, inner)) => {
                write_out(&format!("{prefix}{head}"), inner.trim_end().trim_end_matches('}'), paths);
            }
            None => paths.extend([prefix, part, "\n"]),
        }
    }
}

fn is_pure(path: &str) -> bool {
    path.starts_with("src/core/")
        || (path.starts_with("src/kinds/") && path.ends_with("/plan.rs"))
        || path == "src/reconcile/outcome.rs"
        || path.starts_with("src/stand_in/model/")
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

type Rule = fn(&Source) -> Option<String>;

fn pure(source: &Source) -> Option<String> {
    let named = IMPURE.iter().find(|name| source.names(name)).filter(|_| is_pure(&source.path))?;
    Some(format!("the pure parts have no I/O, clock, randomness or logging, and this names {named}"))
}

fn model_stands_alone(source: &Source) -> Option<String> {
    if !source.path.starts_with("src/stand_in/model/") {
        return None;
    }
    let foreign = FOREIGN.iter().find(|name| source.names(&format!("crate::{name}")));
    let core = source.code.match_indices("crate::core::").find(|(at, found)| {
        let rest = &source.code[at + found.len()..];
        !["name", "DatabaseName", "UserName", "CollectionName", "NameError", "Scope", "encode_segment", "{"]
            .iter()
            .any(|name| rest.starts_with(name))
    });
    let named = foreign.map(|name| (*name).to_owned()).or(core.map(|_| "core beside its names".to_owned()))?;
    Some(format!(
        "the stand-in's model shares nothing with the operator but the names, and this uses {named}"
    ))
}

fn few_users_of_reqwest(source: &Source) -> Option<String> {
    let may = source.path.starts_with("src/arango/") || source.path == "src/traces/collector.rs";
    let elsewhere = !may && source.names("reqwest");
    elsewhere.then(|| "only src/arango asks ArangoDB, and src/traces/collector.rs its collector".to_owned())
}

/// Whether a request may begin is asked by the connection itself, so that nobody can forget it.
fn gated(source: &Source) -> Option<String> {
    let operates = ["src/operator/", "src/reconcile/", "src/kinds/"]
        .iter()
        .any(|folder| source.path.starts_with(folder));
    let made_here = ["src/operator/clusters/connections.rs", "src/kinds/cluster/reach.rs"];
    let makes = source.names("Connection::new") || source.names("ungated");
    let elsewhere = makes && !made_here.contains(&&*source.path);
    (operates && elsewhere).then(|| "connections are made in connections.rs, with their gate".to_owned())
}

fn short(source: &Source) -> Option<String> {
    let allowed = LONGER.iter().any(|(path, _)| *path == source.path) || is_test(&source.path);
    let long = source.lines > LINES_MAX && !allowed;
    long.then(|| format!("no file is longer than {LINES_MAX} lines, and this has {}", source.lines))
}

fn safe(source: &Source) -> Option<String> {
    source.names("unsafe").then(|| "no unsafe anywhere".to_owned())
}

const RULES: &[Rule] = &[pure, model_stands_alone, few_users_of_reqwest, gated, short, safe];

/// The kinds that have a folder but no place in the list, where each is registered.
fn unregistered(folders: &[String], list: &str) -> Vec<String> {
    let Some((_, list)) = list.split_once("macro_rules! for_each_kind") else { return folders.to_vec() };
    let missing = |folder: &&String| !list.contains(&format!("$crate::kinds::{folder}::"));
    folders.iter().filter(missing).cloned().collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_source_keeps_every_rule() {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    assert!(paths.len() > 50, "the sources are found");
    let mut broken = Vec::new();
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let source = Source::new(name, &fs::read_to_string(&path).unwrap());
        broken.extend(RULES.iter().filter_map(|rule| Some(format!("{}: {}", source.path, rule(&source)?))));
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_kind_is_registered_in_the_one_list() {
    let kinds = root().join("src/kinds");
    let folders = fs::read_dir(&kinds).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<_> = folders
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        // The connection that the kinds share is none of them.
        .filter(|name| name != "cluster")
        .collect();
    assert!(folders.len() >= 3);
    let list = fs::read_to_string(kinds.join("mod.rs")).unwrap();
    assert_eq!(unregistered(&folders, &list), [""; 0], "missing in for_each_kind!");
    assert_eq!(unregistered(&["analyzer".to_owned()], &list), ["analyzer"], "the check can fail");
}

#[test]
fn every_rule_can_be_broken() {
    let cases: &[(Rule, &str, &str, bool)] = &[
        (pure, "src/core/x.rs", "use tokio::sync::Mutex;", true),
        (pure, "src/core/x.rs", "use std::{collections::BTreeMap, fs};", true),
        (pure, "src/core/x.rs", "use std::{io::{self, Read}, fmt};", true),
        (pure, "src/core/x.rs", "fn f() { let _ = std::time::Instant::now(); }", true),
        (pure, "src/core/x.rs", "fn f() { println!(\"x\"); }", true),
        (pure, "src/core/x.rs", "use std::time::{Duration, SystemTime};", true),
        (pure, "src/kinds/user/plan.rs", "fn f() { std::env::var(\"X\"); }", true),
        (pure, "src/reconcile/outcome.rs", "use tracing::info;", true),
        (pure, "src/stand_in/model/x.rs", "fn f() { rand::random() }", true),
        (pure, "src/core/x.rs", "// tokio, kube and rand\n/* axum */ const X: &str = \"tracing\";", false),
        (pure, "src/core/x.rs", "const X: &str = r#\"use \"tokio\"\"#; fn operand(kubernetes: u8) {}", false),
        (pure, "src/operator/x.rs", "use tokio::sync::Mutex;", false),
        (model_stands_alone, "src/stand_in/model/x.rs", "use crate::kinds::user;", true),
        (model_stands_alone, "src/stand_in/model/x.rs", "use crate::{arango::Client};", true),
        (model_stands_alone, "src/stand_in/model/x.rs", "use crate::core::{Level, UserName};", true),
        (
            model_stands_alone,
            "src/stand_in/model/x.rs",
            "use crate::core::{DatabaseName, encode_segment};",
            false,
        ),
        (few_users_of_reqwest, "src/operator/x.rs", "use reqwest::Client;", true),
        (few_users_of_reqwest, "src/arango/x.rs", "use reqwest::Client;", false),
        (gated, "src/operator/x.rs", "fn f() { Connection::new(a, b) }", true),
        (gated, "src/operator/clusters/connections.rs", "fn f() { Connection::new(a, b) }", false),
        (gated, "src/cli/x.rs", "fn f() { Connection::new(a, b) }", false),
        (short, "src/core/x.rs", &"\n".repeat(LINES_MAX + 1), true),
        (short, "src/core/x.rs", &"\n".repeat(LINES_MAX), false),
        (safe, "src/core/x.rs", "fn f() { unsafe { g() } }", true),
        (safe, "src/core/x.rs", "// unsafe\n#![forbid(unsafe_code)]", false),
    ];
    for (rule, path, text, broken) in cases {
        let found = rule(&Source::new(*path, text));
        assert_eq!(found.is_some(), *broken, "{path}: {text:.80}: {found:?}");
    }
}
