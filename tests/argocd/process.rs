//! A program that ends when this process does.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use rand::RngExt;

/// Ends the program when its own standard input does. That is a pipe of ours alone, which the kernel closes however this
/// process ends.
const WATCH: &str = r#""$@" </dev/null & program=$!; while read -r _; do :; done; kill -KILL "$program""#;

/// The ports that are tried lie below those that systems give to outgoing connections.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// A running program.
pub(crate) struct Process {
    _watcher: Child,
    _lease: ChildStdin,
    log: PathBuf,
}

impl Process {
    /// Starts it. What it says goes to `NAME.log` in the folder.
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        program: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, name]).arg(program).current_dir(folder);
        configure(&mut command);
        let errors = output.try_clone().unwrap();
        let mut watcher = command.stdin(Stdio::piped()).stdout(output).stderr(errors).spawn().unwrap();
        let lease = watcher.stdin.take().unwrap();
        Self { _watcher: watcher, _lease: lease, log }
    }

    /// What it said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let mut random = rand::rng();
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..1000).map(|_| random.random_range(PORTS)).find(is_free).expect("a port is free")
}

/// Whether somebody listens there.
pub(crate) fn listens(port: u16) -> Result<(), std::io::Error> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop)
}
