//! Helm, built from its Go module, and what it makes of the chart.

use std::{
    ffi::OsStr,
    fmt::Debug,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{installed::go_build, machine::repository};

/// The oldest Kubernetes that the chart is for.
const KUBE_VERSION: &str = "--kube-version=1.31.0";

/// Helm with a home of its own.
pub(crate) struct Helm {
    program: &'static Path,
    home: tempfile::TempDir,
}

impl Helm {
    /// `None` where it can't be built.
    pub(crate) async fn find() -> Option<Self> {
        static PROGRAM: OnceCell<Option<PathBuf>> = OnceCell::const_new();
        let build = async || {
            let how = ["build", "-trimpath", "-ldflags=-s -w"];
            go_build(&repository("dev/helm"), "helm", &how, "helm.sh/helm/v3/cmd/helm").await
        };
        let program = PROGRAM.get_or_init(build).await.as_deref()?;
        Some(Self { program, home: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() })
    }

    /// Runs it, with nothing of whoever runs the tests.
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        let mut command = Command::new(self.program);
        command.args(arguments).env_clear().env("HOME", self.home.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Runs it and has to succeed, with nothing to warn of.
    pub(crate) fn succeeds(&self, arguments: &[impl AsRef<OsStr> + Debug]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !errors.contains("WARNING"), "helm {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it is refused with.
    pub(crate) fn fails(&self, arguments: &[impl AsRef<OsStr> + Debug]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "helm {arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The manifest of a release arango-operator in a namespace of that name.
    pub(crate) fn template(&self, values: &Path) -> String {
        self.succeeds(&template(values))
    }

    /// Why there is none with such values.
    pub(crate) fn refuses(&self, values: &Path) -> String {
        self.fails(&template(values))
    }
}

/// The arguments for a manifest.
fn template(values: &Path) -> [String; 6] {
    let (chart, values) = (chart(), format!("--values={}", values.display()));
    let namespace = "--namespace=arango-operator";
    ["template", "arango-operator", chart.to_str().unwrap(), namespace, KUBE_VERSION, &values]
        .map(str::to_owned)
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    repository("deploy/chart")
}

/// A file of values that the chart is checked with.
pub(crate) fn values(name: &str) -> PathBuf {
    chart().join("ci").join(format!("{name}-values.yaml"))
}

/// All of them.
pub(crate) fn all_values() -> Vec<PathBuf> {
    let files = std::fs::read_dir(chart().join("ci")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    files
}

/// The objects of a manifest.
pub(crate) fn objects(manifest: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// The one object of that kind and name.
pub(crate) fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let mut found = objects.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(object), None) => object,
        (one, two) => panic!("not exactly one {kind} {name}: {one:?} {two:?}"),
    }
}
