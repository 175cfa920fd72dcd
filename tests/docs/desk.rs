//! What a page's commands find: a folder that looks like a clone of the repository, programs, ports, and a Kubernetes
//! control plane with the resources of `examples/quickstart` if the page says so.

use std::{
    collections::BTreeMap,
    env, fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use arango_operator::control_plane::{ControlPlane, Options, Progress, Tools};
use tempfile::TempDir;

use crate::{
    page::root,
    shell::{Ran, Shell},
};

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_arango-operator");

/// What there is of the repository: the files that commands read. `cargo` is not the real one, and needs no sources.
const COPIED: [&str; 5] = ["examples", "deploy", "crds", ".ci", "tests/operator/bad_inputs.yaml"];

/// Stands for cargo: `cargo run` is the program that was built, and of what would take minutes it is only looked whether it
/// is there.
const CARGO: &str = r#"#!/usr/bin/env bash
set -eu
[[ -z ${CARGO_FOR_REAL:-} ]] || exec "$CARGO_FOR_REAL" "$@"
unknown() { echo "the tests of the documentation know no \`cargo $*\`" >&2; exit 90; }
checked() { echo "cargo $*" >> "$DESK/only-checked"; }
all=("$@")
command=${1:-}; shift || true
case "$command" in
  run)
    while [[ ${1:-} == -* ]]; do
      case "$1" in
        --) shift; exec arango-operator "$@" ;;
        --release | --locked | --quiet) shift ;;
        --features) grep -q "^$2 = \[" "$REPOSITORY/Cargo.toml" || unknown "${all[@]}"; shift 2 ;;
        *) unknown "${all[@]}" ;;
      esac
    done
    unknown "${all[@]}" ;;
  test | bench | clippy | build | check | fmt)
    while (($#)); do
      case "$1" in
        --) break ;;
        --test) [[ -e $REPOSITORY/tests/$2.rs || -e $REPOSITORY/tests/$2/main.rs ]] || unknown "${all[@]}"; shift ;;
        --bench) [[ -e $REPOSITORY/benches/$2.rs || -e $REPOSITORY/benches/$2/main.rs ]] || unknown "${all[@]}"; shift ;;
        --features) grep -q "^$2 = \[" "$REPOSITORY/Cargo.toml" || unknown "${all[@]}"; shift ;;
        --lib | --bins | --release | --locked | --all-targets | --all | --all-features | --check) ;;
        -*) unknown "${all[@]}" ;;
        *) grep -rqF -- "$1" "$REPOSITORY/tests" "$REPOSITORY/src" || unknown "${all[@]}" ;;
      esac
      shift
    done
    checked "${all[@]}" ;;
  *) unknown "${all[@]}" ;;
esac
"#;

/// How long commands may take that end by themselves.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same where a build of the crate is among them.
const BUILD: Duration = Duration::from_secs(1200);

/// A page's environment.
pub(crate) struct Desk {
    folder: TempDir,
    ports: BTreeMap<u16, u16>,
    plane: Option<ControlPlane>,
    pub(crate) shell: Shell,
}

impl Desk {
    /// Makes one for a page with these words, that says so itself: `<!-- test: with … -->`.
    pub(crate) async fn make(text: &str, with: Option<&str>) -> Self {
        let tell = |progress: Progress| {
            if !progress.is_repetition() {
                eprintln!("{progress}");
            }
        };
        let tools = Tools::find(&tell).await.unwrap();
        let kubectl = tools.kubectl.clone().expect("the tools of the control plane include kubectl");
        let plane = if with.is_some() {
            Some(ControlPlane::start_with(tools, Options::default(), &tell).await.unwrap())
        } else {
            None
        };
        let folder = tempfile::tempdir().unwrap();
        let [own, work, bin, home] =
            ["own", "work", "own/bin", "own/home"].map(|name| folder.path().join(name));
        for made in [&own, &work, &bin, &home] {
            fs::create_dir_all(made).unwrap();
        }
        let ports = ports(text);
        for name in COPIED {
            copy(&root().join(name), &work.join(name), &ports);
        }
        let first = ports[&8529];
        program(&bin.join("cargo"), CARGO);
        program(
            &bin.join("arango-operator"),
            &format!(
                "#!/usr/bin/env bash\ncase \" $* \" in\n  *' --listen '* | *' --help '*) ;;\n  \
                 ' stand-in '* | ' demo '*) exec '{PROGRAM}' \"$1\" --listen 127.0.0.1:{first} \"${{@:2}}\" ;;\nesac\n\
                 exec '{PROGRAM}' \"$@\"\n"
            ),
        );
        symlink(kubectl, bin.join("kubectl")).unwrap();
        fs::write(home.join(".curlrc"), "silent\nshow-error\n").unwrap();
        let cache = env::var("XDG_CACHE_HOME")
            .unwrap_or_else(|_| format!("{}/.cache", env::var("HOME").unwrap_or_default()));
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap());
        let mut environment = vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), home.display().to_string()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            // Where the programs of the control plane are.
            ("XDG_CACHE_HOME".to_owned(), cache),
            ("DESK".to_owned(), own.display().to_string()),
            ("REPOSITORY".to_owned(), root().display().to_string()),
            ("ARANGO_OPERATOR_HEALTH_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
            ("ARANGO_OPERATOR_METRICS_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
        ];
        if let Ok(assets) = env::var("KUBEBUILDER_ASSETS") {
            environment.push(("KUBEBUILDER_ASSETS".to_owned(), assets));
        }
        if let Some(plane) = &plane {
            environment.push(("KUBECONFIG".to_owned(), plane.kubeconfig_path().display().to_string()));
        }
        let sources = with == Some("the sources");
        if sources {
            environment.extend(copy_sources(&work));
        }
        let shell = Shell::new(&work, &own, environment, if sources { BUILD } else { PATIENCE });
        let mut desk = Self { folder, ports, plane, shell };
        match with {
            None | Some("a control plane" | "the sources") => {}
            Some("quickstart") => desk.quickstart().await,
            Some(other) => panic!("nobody knows how to make `with {other}`"),
        }
        desk
    }

    /// Three coordinators, the operator, and everything in `examples/quickstart` Ready.
    async fn quickstart(&mut self) {
        self.set_up("kubectl apply --server-side -k crds").await;
        let stand_in = "ARANGO_ROOT_PASSWORD=quickstart-root exec arango-operator stand-in";
        let started = self.shell.start_until(stand_in, |printed| printed.contains("coordinator 3")).await;
        assert_eq!(started.code, Some(0), "{started:?}");
        let started =
            self.shell.start_until("exec arango-operator run", |printed| printed.contains("metrics")).await;
        assert_eq!(started.code, Some(0), "{started:?}");
        self.set_up(
            "kubectl apply -k examples/quickstart\n\
             kubectl -n shop wait arangodata --all --for=condition=Ready --timeout=60s",
        )
        .await;
    }

    async fn set_up(&mut self, commands: &str) {
        let Ran { code, printed } = self.shell.run(commands).await;
        assert_eq!(code, Some(0), "{commands}\n{printed}");
    }

    /// A page's text with the ports that are used in place of those it names, so that pages can be tested at once.
    pub(crate) fn here(&self, text: &str) -> String {
        mapped(text, &self.ports)
    }

    /// What was only looked for, and not run.
    pub(crate) fn only_checked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("own/only-checked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Ends everything.
    pub(crate) async fn end(mut self) {
        self.shell.end().await;
        if let Some(plane) = self.plane.take() {
            plane.stop().await.unwrap();
        }
    }
}

/// Makes a folder one in which the crate can be changed and built. Returns the variables that its cargo needs, which is the
/// real one: it finds everything compiled but the crate itself, which has another name so that nothing is overwritten.
fn copy_sources(work: &Path) -> Vec<(String, String)> {
    let none = BTreeMap::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name();
        let [from, to] = [root().join(&name), work.join(&name)];
        if name == "src" {
            copy(&from, &to, &none);
        } else if name == "Cargo.toml" {
            let renamed = fs::read_to_string(from).unwrap();
            fs::write(to, renamed.replace("\"arango-operator\"", "\"arango-operator-with-more\"")).unwrap();
        } else if name == "Cargo.lock" {
            fs::copy(from, to).unwrap();
        } else if name != "target" && name != ".git" && !to.exists() {
            symlink(from, to).unwrap();
        }
    }
    let target = Path::new(PROGRAM).ancestors().nth(2).unwrap().display().to_string();
    let home = env::var("HOME").unwrap_or_default();
    let kept = |name: &str, folder: &str| {
        (name.to_owned(), env::var(name).unwrap_or_else(|_| format!("{home}/{folder}")))
    };
    // The toolchain that rustup has chosen for this test.
    let toolchain = env::var("RUSTUP_TOOLCHAIN").map(|chosen| ("RUSTUP_TOOLCHAIN".to_owned(), chosen));
    let mut variables = vec![
        kept("CARGO_HOME", ".cargo"),
        kept("RUSTUP_HOME", ".rustup"),
        ("CARGO_TARGET_DIR".to_owned(), target),
        ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
        ("CARGO_NET_OFFLINE".to_owned(), "true".to_owned()),
        ("CARGO_FOR_REAL".to_owned(), env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())),
    ];
    variables.extend(toolchain);
    variables
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn copy(from: &Path, to: &Path, ports: &BTreeMap<u16, u16>) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name), ports);
        }
    } else if let Ok(text) = fs::read_to_string(from) {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, mapped(&text, ports)).unwrap();
        fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    }
}

const LOCAL: &str = "127.0.0.1:";

/// A free port for each that a text names, and for the coordinators', which follow each other.
fn ports(text: &str) -> BTreeMap<u16, u16> {
    let named = text.split(LOCAL).skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|port| *port != 0)
    });
    let mut ports: BTreeMap<u16, u16> = named.map(|port| (port, 0)).collect();
    ports.extend((8529..8532).map(|port| (port, 0)));
    loop {
        // Below those that systems give to outgoing connections.
        let mut next = 16_384 + rand::random::<u16>() % 16_000;
        let mut held = Vec::new();
        for free in ports.values_mut() {
            next += 1;
            *free = next;
            held.extend(TcpListener::bind(("127.0.0.1", next)).ok());
        }
        if held.len() == ports.len() {
            return ports;
        }
    }
}

fn mapped(text: &str, ports: &BTreeMap<u16, u16>) -> String {
    let mut pieces = text.split(LOCAL);
    let mut mapped = pieces.next().unwrap_or_default().to_owned();
    for rest in pieces {
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let port = rest[..digits].parse().ok().and_then(|port: u16| ports.get(&port));
        mapped.push_str(LOCAL);
        match port {
            Some(port) => mapped.push_str(&port.to_string()),
            None => mapped.push_str(&rest[..digits]),
        }
        mapped.push_str(&rest[digits..]);
    }
    mapped
}
