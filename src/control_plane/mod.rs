//! A real Kubernetes control plane as child processes: etcd, kube-apiserver and, where there is one,
//! kube-controller-manager. The demo and the tests run on it.
//!
//! There is no kubelet and no scheduler: objects are stored, validated, authorized, watched and garbage collected as
//! in any cluster, and no pod runs. The programs come from `KUBEBUILDER_ASSETS` or are built from source once per
//! machine ([`Tools`]). They end, and the data folder goes, when this process ends in whatever way (`process.rs`).

mod build;
mod error;
mod files;
mod flags;
mod process;
mod progress;
mod restart;
mod tools;

use std::{
    fmt,
    fs::Permissions,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use rand::RngExt;

pub use self::{error::Error, progress::Progress, tools::Tools};
use self::{
    files::Identity,
    process::{Order, Process},
};

/// What is told about the start: see [`Progress`]. `&|_| {}` for nobody.
pub type ProgressFn<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// The program that everything else talks to.
const API_SERVER: &str = "kube-apiserver";

/// What it writes when its port is not free.
const PORT_TAKEN: &str = "address already in use";

/// How many ports are tried: another process can take one between our look and the API server's start.
const PORT_ATTEMPTS: u32 = 8;

/// The ports that are tried lie below those that systems give to outgoing connections, which would otherwise be the
/// most frequent thief.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// How often the API server is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(50);

/// How long one such question may take.
const READY_REQUEST: Duration = Duration::from_secs(5);

/// How a control plane is started. The default is what tests and the demo want.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data, the logs and the kubeconfig go. By default a new folder, which is removed at the end; a folder
    /// that is named here stays, and its rights are narrowed to its owner.
    pub data_dir: Option<PathBuf>,
    /// Whether to run kube-controller-manager if the program is there. Without it namespaces are never finished
    /// deleting, owned objects stay when their owner goes, aggregated roles stay empty, and no namespace has a
    /// `default` service account.
    pub controller_manager: bool,
    /// How long the start may take, without the building of the programs.
    pub start_timeout: Duration,
    /// More arguments for kube-apiserver; they come last and win.
    pub api_server_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data_dir: None,
            controller_manager: true,
            start_timeout: Duration::from_secs(90),
            api_server_args: Vec::new(),
        }
    }
}

/// A running control plane. [`ControlPlane::stop`] ends it and waits; dropping it ends it without waiting; and it
/// ends by itself when this process ends.
pub struct ControlPlane {
    // In the order in which dropping should end them.
    controller_manager: Option<Process>,
    api_server: Option<Process>,
    etcd: Process,
    sweeper: Option<Process>,
    data_dir: PathBuf,
    server_url: String,
    identity: Identity,
    tools: Tools,
    options: Options,
}

impl fmt::Debug for ControlPlane {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlPlane")
            .field("data_dir", &self.data_dir)
            .field("server_url", &self.server_url)
            .finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// Finds or builds the programs, starts them, and returns when the API server is ready and the namespaces
    /// `default` and `kube-system` are there. Dropping the future ends what was started.
    pub async fn start(options: Options, progress: ProgressFn<'_>) -> Result<Self, Error> {
        let tools = Tools::find(progress).await?;
        Self::start_with(tools, options, progress).await
    }

    /// The same with programs that were found before.
    pub async fn start_with(tools: Tools, options: Options, progress: ProgressFn<'_>) -> Result<Self, Error> {
        progress(Progress::Starting);
        let begin = Instant::now();
        let deadline = begin + options.start_timeout;
        let (data_dir, sweeper) = prepare_folder(options.data_dir.as_deref())?;
        let identity = Identity::create(&data_dir)?;
        let etcd = Process::start("etcd", &tools.etcd, flags::etcd(), &data_dir, Order::Last)?;

        let mut plane = Self {
            controller_manager: None,
            api_server: None,
            etcd,
            sweeper,
            data_dir,
            server_url: String::new(),
            identity,
            tools,
            options: options.clone(),
        };
        let client = plane.start_api_server(&options, deadline).await?;
        if options.controller_manager {
            plane.start_controller_manager()?;
        }
        let namespaces = Api::<Namespace>::all(client);
        for name in ["default", "kube-system"] {
            // The API server makes them itself, a moment after it says that it is ready.
            plane.poll(&options, deadline, async || namespaces.get_metadata(name).await).await?;
        }
        files::write_kubeconfig(&plane.kubeconfig_path(), &plane.kubeconfig())?;
        progress(Progress::Ready { elapsed: begin.elapsed() });
        Ok(plane)
    }

    /// Starts the API server on a port that turns out to be free, and waits until it is ready.
    async fn start_api_server(&mut self, options: &Options, deadline: Instant) -> Result<Client, Error> {
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port()?;
            self.server_url = format!("https://127.0.0.1:{port}");
            let arguments = flags::api_server(port, &options.api_server_args);
            let program = &self.tools.api_server;
            self.api_server =
                Some(Process::start(API_SERVER, program, arguments, &self.data_dir, Order::First)?);
            let client = self.client().await?;
            let ready = async || {
                let question =
                    http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
                client.request_text(question).await
            };
            match self.poll(options, deadline, ready).await {
                Err(Error::Exited { component: API_SERVER, output, .. }) if output.contains(PORT_TAKEN) => {}
                outcome => return outcome.map(|()| client),
            }
        }
        Err(Error::NoPort { attempts: PORT_ATTEMPTS })
    }

    fn start_controller_manager(&mut self) -> Result<(), Error> {
        let Some(program) = &self.tools.controller_manager else { return Ok(()) };
        let kubeconfig = self.kubeconfig_for_token(&self.identity.controller_manager_token);
        files::write_kubeconfig(&self.data_dir.join(flags::CONTROLLER_MANAGER_KUBECONFIG), &kubeconfig)?;
        let arguments = flags::controller_manager();
        self.controller_manager = Some(Process::start(
            "kube-controller-manager",
            program,
            arguments,
            &self.data_dir,
            Order::First,
        )?);
        Ok(())
    }

    /// Asks until the answer is good, a component has ended, or the deadline has passed.
    async fn poll<T>(
        &mut self,
        options: &Options,
        deadline: Instant,
        question: impl AsyncFn() -> Result<T, kube::Error>,
    ) -> Result<(), Error> {
        loop {
            let answer = tokio::time::timeout(READY_REQUEST, question()).await;
            let last = match answer {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".into(),
            };
            self.check()?;
            if Instant::now() >= deadline {
                let output = self.api_server.as_ref().map(Process::log_tail).unwrap_or_default();
                return Err(Error::NotReady { after: options.start_timeout, last, output });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// An error with the end of its log if a component has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        self.etcd.check()?;
        self.api_server.iter_mut().chain(&mut self.controller_manager).try_for_each(Process::check)
    }

    /// Ends the components in order, waits for that (a limited time, after which they are killed), and removes the
    /// data folder unless [`Options::data_dir`] named it.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { controller_manager, api_server, etcd, sweeper, .. } = self;
        for process in [controller_manager, api_server, Some(etcd), sweeper].into_iter().flatten() {
            process.end().await?;
        }
        Ok(())
    }

    /// Where the API server listens, as `https://127.0.0.1:PORT`.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// The folder with the data, the logs (`NAME.log`) and a file per running program with its process id
    /// (`running/NAME`).
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// kubectl, where there is one.
    pub fn kubectl(&self) -> Option<PathBuf> {
        self.tools.kubectl.clone()
    }

    /// The administrator's kubeconfig, a file that only its owner reads.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.data_dir.join("kubeconfig")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> Kubeconfig {
        self.kubeconfig_for_token(&self.identity.admin_token)
    }

    /// A kubeconfig for whoever holds `token`, as a service account does.
    pub fn kubeconfig_for_token(&self, token: &str) -> Kubeconfig {
        self.identity.kubeconfig(&self.server_url, token)
    }

    /// The same as a file that only its owner reads. A file that is there is replaced.
    pub fn write_kubeconfig_for_token(&self, token: &str, path: &Path) -> Result<(), Error> {
        files::write_kubeconfig(path, &self.kubeconfig_for_token(token))
    }

    /// A new client with all rights. It belongs to the tokio runtime that this is called on.
    pub async fn client(&self) -> Result<Client, Error> {
        client(self.kubeconfig()).await
    }

    /// A new client with the rights of whoever holds `token`. It belongs to the tokio runtime that this is called on.
    pub async fn client_for_token(&self, token: &str) -> Result<Client, Error> {
        client(self.kubeconfig_for_token(token)).await
    }
}

async fn client(kubeconfig: Kubeconfig) -> Result<Client, Error> {
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // The default repeats a 429 or 503 for minutes. Here a refusal is something that a test wants to see.
    config.default_retry = false;
    config.connect_timeout = Some(READY_REQUEST);
    Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))
}

/// Makes the data folder. If it is ours alone, a sweeper comes with it.
fn prepare_folder(named: Option<&Path>) -> Result<(PathBuf, Option<Process>), Error> {
    let (data_dir, sweeper) = if let Some(named) = named {
        files::create_private_folder(named)?;
        let path = named.canonicalize().map_err(Error::io(format!("find the folder {}", named.display())))?;
        // Marks of a run that could not clear them.
        drop(std::fs::remove_dir_all(process::marks(&path)));
        files::create_private_folder(&process::marks(&path))?;
        (path, None)
    } else {
        let folder = tempfile::Builder::new()
            .prefix("arango-operator-")
            // Not left to the umask: the sockets of etcd are in it.
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Error::io("create a temporary folder"))?;
        files::create_private_folder(&process::marks(folder.path()))?;
        let sweeper = Process::sweeper(folder.path())?;
        // From here on the sweeper removes it: that also happens when this process is killed.
        (folder.keep(), Some(sweeper))
    };
    Ok((data_dir, sweeper))
}

/// A port on which nobody listens at this moment.
fn free_port() -> Result<u16, Error> {
    let mut random = rand::rng();
    (0..PORT_ATTEMPTS * 8)
        .map(|_| random.random_range(PORTS))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or(Error::NoPort { attempts: PORT_ATTEMPTS * 8 })
}
