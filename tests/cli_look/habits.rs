//! What people and shells expect of every command.

use std::{os::unix::fs::symlink, path::Path, process::Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use super::matrix::company;
use crate::{
    cli_support::{ROOT_PASSWORD, run},
    installed::answer,
};

const BINARY: &str = env!("CARGO_BIN_EXE_arango-operator");

#[tokio::test]
async fn where_nobody_reads_what_is_printed_a_command_ends_without_a_word() {
    let deployment = company().await;
    let manifests = deployment.file("all.yaml", &deployment.run(&["export"]).await.ok());
    let commands: [&[&str]; 18] = [
        &["plan", "-f", &manifests],
        &["plan", "-f", &manifests, "-o", "json"],
        &["matrix"],
        &["matrix", "-o", "json"],
        &["matrix", "-o", "html"],
        &["explain", "alice", "shop"],
        &["explain", "alice", "shop", "-o", "json"],
        &["export"],
        &["cluster", "status"],
        &["cluster", "status", "-o", "json"],
        &["request", "GET", "/_api/user", "-o", "json"],
        &["crds"],
        &["rbac"],
        &["completion", "bash"],
        &["man"],
        &["version"],
        &["help"],
        &["matrix", "--help"],
    ];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        command.args(arguments).env("ARANGO_ENDPOINT", deployment.endpoints());
        command
            .env("ARANGO_PASSWORD", ROOT_PASSWORD)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped());
        let output = command.kill_on_drop(true).spawn().unwrap().wait_with_output().await.unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 141)), "{arguments:?}: {code:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[tokio::test]
async fn nor_does_it_panic_where_even_complaints_are_not_heard() {
    for endpoint in ["http://127.0.0.1:1", "no"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(BINARY);
        command.args(["matrix", "--endpoint", endpoint]).stdin(Stdio::null()).stdout(Stdio::piped());
        let ran =
            command.stderr(writer).kill_on_drop(true).spawn().unwrap().wait_with_output().await.unwrap();
        assert_eq!(ran.status.code(), Some(1), "{endpoint}");
    }
}

#[tokio::test]
async fn linked_as_a_plugin_it_is_called_as_kubectl_calls_it() {
    let folder = TempDir::new().unwrap();
    let link = |name: &str| {
        let path = folder.path().join(name);
        symlink(BINARY, &path).unwrap();
        path
    };
    let said = async |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let plugin = link("kubectl-arango");
    let help = said(&plugin, &["matrix", "--help"]).await;
    assert!(help.contains("Usage: kubectl arango matrix"), "{help}");
    assert!(help.contains("  kubectl arango matrix -o html > rights.html"), "{help}");
    assert!(!help.contains("arango-operator"), "{help}");
    let wrong = said(&plugin, &["explain"]).await;
    assert!(wrong.contains("Usage: kubectl arango explain"), "{wrong}");
    let version = ["version", "-o", "json"];
    assert_eq!(said(&plugin, &version).await, said(Path::new(BINARY), &version).await);

    let completer = link("kubectl_complete-arango");
    let lines = said(&completer, &["cluster", "st"]).await;
    assert!(lines.starts_with("status\t") && lines.contains("\nstatistics\t"), "{lines}");
    assert!(lines.ends_with("\n:4\n"), "{lines}");
}

#[tokio::test]
async fn a_shell_takes_its_completion_and_man_its_pages() {
    let script = run(&["completion", "bash"], &[]).await.ok();
    assert!(script.contains("explain") && !script.contains("rbac"), "what is hidden isn't offered");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("completion");
    std::fs::write(&path, &script).unwrap();
    let asked = format!(
        "source {}; set -- $(complete -p arango-operator); while [ $1 != -F ]; do shift; done; \
         COMP_WORDS=(arango-operator mat); COMP_CWORD=1; $2 arango-operator mat arango-operator; echo \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    assert_eq!(answer("bash", &["-c", &asked]).await.as_deref(), Some("matrix"));
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completion", shell], &[]).await.ok().contains("matrix"), "{shell}");
    }

    let pages = folder.path().join("man1");
    run(&["man", "--output", pages.to_str().unwrap()], &[]).await.ok();
    let page = std::fs::read_to_string(pages.join("arango-operator-cluster-maintenance.1")).unwrap();
    assert!(page.contains(".TH arango-operator-cluster-maintenance 1"), "{page}");
    assert!(pages.join("arango-operator.1").exists() && !pages.join("arango-operator-rbac.1").exists());
}

#[tokio::test]
async fn what_has_a_result_has_it_as_json_too() {
    let deployment = company().await;
    let version = run(&["version", "-o", "json"], &[]).await.json();
    assert_eq!(version, json!({"name": "arango-operator", "version": env!("CARGO_PKG_VERSION")}));
    let ran = deployment.run(&["request", "GET", "/_api/user/ghost", "-o", "json"]).await;
    assert_eq!(ran.stderr, "");
    let answer = ran.json();
    assert_eq!((&answer["status"], &answer["body"]["user"]), (&json!(200), &json!("ghost")));
    let ran = deployment.run(&["request", "GET", "/_api/user/nobody", "-o", "json"]).await;
    assert_eq!(ran.code, Some(1), "as without");
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&answer["status"], &answer["body"]["errorNum"]), (&json!(404), &json!(1703)));
}
