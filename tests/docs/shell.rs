//! Runs the commands of a page one block after another, as a person types them into one shell.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    process::{Child, ChildStdin, Command},
    time::{sleep, timeout},
};

/// How long what runs in the background may take to end when it is told to.
const END: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// The variables, the folder, and whatever else a page's commands leave to those after them.
pub(crate) struct Shell {
    /// Where the page's files are.
    work: PathBuf,
    /// Where ours are.
    own: PathBuf,
    environment: Vec<(String, String)>,
    /// How long commands may take to end, or to say that they run.
    patience: Duration,
    started: usize,
    running: Vec<Group>,
}

/// All processes of one block.
struct Group {
    child: Child,
    id: Pid,
    /// While it is open the group lives: it ends with this process, however that ends.
    _pipe: ChildStdin,
}

/// What commands did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Missing for what was killed.
    pub(crate) code: Option<i32>,
    /// Both outputs, as a terminal shows them.
    pub(crate) printed: String,
}

impl Shell {
    pub(crate) fn new(
        work: &Path,
        own: &Path,
        environment: Vec<(String, String)>,
        patience: Duration,
    ) -> Self {
        fs::write(own.join("variables"), "").unwrap();
        fs::write(own.join("folder"), work.display().to_string()).unwrap();
        Self {
            work: work.to_owned(),
            own: own.to_owned(),
            environment,
            patience,
            started: 0,
            running: Vec::new(),
        }
    }

    fn start(&mut self, commands: &str) -> (Group, PathBuf) {
        self.started += 1;
        let output = self.own.join(format!("output-{}", self.started));
        let file = File::create(&output).unwrap();
        let own = self.own.display();
        // The reader in the background outlives nobody: it ends the group when this test is gone.
        let script = format!(
            "exec 3<&0 </dev/null\n\
             {{ read -r _ <&3; kill -KILL 0; }} >/dev/null 2>&1 &\n\
             exec 3<&-\n\
             source '{own}/variables'\n\
             cd \"$(cat '{own}/folder')\"\n\
             trap \"export -p > '{own}/variables'; pwd > '{own}/folder'\" EXIT\n\
             set -ae -o pipefail\n\
             {commands}"
        );
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.work)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        let id = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let pipe = child.stdin.take().unwrap();
        (Group { child, id, _pipe: pipe }, output)
    }

    /// Runs commands to their end.
    pub(crate) async fn run(&mut self, commands: &str) -> Ran {
        let (mut group, output) = self.start(commands);
        let ended = timeout(self.patience, group.child.wait()).await;
        let mut printed = fs::read_to_string(&output).unwrap();
        let code = if let Ok(status) = ended {
            status.unwrap().code()
        } else {
            printed.push_str("\n(killed: it takes too long)");
            None
        };
        // What it left in the background goes on.
        self.running.push(group);
        Ran { code, printed }
    }

    /// Starts commands that go on, and returns when enough was printed.
    pub(crate) async fn start_until(&mut self, commands: &str, enough: impl Fn(&str) -> bool) -> Ran {
        let (mut group, output) = self.start(commands);
        let begin = Instant::now();
        loop {
            let ended = group.child.try_wait().unwrap();
            let printed = String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned();
            if ended.is_some() || enough(&printed) || begin.elapsed() > self.patience {
                let code = if enough(&printed) { Some(0) } else { ended.and_then(|status| status.code()) };
                self.running.push(group);
                return Ran { code, printed };
            }
            sleep(POLL).await;
        }
    }

    /// Ends whatever runs in the background, as Ctrl-C does.
    pub(crate) async fn end(&mut self) {
        let begin = Instant::now();
        for group in &mut self.running {
            // It may have ended by itself.
            let _ = kill_process_group(group.id, Signal::TERM);
        }
        for mut group in self.running.drain(..) {
            while test_kill_process_group(group.id).is_ok() && begin.elapsed() < END {
                let _ = group.child.try_wait();
                sleep(POLL).await;
            }
            let _ = kill_process_group(group.id, Signal::KILL);
        }
    }

    /// Writes a file that the page tells people to write.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.work.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Whether bash understands the commands.
pub(crate) fn is_shell(commands: &str) -> Result<(), String> {
    let output = std::process::Command::new("bash").args(["-n", "-c", commands]).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
