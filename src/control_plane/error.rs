//! What can go wrong, each as a sentence that says what to do about it where something can be done.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

/// Why there is no control plane.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `KUBEBUILDER_ASSETS` is set, and something is not in that folder.
    #[error(
        "KUBEBUILDER_ASSETS names {}, which lacks {missing}: put it there, or unset the variable to have it \
         built from source", folder.display()
    )]
    AssetsIncomplete {
        /// The folder that the variable names.
        folder: PathBuf,
        /// The programs that are not there.
        missing: String,
    },

    /// Neither `XDG_CACHE_HOME` nor `HOME` is set to an absolute path.
    #[error(
        "there is no folder to keep the built programs in: set HOME or XDG_CACHE_HOME, or KUBEBUILDER_ASSETS"
    )]
    NoCacheFolder,

    /// There is no `go` on the PATH.
    #[error(
        "kube-apiserver and etcd are built from source and need Go, which is not on the PATH: install Go {needed} or \
         newer, or set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd"
    )]
    GoMissing {
        /// The oldest version that will do, such as `1.26`.
        needed: String,
    },

    /// The `go` on the PATH is too old.
    #[error(
        "kube-apiserver and etcd are built from source and need Go {needed} or newer, but {found}: install it, or set \
         KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd"
    )]
    GoTooOld {
        /// The oldest version that will do, such as `1.26`.
        needed: String,
        /// What was found, as half a sentence.
        found: String,
    },

    /// The Go compiler or the download of its sources failed.
    #[error("building {tool} failed ({status}):\n{output}")]
    Build {
        /// The program that was being built.
        tool: &'static str,
        /// How the compiler ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },

    /// The build, or the wait for somebody else's build, took too long.
    #[error("{what} was given up after {} minutes", after.as_secs() / 60)]
    BuildTimeout {
        /// What took too long.
        what: String,
        /// The limit.
        after: Duration,
    },

    /// A component ended by itself.
    #[error("{component} ended by itself ({status}); its last lines:\n{output}")]
    Exited {
        /// The component, by the name of its program.
        component: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        output: String,
    },

    /// Every port that was tried was taken by somebody else.
    #[error("no free port for kube-apiserver was found in {attempts} attempts")]
    NoPort {
        /// How many ports were tried.
        attempts: u32,
    },

    /// The API server runs but did not become ready.
    #[error("the control plane was not ready after {} s: {last}; the last lines of kube-apiserver:\n{output}",
        after.as_secs())]
    NotReady {
        /// The limit.
        after: Duration,
        /// What the last look said.
        last: String,
        /// The last lines of kube-apiserver's log.
        output: String,
    },

    /// Keys and certificates could not be made.
    #[error("the control plane's keys could not be made: {0}")]
    Keys(#[from] rcgen::Error),

    /// The kubeconfig was not accepted.
    #[error("the control plane's kubeconfig is not usable: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),

    /// The kubeconfig could not be written as YAML.
    #[error("the control plane's kubeconfig could not be written: {0}")]
    Yaml(String),

    /// A client could not be made.
    #[error("no client for the control plane could be made: {0}")]
    Client(#[source] Box<kube::Error>),

    /// A component had to be killed and did not even end then.
    #[error("{component} could not be ended")]
    NotEnded {
        /// The component, by the name of its program.
        component: &'static str,
    },

    /// The operating system said no.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done, as `write /path`.
        doing: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Names what was being done when the operating system said no.
    pub(super) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
