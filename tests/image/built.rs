//! The image, built once for all tests: the Dockerfile's last stage, with the tests' own program, on a base of Debian's
//! packages, since what the Dockerfile names is in registries of images, which can't be had everywhere.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

use crate::installed::{answer, installed, missing, run, step};

/// What the base of the Dockerfile is made of, as far as the program needs it.
const PACKAGES: [&str; 3] = ["libc6", "libgcc-s1", "ca-certificates"];
/// Where Debian's certificates lie as files of their own; the bundle of them is made at installation.
const CERTIFICATES: &str = "usr/share/ca-certificates/mozilla";
/// Where programs look for that bundle.
pub(crate) const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";
/// Folders that are mounted upon; what starts containers makes them.
const MOUNTED: [&str; 5] =
    ["proc", "dev", "etc/ssl/certs", "mnt", "var/run/secrets/kubernetes.io/serviceaccount"];
/// How long one command of the build may take.
const LIMIT: Duration = Duration::from_secs(300);

/// What the tests tell the Dockerfile.
pub(crate) const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) struct Image {
    /// The image's configuration, as its registry would have it.
    pub(crate) config: Value,
    /// What its layers make together: the file system of its containers.
    pub(crate) root: PathBuf,
    /// What its layers add to the base: paths and file modes, folders not counted.
    pub(crate) added: BTreeMap<PathBuf, u32>,
    /// Keeps the folder as long as this process is there.
    _folder: TempDir,
    _sweeper: Child,
}

/// The image; `None` where it can't be built or its programs not be run.
pub(crate) async fn image() -> Option<&'static Image> {
    static IMAGE: OnceCell<Option<Image>> = OnceCell::const_new();
    IMAGE.get_or_init(built).await.as_ref()
}

async fn built() -> Option<Image> {
    if answer("buildah", &["--version"]).await.is_none() {
        return missing("buildah (Debian: apt-get install buildah)");
    }
    if answer("bwrap", &["--version"]).await.is_none() {
        return missing("bwrap (Debian: apt-get install bubblewrap)");
    }
    if answer("dpkg-deb", &["--version"]).await.is_none() {
        return missing("a Debian, or a descendant of it: the base is made of its packages");
    }
    let folder = crate::folder();
    let base = base().await;

    let out = folder.path().join("build/out");
    fs::create_dir_all(&out).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_arango-operator"), out.join("arango-operator")).unwrap();
    fs::copy(repository("LICENSE"), out.join("LICENSE")).unwrap();
    fs::write(out.join("THIRD-PARTY"), "The licences of what is linked; collected for releases only.\n")
        .unwrap();

    let buildah = Buildah(folder.path());
    let container = buildah.run(&["from", "scratch"]).await;
    let container = container.lines().last().unwrap();
    buildah.run(&["copy", "--quiet", container, base.join("root").to_str().unwrap(), "/"]).await;
    buildah.run(&["commit", "--quiet", "--rm", container, "localhost/base"]).await;
    let stage = format!("build={}", folder.path().join("build").display());
    let version = format!("VERSION={}", env!("CARGO_PKG_VERSION"));
    let revision = format!("REVISION={REVISION}");
    let mut build = vec!["build", "--isolation", "chroot", "--pull-never", "--target", "final"];
    build.extend(["--build-context", &stage, "--build-arg", "BASE=localhost/base"]);
    build.extend(["--build-arg", &version, "--build-arg", &revision, "--tag", "localhost/image"]);
    build.push(env!("CARGO_MANIFEST_DIR"));
    buildah.run(&build).await;
    let layout = folder.path().join("layout");
    let target = format!("oci:{}:image", layout.display());
    buildah.run(&["push", "--disable-compression", "localhost/image", &target]).await;
    Some(unpacked(layout, folder).await)
}

/// Reads the image as it would be taken from a registry, and puts its layers upon each other.
async fn unpacked(layout: PathBuf, folder: TempDir) -> Image {
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let blob = |what: &Value| {
        let (algorithm, hash) = what["digest"].as_str().unwrap().split_once(':').unwrap();
        layout.join("blobs").join(algorithm).join(hash)
    };
    let index = read(layout.join("index.json"));
    let manifest = read(blob(&index["manifests"][0]));
    let config = read(blob(&manifest["config"]));
    let layers = manifest["layers"].as_array().unwrap();
    assert!(layers.len() > 1, "{manifest}");
    let (root, ours) = (folder.path().join("root"), folder.path().join("ours"));
    for (place, layer) in layers.iter().enumerate() {
        for to in [Some(&root), (place > 0).then_some(&ours)].into_iter().flatten() {
            fs::create_dir_all(to).unwrap();
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--same-permissions", "--file"])
                .arg(blob(layer))
                .arg("--directory")
                .arg(to);
            run("taking a layer out", &mut tar, LIMIT).await;
        }
    }
    let mut added = BTreeMap::new();
    files(&ours, &ours, &mut added);
    for mounted in MOUNTED {
        fs::create_dir_all(root.join(mounted)).unwrap();
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    Image { config, root, added, _sweeper: sweeper(folder.path()), _folder: folder }
}

/// Removes the folder when this process has ended: what is shared by all tests is dropped by nobody.
fn sweeper(folder: &Path) -> Child {
    let mut sweeper = std::process::Command::new("sh");
    sweeper.args(["-c", "trap '' INT; read -r _; rm -rf \"$0\""]).arg(folder);
    sweeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The files under a folder and their modes.
fn files(top: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, u32>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let about = fs::symlink_metadata(&path).unwrap();
        if about.is_dir() {
            files(top, &path, found);
        } else {
            found.insert(path.strip_prefix(top).unwrap().to_owned(), about.permissions().mode() & 0o7777);
        }
    }
}

/// A base for the image, of the packages of this machine's release: its C library is the one that the program was
/// built with.
async fn base() -> PathBuf {
    let mut query = vec!["-W", "-f", "${Package} ${Version} "];
    query.extend(["libc6", "libgcc-s1"]);
    let versions = answer("dpkg-query", &query).await.expect("a C library of Debian's");
    installed("image-base", &versions, &[], async |made: &Path| {
        let root = made.join("root");
        fs::create_dir(&root).unwrap();
        step(Command::new("apt-get").args(["download", "--quiet"]).args(PACKAGES).current_dir(made)).await;
        for entry in fs::read_dir(made).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                step(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(&root)).await;
                fs::remove_file(path).unwrap();
            }
        }
        // Younger releases have everything under /usr, and links to it from a package that isn't wanted here.
        for name in ["lib", "lib64"] {
            if !root.join(name).exists() {
                symlink(Path::new("usr").join(name), root.join(name)).unwrap();
            }
        }
        let mut certificates: Vec<_> =
            fs::read_dir(root.join(CERTIFICATES)).unwrap().map(|entry| entry.unwrap().path()).collect();
        certificates.sort();
        let bundle: String = certificates.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        fs::create_dir_all(root.join(BUNDLE).parent().unwrap()).unwrap();
        fs::write(root.join(BUNDLE), bundle).unwrap();
    })
    .await
}

/// The program that builds images, with everything that it keeps in a folder of its own.
struct Buildah<'a>(&'a Path);

impl Buildah<'_> {
    async fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.0.join("store"));
        command.arg("--runroot").arg(self.0.join("run")).args(arguments);
        run(&format!("buildah {}", arguments[0]), &mut command, LIMIT).await
    }
}

/// A path in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
