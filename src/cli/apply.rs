//! `apply`: a plan, and its carrying out.

use std::{
    io::{BufRead, IsTerminal},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::bail;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{
    output::plain,
    plan::{Format, Stage, StageArgs, diff, print, print_json, rest, summary, table},
    screen::{self, Screen, may_colour},
};
use crate::{
    kinds::Viewpoint,
    offline::{Entry, Report, with_data},
};

/// Make a deployment what manifests say, without Kubernetes.
///
/// It shows the plan and asks before anything is done. Interrupted anywhere, the next apply finds the rest. Without --set it
/// creates and changes and never takes anything away; with --set it keeps a record on the deployment, takes away what is
/// taken out of a manifest, and, with --prune, what has no manifest any more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arango-operator apply -f manifests/
  arango-operator apply -f manifests/ --set shop --prune --yes
  arango-operator apply -f manifests/ -o json --yes > result.json

Exit codes: 0 everything is as declared, 1 not everything is: an error, something that a person has to do something about, or \
stopped; 2 wrong usage")]
pub struct ApplyArgs {
    #[command(flatten)]
    stage: StageArgs,
    /// Don't ask
    #[arg(short, long, env = "ARANGO_YES", value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
    /// A database that may be dropped although there is something in it, with all its data. Repeatable
    #[arg(long, value_name = "NAME")]
    allow_data_loss: Vec<String>,
    /// In which form plan and result are printed: the plan to standard error, the result to standard output
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

/// Shows the plan, asks, and carries it out.
pub async fn run(args: ApplyArgs) -> anyhow::Result<ExitCode> {
    let stage = Stage::enter(&args.stage).await?;
    let rehearsed = stage.rehearse(Viewpoint::CommandLine, args.output == Format::Diff).await?;
    let planned = &rehearsed.report;
    let colours = may_colour(&std::io::stderr());
    let actions = match args.output {
        Format::Diff => diff(planned, colours),
        Format::Table | Format::Json => table(planned, colours),
    };
    screen::write(actions + &rest(planned, colours) + &summary(planned));
    if planned.summary.actions > 0 {
        may_lose(&stage, planned, &args.allow_data_loss).await?;
        if !args.yes && !asked(planned)? {
            screen::tell("nothing was done");
            return Ok(ExitCode::FAILURE);
        }
    } else if !rehearsed.is_to_be_remembered() {
        return finish(&args, planned);
    }
    let (stop, screen, count) = (CancellationToken::new(), Screen::new(), AtomicUsize::new(0));
    let all = planned.summary.changing;
    let stopper = tokio::spawn(stop_by_signal(stop.clone()));
    let progress = |entry: &Entry| {
        let done = count.fetch_add(1, Ordering::Relaxed) + 1;
        tell(&screen, entry);
        screen.draw(format_args!("{done} of {all} objects"));
    };
    let done = stage.carry_out(rehearsed, &stop, &progress).await;
    stopper.abort();
    screen.end_line();
    let done = done?;
    screen::write(rest(&done, colours));
    finish(&args, &done)
}

/// Says what was done to one object: each action on a line.
fn tell(screen: &Screen, entry: &Entry) {
    for action in &entry.actions {
        screen.done(plain(&action.action));
    }
}

/// Prints the result.
fn finish(args: &ApplyArgs, report: &Report) -> anyhow::Result<ExitCode> {
    match args.output {
        Format::Json => print_json(report)?,
        Format::Table | Format::Diff => print(&format!("done: {}", summary(report)))?,
    }
    let complete = report.summary.held == 0 && report.summary.left == 0;
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C and a polite kill: what is under way comes to its end.
async fn stop_by_signal(stop: CancellationToken) {
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    screen::tell(
        "\nstopping: what is under way comes to its end; once more ends it at once. Run it again to go on",
    );
    stop.cancel();
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(1);
    }
}

/// Asks whether the plan is to be carried out. Whoever can't be asked has to say so beforehand.
fn asked(planned: &Report) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!(
            "nobody can be asked whether this is to be done, since standard input is no terminal; say --yes"
        );
    }
    let risky = match planned.summary.risky {
        0 => String::new(),
        count => format!(", {count} of them to be looked at twice"),
    };
    Ok(answer(&format!("Do {} actions{risky}? [y/N] ", planned.summary.actions))?.eq_ignore_ascii_case("y"))
}

/// A line that somebody types.
fn answer(question: &str) -> anyhow::Result<String> {
    screen::write(question);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Refuses to destroy data unless a person has named each database.
async fn may_lose(stage: &Stage, planned: &Report, allowed: &[String]) -> anyhow::Result<()> {
    for (name, collections) in with_data(&stage.client(), planned).await {
        if allowed.contains(&name) {
            continue;
        }
        let what = collections
            .map_or("what is in it can't be seen".to_owned(), |n| format!("it has {n} collections"));
        let shown = plain(&name);
        if !std::io::stdin().is_terminal() {
            bail!(
                "the database {shown} would be dropped with all its data ({what}); say --allow-data-loss {shown}, or \
                 keep its manifest"
            );
        }
        let typed = answer(&format!(
            "The database {shown} is dropped with all its data ({what}). Type its name if that is meant: "
        ))?;
        if typed != name {
            bail!("nothing was done: the database {shown} was not named");
        }
    }
    Ok(())
}
