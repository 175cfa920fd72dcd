//! How long 30,000 manifests take to be read, checked and typed, and how much memory: 10,000 databases, users and
//! permissions each, in one file and in 30,000.
//!
//! `cargo bench --bench manifests`. Each figure is that of a process of its own, so that none has another's memory.

#![allow(clippy::unwrap_used, reason = "a measurement that can't be made fails")]

use std::{fmt::Write as _, fs, process::Command, time::Instant};

use arango_operator::manifests::{Options, Source, read};

/// Of each of the three kinds.
const COUNT: usize = 10_000;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(position) = arguments.iter().position(|argument| argument == "--read") {
        return measure(&arguments[position + 1]);
    }
    let folder = tempfile::tempdir().unwrap();
    let (one, many) = (folder.path().join("one.yaml"), folder.path().join("many"));
    fs::create_dir(&many).unwrap();
    let mut all = String::new();
    for index in 0..COUNT {
        for (kind, text) in triple(index) {
            fs::write(many.join(format!("{kind}-{index:05}.yaml")), &text).unwrap();
            write!(all, "---\n{text}").unwrap();
        }
    }
    fs::write(&one, all).unwrap();
    for (what, path) in [("one file", &one), ("30,000 files", &many)] {
        let mut child = Command::new(&arguments[0]);
        let output = child.arg("--read").arg(path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("{what}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

fn measure(path: &str) {
    let begin = Instant::now();
    let manifests =
        read(&[Source::Path(path.into())], &Options::default()).map_err(|all| all[0].to_string()).unwrap();
    let took = begin.elapsed();
    assert_eq!(manifests.len(), 3 * COUNT);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim().to_owned();
    println!("{} ms, peak {peak}", took.as_millis());
}

/// A tenant as a team would write it.
fn triple(index: usize) -> [(&'static str, String); 3] {
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "# Tenant {index}\napiVersion: arango-operator.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  \
             namespace: shop\n  labels:\n    team: shop\n    app.kubernetes.io/part-of: tenants\nspec:\n  clusterRef:\n    \
             name: prod\n    namespace: databases\n{spec}"
        )
    };
    let name = format!("tenant-{index:05}");
    [
        (
            "database",
            document(
                "ArangoDatabase",
                &name,
                "  options:\n    replicationFactor: 3\n    writeConcern: 2\n  deletionPolicy: Retain\n",
            ),
        ),
        (
            "user",
            document(
                "ArangoUser",
                &name,
                &format!(
                    "  extra:\n    team: shop\n  password:\n    secretRef:\n      name: passwords\n      key: {name}\n"
                ),
            ),
        ),
        (
            "permission",
            document(
                "ArangoPermission",
                &format!("{name}-rw"),
                &format!(
                    "  userRef:\n    name: {name}\n  databaseRef:\n    name: {name}\n  access: rw\n  collections:\n    \
                     orders: ro\n    \"*\": none\n"
                ),
            ),
        ),
    ]
}
