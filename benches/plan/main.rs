//! What `plan` and `apply` cost: the built program over manifests in a folder, against a stand-in in a process of its own.
//!
//! `cargo bench --bench plan -- --triples 1000,10000`: N triples (a database, a user with a password and a permission each).
//! A line for each measure, and all figures as JSON. What is asked is counted by the stand-in.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use arango_operator::stand_in::{Config, Options, StandIn};
use clap::Parser;
use serde_json::{Value, json};

/// root's password.
const PASSWORD: &str = "the-bench's";
/// The set that applies.
const SET: &str = "bench";

/// Measures `plan` and `apply` from outside.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many triples there are: three objects each. Several: one after the other
    #[arg(long, value_delimiter = ',', default_value = "1000")]
    triples: Vec<usize>,
    /// Write the figures here, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How long the server takes for each request, in milliseconds
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one run of the program took.
struct Ran {
    seconds: f64,
    cpu: f64,
    mebibytes: u64,
    requests: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut figures = Vec::new();
    for triples in &arguments.triples {
        figures.extend(runtime.block_on(measure(*triples, Duration::from_millis(arguments.delay)))?);
    }
    let text = serde_json::to_string_pretty(&json!({"bench": "plan", "runs": figures}))?;
    println!("{text}");
    if let Some(path) = &arguments.json {
        fs::write(path, text + "\n")?;
    }
    Ok(())
}

async fn measure(triples: usize, delay: Duration) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir()?;
    write(folder.path(), triples)?;
    let mut options = Options::new(Config::single(1));
    PASSWORD.clone_into(&mut options.config.root_password);
    options.delay = delay;
    let stand_in = StandIn::start(options).await?;
    let mut figures = Vec::new();
    for (what, command, code) in [
        ("plan of nothing that is there", &["plan"][..], 2),
        ("apply", &["apply", "--yes"], 0),
        ("plan of all that is there", &["plan"], 0),
        ("apply of all that is there, kept from now on", &["apply", "--yes", "--set", SET], 0),
        ("plan of all that is there and kept", &["plan", "--set", SET], 0),
    ] {
        let ran = run(&stand_in, folder.path(), command, code).await?;
        println!(
            "{triples} triples, {what}: {:.2} s, {:.2} s of CPU, {} MiB, {} requests",
            ran.seconds, ran.cpu, ran.mebibytes, ran.requests
        );
        figures.push(json!({
            "triples": triples, "what": what, "seconds": ran.seconds, "cpuSeconds": ran.cpu, "mebibytes": ran.mebibytes,
            "requests": ran.requests, "delayMs": delay.as_millis(),
        }));
    }
    Ok(figures)
}

/// Runs the program once, and counts what it asked.
async fn run(stand_in: &StandIn, folder: &Path, command: &[&str], code: i32) -> Result<Ran> {
    stand_in.clear_requests();
    let mut program = Command::new(env!("CARGO_BIN_EXE_arango-operator"));
    program.args(command).arg("-f").arg(folder);
    program.env("ARANGO_ENDPOINT", stand_in.endpoints().join(",")).env("ARANGO_PASSWORD", PASSWORD);
    program.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null());
    let began = Instant::now();
    let mut child = program.spawn().context("can't start the program")?;
    let watched = tokio::task::spawn_blocking({
        let process = child.id();
        move || watch(process)
    });
    let output = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        if let Some(stderr) = &mut child.stderr {
            std::io::Read::read_to_string(stderr, &mut said)?;
        }
        std::io::Result::Ok((child.wait()?, said))
    });
    let (status, said) = output.await??;
    let seconds = began.elapsed().as_secs_f64();
    let (cpu, mebibytes) = watched.await?;
    if status.code() != Some(code) {
        bail!("{command:?} ended with {status}: {}", &said[..said.len().min(2000)]);
    }
    Ok(Ran { seconds, cpu, mebibytes, requests: stand_in.requests() })
}

/// CPU and the most memory of a process, as the kernel tells them while it lives.
fn watch(process: u32) -> (f64, u64) {
    let (mut cpu, mut most) = (0.0_f64, 0);
    while let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) {
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(peak) = peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok()) else {
            break;
        };
        most = most.max(peak / 1024);
        if let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) {
            let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks =
                |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
            cpu = (ticks(11) + ticks(12)) / 100.0;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (cpu, most)
}

/// Writes the manifests, a hundred triples to a file.
fn write(folder: &Path, triples: usize) -> Result<()> {
    for (index, some) in (0..triples).collect::<Vec<_>>().chunks(100).enumerate() {
        let mut text = String::new();
        for n in some {
            write!(
                text,
                "apiVersion: arango-operator.dev/v1alpha1\nkind: ArangoDatabase\nmetadata: {{name: db-{n}, namespace: \
                 shop}}\nspec: {{clusterRef: {{name: prod}}}}\n---\napiVersion: arango-operator.dev/v1alpha1\nkind: \
                 ArangoUser\nmetadata: {{name: user-{n}, namespace: shop}}\nspec:\n  clusterRef: {{name: prod}}\n  \
                 password: {{secretRef: {{name: user-{n}}}}}\n---\napiVersion: arango-operator.dev/v1alpha1\nkind: \
                 ArangoPermission\nmetadata: {{name: user-{n}, namespace: shop}}\nspec:\n  clusterRef: {{name: prod}}\n  \
                 userRef: {{name: user-{n}}}\n  databaseRef: {{name: db-{n}}}\n  access: rw\n---\napiVersion: v1\nkind: \
                 Secret\nmetadata: {{name: user-{n}, namespace: shop}}\nstringData: {{password: p-{n}}}\n---\n"
            )?;
        }
        fs::write(folder.join(format!("{index:04}.yaml")), text)?;
    }
    Ok(())
}
