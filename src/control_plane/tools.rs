//! The programs: found where `KUBEBUILDER_ASSETS` says, or built from source once per machine.
//!
//! The build is that of the Go module in `dev/control-plane`, whose files are part of this binary: it works without a
//! checkout. What was built is kept in the user's cache folder under a name that says what it was built from.

use std::{
    env,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use super::{Error, Progress, ProgressFn, build::build};

pub(super) const GO_MOD: &str = include_str!("../../dev/control-plane/go.mod");
pub(super) const GO_SUM: &str = include_str!("../../dev/control-plane/go.sum");

/// How long one program may take to build, and how long somebody else's build is waited for.
pub(super) const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How often a lock is tried.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// A program of the module.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) module: &'static str,
    pub(super) usual: &'static str,
}

/// In the order in which they are built: the short one first, so that something is seen to work.
const RECIPES: [Recipe; 4] = [
    Recipe {
        name: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        module: "go.etcd.io/etcd/server/v3",
        usual: "1 minute",
    },
    Recipe {
        name: "kube-apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        module: KUBERNETES,
        usual: "2 to 4 minutes",
    },
    Recipe {
        name: "kube-controller-manager",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        module: KUBERNETES,
        usual: "1 minute",
    },
    Recipe {
        name: "kubectl",
        package: "k8s.io/kubernetes/cmd/kubectl",
        module: KUBERNETES,
        usual: "half a minute",
    },
];

const KUBERNETES: &str = "k8s.io/kubernetes";

/// Where the programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tools {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub api_server: PathBuf,
    /// kube-controller-manager, where there is one.
    pub controller_manager: Option<PathBuf>,
    /// kubectl, where there is one.
    pub kubectl: Option<PathBuf>,
}

impl Tools {
    /// Takes the programs from the folder that `KUBEBUILDER_ASSETS` names, or else from the user's cache folder,
    /// which is filled by building them if it has to be. Dropping the future stops the build.
    pub async fn find(progress: ProgressFn<'_>) -> Result<Self, Error> {
        if let Some(assets) = env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
            return Self::in_assets(&PathBuf::from(assets));
        }
        let caches =
            cache_folder(absolute("XDG_CACHE_HOME"), absolute("HOME")).ok_or(Error::NoCacheFolder)?;
        Self::in_cache(&caches.join("arango-operator/control-plane").join(fingerprint()), progress).await
    }

    /// The programs in a folder that somebody else filled.
    fn in_assets(folder: &Path) -> Result<Self, Error> {
        let find = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        match (find("etcd"), find("kube-apiserver")) {
            (Some(etcd), Some(api_server)) => Ok(Self {
                etcd,
                api_server,
                controller_manager: find("kube-controller-manager"),
                kubectl: find("kubectl"),
            }),
            (etcd, api_server) => {
                let missing = [("etcd", etcd), ("kube-apiserver", api_server)]
                    .into_iter()
                    .filter_map(|(name, found)| found.is_none().then_some(name))
                    .collect::<Vec<_>>()
                    .join(" and ");
                Err(Error::AssetsIncomplete { folder: folder.into(), missing })
            }
        }
    }

    /// The programs in our cache; what is not there is built.
    async fn in_cache(folder: &Path, progress: ProgressFn<'_>) -> Result<Self, Error> {
        let bin = folder.join("bin");
        if !missing(&bin).is_empty() {
            fs::create_dir_all(&bin).map_err(Error::io(format!("create the folder {}", bin.display())))?;
            // One builder at a time, of all processes of this user; the lock goes with the file, even if killed.
            let _lock = lock(&folder.join("lock"), progress).await?;
            build(&bin, folder, progress).await?;
        }
        Ok(Self {
            etcd: bin.join("etcd"),
            api_server: bin.join("kube-apiserver"),
            controller_manager: Some(bin.join("kube-controller-manager")),
            kubectl: Some(bin.join("kubectl")),
        })
    }
}

pub(super) fn missing(bin: &Path) -> Vec<&'static Recipe> {
    RECIPES.iter().filter(|recipe| !bin.join(recipe.name).is_file()).collect()
}

/// The value of a variable that has to be an absolute path to count.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn cache_folder(xdg_cache_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    xdg_cache_home.or_else(|| home.map(|home| home.join(".cache")))
}

/// What the programs are built from and for, as a short name: homes are shared between machines.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for part in [GO_MOD, GO_SUM, &linker_flags(), env::consts::OS, env::consts::ARCH] {
        hash.update(part);
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..8])
}

/// The version of a module in go.mod, as `v1.2.3`.
pub(super) fn version(module: &str) -> &'static str {
    GO_MOD
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module))
        .find_map(|rest| rest.strip_prefix(' ')?.split(' ').next().filter(|word| word.starts_with('v')))
        .unwrap_or("(unknown)")
}

/// The oldest Go that go.mod allows, as `1.26`.
pub(super) fn needed_go() -> (u32, u32) {
    GO_MOD.lines().find_map(|line| two_numbers(line.strip_prefix("go ")?)).unwrap_or((1, 26))
}

/// `1.26.8` as `(1, 26)`; also `1.27rc1`.
pub(super) fn two_numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Small programs, and the version that they say they are. Kubernetes' own build sets the same variables.
pub(super) fn linker_flags() -> String {
    let version = version(KUBERNETES);
    let (major, minor) = two_numbers(version.trim_start_matches('v')).unwrap_or_default();
    let variables = [
        format!("gitVersion={version}"),
        format!("gitMajor={major}"),
        format!("gitMinor={minor}"),
        "gitTreeState=clean".into(),
    ];
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .into_iter()
        .flat_map(|package| variables.iter().map(move |variable| format!(" -X {package}.{variable}")))
        .fold(String::from("-s -w"), |flags, variable| flags + &variable)
}

/// Waits for the lock, telling so.
async fn lock(path: &Path, progress: ProgressFn<'_>) -> Result<File, Error> {
    let file = File::create(path).map_err(Error::io(format!("create {}", path.display())))?;
    let begin = Instant::now();
    let mut told = None;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { doing: format!("lock {}", path.display()), source });
            }
        }
        let elapsed = begin.elapsed();
        if elapsed >= BUILD_LIMIT {
            return Err(Error::BuildTimeout {
                what: "waiting for another process's build".into(),
                after: BUILD_LIMIT,
            });
        }
        if told != Some(elapsed.as_secs()) {
            told = Some(elapsed.as_secs());
            progress(Progress::Waiting { elapsed: Duration::from_secs(elapsed.as_secs()) });
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn versions_are_those_of_the_module() {
        for recipe in &RECIPES {
            assert!(two_numbers(&version(recipe.module)[1..]).is_some(), "{}", recipe.name);
            assert!(GO_MOD.contains(&format!("\t{}\n", recipe.package)), "{} is no tool", recipe.package);
        }
        assert_eq!(version("no/such/module"), "(unknown)");
        assert!(needed_go() >= (1, 26));
        let flags = linker_flags();
        assert!(
            flags.contains(&format!(" -X k8s.io/component-base/version.gitVersion={}", version(KUBERNETES)))
        );
    }

    #[test]
    fn reads_the_versions_of_go() {
        assert_eq!(two_numbers("1.26.8"), Some((1, 26)));
        assert_eq!(two_numbers("1.27rc1"), Some((1, 27)));
        assert_eq!(two_numbers("tip"), None);
    }

    #[test]
    fn keeps_the_cache_where_the_user_wants_it() {
        let (cache, home) = (Some(PathBuf::from("/c")), Some(PathBuf::from("/h")));
        assert_eq!(cache_folder(cache, home.clone()), Some("/c".into()));
        assert_eq!(cache_folder(None, home), Some("/h/.cache".into()));
        assert_eq!(cache_folder(None, None), None);
    }

    #[test]
    fn assets_have_to_be_complete_but_for_the_optional_ones() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("etcd"), "").unwrap();
        let error = Tools::in_assets(folder.path()).unwrap_err().to_string();
        assert!(error.contains("which lacks kube-apiserver:"), "{error}");
        fs::write(folder.path().join("kube-apiserver"), "").unwrap();
        let tools = Tools::in_assets(folder.path()).unwrap();
        assert_eq!((tools.controller_manager, tools.kubectl), (None, None));
    }

    #[tokio::test]
    async fn one_waits_for_the_other_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let told = Mutex::new(Vec::new());
        let tell = |progress| told.lock().unwrap().push(progress);
        let first = lock(&path, &tell).await.unwrap();
        assert!(told.lock().unwrap().is_empty());
        let (second, ()) = tokio::join!(lock(&path, &tell), async {
            tokio::time::sleep(LOCK_POLL * 2).await;
            drop(first);
        });
        drop(second.unwrap());
        assert_eq!(*told.lock().unwrap(), [Progress::Waiting { elapsed: Duration::ZERO }]);
    }
}
