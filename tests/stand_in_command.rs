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

/// Reads the lines that say where things are, each with its first words, and gives what follows those.
async fn places<const N: usize>(child: &mut Child, words: [&str; N]) -> [String; N] {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut places = words.map(|_| String::new());
    for (place, words) in places.iter_mut().zip(words) {
        let line = lines.next_line().await.unwrap().unwrap();
        place.push_str(line.strip_prefix(&format!("{words} ")).unwrap());
    }
    places
}

/// Reads the lines that say where the coordinators are.
async fn endpoints(child: &mut Child, count: usize) -> Vec<String> {
    const WORDS: [&str; 3] = ["coordinator 1", "coordinator 2", "coordinator 3"];
    match count {
        1 => places(child, [WORDS[0]]).await.to_vec(),
        _ => places(child, WORDS).await.to_vec(),
    }
}

/// What a start that fails says.
async fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = stand_in(arguments).wait_with_output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
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

#[tokio::test]
async fn it_fails_as_it_is_told_and_listens_to_its_control_port() {
    let faults = ["--fail", "queue-full coordinator=2 next=1", "--fail", "delay time=1ms"];
    let arguments =
        [&["--root-password", "x", "--coordinators", "2", "--control", "127.0.0.1:0"], &faults[..]];
    let mut child = stand_in(&arguments.concat());
    let [_, second, control] = places(&mut child, ["coordinator 1", "coordinator 2", "control"]).await;
    let client = reqwest::Client::new();
    let version = async || {
        let request = client.get(format!("{second}/_api/version")).basic_auth("root", Some("x"));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!([version().await, version().await], [503, 200]);
    client.put(format!("{control}/faults")).body("error").send().await.unwrap();
    assert_eq!(version().await, 500);
    client.delete(format!("{control}/faults")).send().await.unwrap();
    assert_eq!(version().await, 200);
    let requests = client.get(format!("{control}/requests")).send().await.unwrap();
    assert_eq!(requests.json::<serde_json::Value>().await.unwrap()["total"], 4);
    assert_eq!(end(child, "-TERM").await, (Some(0), String::new()));
}

#[tokio::test]
async fn it_speaks_tls_with_a_certificate_that_it_leaves_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for wanted in [true, false] {
        let mut arguments = vec!["--single", "--root-password", "x", "--tls"];
        if wanted {
            arguments.extend(["--tls-ca-file", file.to_str().unwrap()]);
        }
        let mut child = stand_in(&arguments);
        let [endpoint, ca] = places(&mut child, ["coordinator 1", "ca"]).await;
        assert_eq!(ca == file.to_str().unwrap(), wanted);
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        let request = client.get(format!("{endpoint}/_api/version")).basic_auth("root", Some("x"));
        assert!(request.send().await.unwrap().status().is_success());
        assert_eq!(end(child, "-TERM").await, (Some(0), String::new()));
        assert_eq!(std::path::Path::new(&ca).exists(), wanted, "a file that nobody named is removed");
    }
}

#[tokio::test]
async fn what_it_cannot_do_it_says() {
    for (arguments, code, part) in [
        (vec!["--fail", "hangs"], 2, "\"hangs\" is no fault; there are refuse, hang"),
        (vec!["--fail", "hang coordinator=9"], 1, "there is no coordinator 9, there are 3"),
        (vec!["--control", "0.0.0.0:0"], 2, "takes loopback addresses only; try 127.0.0.1:0"),
        (vec!["--tls-cert", "x"], 2, "--tls-key <FILE>"),
        (vec!["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], 1, "can't read /nowhere"),
        (vec!["--delay", "5"], 2, "try 5ms"),
    ] {
        let (got, stderr) = refusal(&arguments).await;
        assert_eq!(got, Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
}
