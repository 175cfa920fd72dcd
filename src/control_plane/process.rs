//! Child processes that end when this process does, however it ends.
//!
//! Each child runs under a small shell script (`watch.sh`) whose standard input is a pipe that only this process
//! holds open. A normal exit, a panic, a `static` that is never dropped and SIGKILL all close it, because the kernel
//! does. The standard library marks the pipe close-on-exec, so no other child keeps it open.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::Error;

/// How long a program has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);

/// How long the folder's sweeper waits for the programs: longer than all that they are given.
const SWEEP: Duration = Duration::from_secs(20);

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// How much of the end of a log goes into an error.
const TAIL_LINES: usize = 12;
const TAIL_BYTES: u64 = 16 * 1024;

/// When a program is ended if this process ends without saying anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// At once.
    First,
    /// When the others are gone: the database that they write to.
    Last,
}

/// A program that runs under its watcher.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    /// The watcher, leader of a process group of its own. The terminal's Ctrl-C reaches only us that way, and we end
    /// the programs in the right order.
    watcher: Option<Child>,
    /// What keeps the program alive.
    lease: Option<ChildStdin>,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `folder`, with its output in `folder/NAME.log` and its process id in `folder/running/NAME`.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = String>,
        folder: &Path,
        order: Order,
    ) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
        let errors = output.try_clone().map_err(Error::io("open a log twice"))?;
        let marks = marks(folder);
        // The mark is there before the watcher is: nobody may find the folder idle in between.
        let mark = marks.join(name);
        File::create(&mark).map_err(Error::io(format!("create {}", mark.display())))?;
        let mut watcher = Command::new("sh")
            .args(["-c", include_str!("watch.sh"), "watch"])
            .arg(&marks)
            .args([name, &tenths(GRACE), if order == Order::First { "first" } else { "last" }])
            .arg(program)
            .args(arguments)
            // For Go: room is plenty where so little is kept, and what its garbage collector takes the others lack.
            .env("GOGC", "400")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {name} under a shell")))?;
        let lease = watcher.stdin.take();
        Ok(Self { name, watcher: Some(watcher), lease, log })
    }

    /// Starts the shell that removes `folder` when this process and the programs in it are gone.
    pub(super) fn sweeper(folder: &Path) -> Result<Self, Error> {
        let mut watcher = Command::new("sh")
            .args(["-c", include_str!("sweep.sh"), "sweep"])
            .arg(marks(folder))
            .arg(tenths(SWEEP))
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("start a shell"))?;
        let lease = watcher.stdin.take();
        Ok(Self { name: "sweeper", watcher: Some(watcher), lease, log: PathBuf::new() })
    }

    /// An error with the end of the log if the program has ended.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.exited()? {
            Some(status) => Err(Error::Exited { component: self.name, status, output: self.log_tail() }),
            None => Ok(()),
        }
    }

    fn exited(&mut self) -> Result<Option<ExitStatus>, Error> {
        let Some(watcher) = &mut self.watcher else { return Ok(None) };
        watcher.try_wait().map_err(Error::io(format!("ask whether {} runs", self.name)))
    }

    /// The last lines of the program's output.
    pub(super) fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    /// Asks the program to end, waits for it, and kills it when it doesn't end.
    pub(super) async fn end(mut self) -> Result<(), Error> {
        drop(self.lease.take());
        // The watcher kills the program itself after the grace; the rest is for a machine that is busy.
        let mut limit = if self.log.as_os_str().is_empty() { SWEEP * 2 } else { GRACE * 4 };
        for last_resort in [true, false] {
            let begin = Instant::now();
            while begin.elapsed() < limit {
                if self.exited()?.is_some() {
                    self.watcher = None;
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
            if last_resort {
                self.kill_group();
                limit = GRACE;
            }
        }
        Err(Error::NotEnded { component: self.name })
    }

    /// Ends the program as a crash does, and waits until it is gone.
    pub(super) async fn crash(&mut self) -> Result<(), Error> {
        let mark = self.log.with_file_name("running").join(self.name);
        let program = std::fs::read_to_string(&mark).ok().and_then(|id| id.trim().parse().ok());
        if let Some(program) = program.and_then(rustix::process::Pid::from_raw) {
            // It can only fail because it is gone. The watcher reaps it and follows.
            let _ = rustix::process::kill_process(program, rustix::process::Signal::KILL);
        }
        let begin = Instant::now();
        while self.exited()?.is_none() {
            if begin.elapsed() > GRACE {
                return Err(Error::NotEnded { component: self.name });
            }
            tokio::time::sleep(POLL).await;
        }
        self.watcher = None;
        Ok(())
    }

    /// Kills the watcher and everything that it started.
    fn kill_group(&self) {
        let leader = self.watcher.as_ref().and_then(|watcher| i32::try_from(watcher.id()).ok());
        if let Some(group) = leader.and_then(rustix::process::Pid::from_raw) {
            // It can only fail because nobody is left, which is what was wanted.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.lease.take());
        if let Some(mut watcher) = self.watcher.take() {
            // Reaped by a thread: it ends by itself within the grace, and a destructor should not wait for that.
            // Without a thread it stays a zombie until this process ends, which hurts nobody.
            drop(thread::Builder::new().name("reaper".into()).spawn(move || watcher.wait()));
        }
    }
}

/// The folder that holds a file per running program.
pub(super) fn marks(folder: &Path) -> PathBuf {
    folder.join("running")
}

fn tenths(duration: Duration) -> String {
    (duration.as_millis() / 100).to_string()
}

/// The last lines of a log, for an error.
pub(super) fn log_tail(path: &Path) -> String {
    tail(path).unwrap_or_else(|error| format!("({} can't be read: {error})", path.display()))
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(last_lines(&String::from_utf8_lossy(&bytes)))
}

/// The last lines of a text.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
