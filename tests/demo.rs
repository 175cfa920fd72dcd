//! The command `demo`, as a person starts it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// Longer than the first build of the control plane's programs may take on a small machine.
const START: Duration = Duration::from_secs(40 * 60);
/// How long everything may take to end.
const END: Duration = Duration::from_secs(60);

/// A running demo, with what it prints on standard output. Its end is the end of the test.
struct Demo {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_arango-operator"))
            .arg("demo")
            .args(arguments)
            .env_remove("ARANGO_OPERATOR_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines }
    }

    /// Reads up to the line that contains `text`, which is the last one.
    fn read_until(&mut self, text: &str) -> Vec<String> {
        let begin = Instant::now();
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(text)) {
            match self.lines.recv_timeout(START.saturating_sub(begin.elapsed())) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error} before {text:?}; {lines:#?} {:?}", self.end(END)),
            }
        }
        lines
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits for the end. Returns the exit code and what was on standard error.
    fn end(&mut self, limit: Duration) -> (Option<i32>, String) {
        let mut errors = self.child.stderr.take().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).map(|_| text)
        });
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < limit, "the demo did not end within {limit:?}");
            thread::sleep(Duration::from_millis(50));
        };
        (status.code(), reader.join().unwrap().unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A test that fails leaves nothing behind. What has ended can't be killed, which is well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process ids of a control plane's programs.
fn programs(folder: &Path) -> BTreeMap<String, Pid> {
    let marks = std::fs::read_dir(folder.join("running")).unwrap().map(Result::unwrap);
    marks
        .map(|mark| {
            let id = std::fs::read_to_string(mark.path()).unwrap().trim().parse().unwrap();
            (mark.file_name().into_string().unwrap(), Pid::from_raw(id).unwrap())
        })
        .collect()
}

#[test]
fn once_checks_everything_and_ends() {
    let mut demo = Demo::start(&["--once"]);
    let (code, errors) = demo.end(START);
    assert_eq!(code, Some(0), "{errors}");
    let lines: Vec<String> = demo.lines.iter().collect();
    let text = lines.join("\n");
    assert!(!text.contains('\x1b') && !errors.contains('\x1b'), "no colours in a pipe: {text}{errors}");
    for said in [
        "4 custom resource definitions are installed",
        "examples/quickstart is applied: 13 objects",
        "10 resources are Ready",
        "2 databases, 3 users and 4 rights are as declared, 3 users can log in",
        "ended; the data is removed",
    ] {
        assert!(errors.contains(said), "{said:?} is missing in: {errors}");
    }
    // Nothing that has to be explained away.
    assert!(!errors.contains("WARN") && !errors.contains("ERROR"), "{errors}");
    for row in [
        ["ArangoDatabase", "shop-staging", "yes", "shop-staging"].as_slice(),
        &["ArangoPermission", "shop-auditor-everything", "yes", "shop-auditor", "on", "*"],
        &["shop-app", "-", "rw", "rw", "-"],
        &["shop-auditor", "(ro)", "(ro)", "(ro)", "ro"],
        &["shop-reports", "-", "ro", "-", "-"],
    ] {
        let found = lines.iter().any(|line| line.split_whitespace().eq(row.iter().copied()));
        assert!(found, "{row:?} is missing in: {text}");
    }
    assert!(!text.contains("KUBECONFIG"), "what is gone can't be tried: {text}");
}

#[test]
fn an_interrupt_ends_it_with_all_that_it_started() {
    let mut demo = Demo::start(&[]);
    let lines = demo.read_until("Ctrl-C ends it");
    let value = |prefix: &str| {
        let line = lines.iter().find_map(|line| line.trim().strip_prefix(prefix));
        line.unwrap_or_else(|| panic!("{prefix:?} is missing in: {}", lines.join("\n")))
    };
    let kubeconfig = PathBuf::from(value("export KUBECONFIG="));
    let coordinators: Vec<SocketAddr> = value("Coordinators: ")
        .split(' ')
        .map(|endpoint| endpoint.strip_prefix("http://").unwrap().parse().unwrap())
        .collect();
    let folder = kubeconfig.parent().unwrap().to_owned();
    let programs = programs(&folder);
    assert!(programs.contains_key("etcd") && programs.contains_key("kube-apiserver"), "{programs:?}");
    assert_eq!(coordinators.len(), 3);
    assert!(coordinators.iter().all(|coordinator| TcpStream::connect(coordinator).is_ok()));

    demo.signal(Signal::INT);
    let (code, errors) = demo.end(END);
    assert_eq!(code, Some(0), "{errors}");
    // It waited: nothing is left at the moment at which it ends.
    assert!(!programs.values().any(|program| test_kill_process(*program).is_ok()), "{programs:?}");
    assert!(!folder.exists());
    // The coordinators' ports went with the process, and may be somebody else's by now.
}

#[test]
fn a_filter_that_is_none_is_refused_before_anything_is_started() {
    let mut demo = Demo::start(&["--once", "--log", "info=loud=x"]);
    let (code, errors) = demo.end(END);
    assert_eq!(code, Some(1));
    assert!(errors.starts_with("error: --log"), "{errors}");
}
