//! The image's program in the image's file system, as whatever runs containers would run it: read-only, with no
//! capability, as the first process of its own, with nothing but what it is given. The network is the machine's.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::{built::Image, within::within};

/// How long anything may take that takes a moment.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How to start it.
pub(crate) struct Inside<'a> {
    image: &'a Image,
    user: (u32, u32),
    files: Vec<(PathBuf, String)>,
    variables: Vec<(String, String)>,
}

impl<'a> Inside<'a> {
    /// As the user that the image names.
    pub(crate) fn new(image: &'a Image) -> Self {
        let (user, group) = image.config["config"]["User"].as_str().unwrap().split_once(':').unwrap();
        let user = (user.parse().unwrap(), group.parse().unwrap());
        Self { image, user, files: Vec::new(), variables: Vec::new() }
    }

    /// As a user that the image doesn't know.
    pub(crate) fn user(mut self, user: u32, group: u32) -> Self {
        self.user = (user, group);
        self
    }

    /// With a file or folder of this machine mounted, to be read.
    pub(crate) fn mounted(mut self, from: &Path, to: &str) -> Self {
        self.files.push((from.to_owned(), to.to_owned()));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command, with the arguments of the image's entrypoint.
    fn command(&self, arguments: &[&str]) -> Command {
        let ((user, group), config) = (self.user, &self.image.config["config"]);
        // Who is root becomes that user for good, so that what is root's in the image isn't his. Anybody else only looks
        // like him from within.
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
            command.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "bwrap"]);
            command
        } else {
            Command::new("bwrap")
        };
        command.args(["--unshare-user", "--uid", &user.to_string(), "--gid", &group.to_string()]);
        command.args(["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]);
        command.args(["--cap-drop", "ALL", "--ro-bind"]).arg(&self.image.root).arg("/");
        command.args(["--proc", "/proc", "--dev", "/dev", "--clearenv"]);
        for (from, to) in &self.files {
            command.arg("--ro-bind").arg(from).arg(to);
        }
        for variable in config["Env"].as_array().into_iter().flatten() {
            let (name, value) = variable.as_str().unwrap().split_once('=').unwrap();
            command.args(["--setenv", name, value]);
        }
        for (name, value) in &self.variables {
            command.args(["--setenv", name, value]);
        }
        for part in config["Entrypoint"].as_array().unwrap() {
            command.arg(part.as_str().unwrap());
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it to its end, which must be a good one: what it said.
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the operator, and waits until it says where its health is.
    pub(crate) fn start(&self, log: &Path, arguments: &[&str]) -> Running {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let mut running = Running { child, health: String::new(), log: log.to_owned() };
        while running.health.is_empty() {
            match told.recv_timeout(LIMIT) {
                Ok(line) => {
                    running.health = line.strip_prefix("health ").map(str::to_owned).unwrap_or_default();
                }
                Err(error) => panic!("{error}: it doesn't say where it listens:\n{}", running.log()),
            }
        }
        running
    }
}

/// The operator in its image.
pub(crate) struct Running {
    child: Child,
    pub(crate) health: String,
    log: PathBuf,
}

impl Running {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The program itself: the only child of the one that made its surroundings.
    fn program(&self) -> u32 {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.trim().parse().unwrap_or_else(|_| panic!("one child, not {children:?}"))
    }

    /// What the kernel says of the program, by name.
    pub(crate) fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
    }

    /// Ends it as Kubernetes does, and waits.
    pub(crate) async fn stop(mut self) {
        let program = Pid::from_raw(self.program().cast_signed()).unwrap();
        kill_process(program, Signal::TERM).unwrap();
        let status = eventually("the operator ends", async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await;
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Also when the test failed: nothing outlives it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, question: impl AsyncFnMut() -> Result<T, String>) -> T {
    within(LIMIT, what, question).await.0
}
