//! The contract: what a server promises on the surface that the operator uses, as data, held against the stand-in
//! and against a real server. `docs/contract.md` says how to run it and how to add a case.

mod case; // what a file of cases says
mod expect; // what an answer must be
mod pattern; // patterns of JSON
mod run; // one case on one server
mod server; // the deployment under test
mod suite; // the suite's own promises

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Runtime;

use case::{Case, Need, Shape, Topic};
use run::{Finding, Run};
use server::{Clients, Server};

/// Where the files of cases are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/contract");

/// What all cases share.
struct Bench {
    runtime: Runtime,
    clients: Clients,
    /// The server that the environment names.
    real: Option<Server>,
    /// Held alone by a disruptive case on the real server, and together by the others.
    alone: RwLock<()>,
    /// What is answered where no source is sure, by the kind of deployment.
    findings: Mutex<BTreeMap<&'static str, Vec<Finding>>>,
}

impl Bench {
    fn on_stand_in(&self, shape: Shape, case: &Case) -> Result<()> {
        let server = self.runtime.block_on(Server::stand_in(shape, self.clients.clone()))?;
        let findings = self.run_and_stop(server, case)?;
        self.findings.lock().entry(kind(shape)).or_default().extend(findings);
        Ok(())
    }

    fn on_late_stand_in(&self, case: &Case) -> Result<()> {
        let server = self.runtime.block_on(Server::late_stand_in(self.clients.clone()))?;
        self.run_and_stop(server, case).map(drop)
    }

    fn run_and_stop(&self, server: Server, case: &Case) -> Result<Vec<Finding>> {
        self.runtime.block_on(async {
            let findings = Run::run(&server, case).await?;
            match server.stand_in {
                Some(stand_in) => stand_in.stop().await.map(|()| findings),
                None => Ok(findings),
            }
        })
    }

    fn on_real(&self, case: &Case) -> Result<()> {
        let server = self.real.as_ref().context("no server is named")?;
        let alone = case.disruptive.then(|| self.alone.write());
        let together = alone.is_none().then(|| self.alone.read());
        let findings = self.runtime.block_on(Run::run(server, case))?;
        self.findings.lock().entry("real").or_default().extend(findings);
        drop((alone, together));
        Ok(())
    }

    /// Says what the real server answered where no source is sure, and what the stand-in does.
    fn report(&self) {
        let findings = self.findings.lock();
        let Some(real) = &self.real else { return };
        println!("\nwhat no source is sure of, as {} answers it:", real.version);
        let mut told = BTreeSet::new();
        for (case, step, question, answer) in findings.get("real").into_iter().flatten() {
            let mut stand_in = findings.get(kind(real.shape)).into_iter().flatten();
            let stand_in = stand_in.find(|finding| (&finding.0, &finding.1) == (case, step));
            let stand_in = stand_in.map_or("didn't come so far", |finding| &finding.3);
            if told.insert((question, answer, stand_in)) {
                println!(
                    "- {question}\n  ({case}, step {step})\n  real:     {answer}\n  stand-in: {stand_in}"
                );
            }
        }
    }
}

fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Single => "single",
        Shape::Cluster => "cluster",
    }
}

/// The files of cases by their names, in order.
fn topics() -> Result<BTreeMap<String, Topic>> {
    let mut topics = BTreeMap::new();
    for file in fs::read_dir(FOLDER)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().and_then(|stem| stem.to_str()).context("a file's name")?.to_owned();
            let read = || -> Result<Topic> { Ok(serde_saphyr::from_str(&fs::read_to_string(&path)?)?) };
            let topic = read().with_context(|| format!("can't read {}", path.display()))?;
            topics.insert(name, topic);
        }
    }
    ensure!(!topics.is_empty(), "no cases in {FOLDER}");
    Ok(topics)
}

/// One test for each case on each deployment on which it applies.
fn trials(bench: &Arc<Bench>, topics: BTreeMap<String, Topic>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (file, topic) in topics {
        for case in topic.cases {
            let case = Arc::new(case);
            let mut add = |on: &str, ignored: bool, run: fn(&Bench, &Case) -> Result<()>| {
                let (bench, case, file) = (Arc::clone(bench), Arc::clone(&case), file.clone());
                let name = format!("{file}: {}", case.title);
                let test = move || {
                    let place = || format!("tests/contract/{file}.yaml: {:?}", case.title);
                    run(&bench, &case).with_context(place).map_err(|error| format!("{error:#}").into())
                };
                trials.push(Trial::test(name, test).with_kind(on).with_ignored_flag(ignored));
            };
            let stand_in = arango_operator::stand_in::Config::single(1).version;
            if case.applies(Shape::Single, &stand_in) && !case.needs.contains(&Need::Coordinators) {
                add("single", false, |bench, case| bench.on_stand_in(Shape::Single, case));
            }
            if case.applies(Shape::Cluster, &stand_in) {
                add("cluster", false, |bench, case| bench.on_stand_in(Shape::Cluster, case));
            }
            if case.needs.contains(&Need::Coordinators) {
                add("late", false, Bench::on_late_stand_in);
            }
            let applies = |real: &&Server| {
                case.applies(real.shape, &real.version) && case.needs.iter().all(|need| real.has(*need))
            };
            if bench.real.as_ref().is_some_and(|real| applies(&real)) {
                let allowed = env::var("ARANGO_CONTRACT_DISRUPTIVE").is_ok_and(|value| value == "1");
                add("real", case.disruptive && !allowed, Bench::on_real);
            }
        }
    }
    trials
}

fn run() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let (runtime, clients) = (Runtime::new()?, Clients::new()?);
    let real = runtime.block_on(Server::real(clients.clone())).context("the server of ARANGO_ENDPOINT")?;
    let bench = Bench { runtime, clients, real, alone: RwLock::default(), findings: Mutex::default() };
    let bench = Arc::new(bench);
    let topics = topics()?;
    let mut trials = suite::trials(&bench, &topics);
    trials.extend(self::trials(&bench, topics));
    let conclusion = libtest_mimic::run(&arguments, trials);
    bench.report();
    Ok(conclusion.exit_code())
}

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
