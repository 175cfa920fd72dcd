//! The command `stand-in`, as a process.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used)]

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

fn stand_in(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_arango-operator"))
        .args(["stand-in", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .env_remove("ARANGO_ROOT_PASSWORD")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Reads the lines that say where the coordinators are.
async fn endpoints(child: &mut Child, count: usize) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut endpoints = Vec::new();
    for n in 1..=count {
        let line = lines.next_line().await.unwrap().unwrap();
        endpoints.push(line.strip_prefix(&format!("coordinator {n} ")).unwrap().to_owned());
    }
    endpoints
}

async fn end(mut child: Child, signal: &str) -> (Option<i32>, String) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).await.unwrap();
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    (status.code(), stderr)
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_on_a_signal() {
    let mut child = stand_in(&["--root-password", "x", "--cluster-id", "mine"]);
    let endpoints = endpoints(&mut child, 3).await;
    let client = reqwest::Client::new();
    for endpoint in &endpoints {
        let request = client.get(format!("{endpoint}/_admin/cluster/health")).basic_auth("root", Some("x"));
        let health: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(health["ClusterId"], "mine");
    }
    assert_eq!(end(child, "-TERM").await, (Some(0), String::new()));
}

#[tokio::test]
async fn without_a_password_it_warns() {
    let mut child = stand_in(&["--single", "--authentication", "false"]);
    let endpoints = endpoints(&mut child, 1).await;
    let version = reqwest::get(format!("{}/_api/version", endpoints[0])).await.unwrap();
    assert!(version.status().is_success());
    let (code, stderr) = end(child, "-INT").await;
    assert_eq!(code, Some(0));
    assert!(stderr.starts_with("warning: the password of root is empty"), "{stderr}");
}
