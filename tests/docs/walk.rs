//! Goes through a page as a reader does, from top to bottom.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    desk::Desk,
    expected::is_shown,
    page::{Block, Page},
    shell::is_shell,
};

/// How long something may take that comes about by itself.
const EVENTUALLY: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// Why commands of a page are not run here. There are no other reasons.
pub(crate) const REASONS: [&str; 6] = [
    "it needs an ArangoDB",
    "it needs a Kubernetes cluster with nodes",
    "it needs a registry or a git host",
    "it needs Docker",
    "it needs a program that is not installed here",
    "it names what only the reader knows",
];

/// What is read about a page in the end.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) run: usize,
    /// Where, and why.
    pub(crate) not_run: Vec<(String, String)>,
    pub(crate) only_checked: Vec<String>,
}

/// Whether a page has anything to run.
pub(crate) fn has_commands(page: &Page) -> bool {
    page.blocks.iter().any(|block| {
        let is_shell = ["sh", "console", "setup"].contains(&block.language.as_str());
        is_shell && block.note("not run").is_none()
    })
}

/// A block that a page says is not run: it must at least be in the shell's language, and the reason a good one.
pub(crate) fn not_run(page: &Page, block: &Block) -> Result<Option<(String, String)>, String> {
    let Some(reason) = block.note("not run") else { return Ok(None) };
    let place = format!("{}:{}", page.name, block.line);
    let by_others = reason.strip_prefix("tests/").is_some_and(|rest| {
        let test = crate::page::root().join("tests").join(rest);
        test.exists()
    });
    if !by_others && !REASONS.contains(&reason) {
        return Err(format!(
            "{place}: {reason:?} is none of the reasons for not running commands: {REASONS:?}"
        ));
    }
    let commands: String = match block.language.as_str() {
        "console" => console(&block.text).into_iter().map(|(command, _)| command + "\n").collect(),
        _ => block.text.clone(),
    };
    is_shell(&commands).map_err(|error| format!("{place}: {error}"))?;
    Ok(Some((place, reason.to_owned())))
}

/// Runs everything on a page.
pub(crate) async fn walk(page: &Page) -> Result<Walked, String> {
    let mut desk = Desk::make(&page.text, page.with()).await;
    let mut walked = Walked::default();
    let outcome = blocks(page, &mut desk, &mut walked).await;
    walked.only_checked = desk.only_checked();
    desk.end().await;
    outcome.map(|()| walked)
}

async fn blocks(page: &Page, desk: &mut Desk, walked: &mut Walked) -> Result<(), String> {
    // What is printed otherwise than shown keeps nobody from going on.
    let mut differs = Vec::new();
    // The last commands and what they printed.
    let mut last = (String::new(), String::new());
    let mut rest = page.blocks.iter().peekable();
    while let Some(block) = rest.next() {
        let place = format!("{}:{}", page.name, block.line);
        let text = desk.here(&block.text);
        if let Some(not_run) = not_run(page, block)? {
            walked.not_run.push(not_run);
            continue;
        }
        if block.note("fresh").is_some() {
            desk.shell.end().await;
        }
        if let Some(name) = block.note("file ") {
            desk.shell.write(name, &text);
        } else if block.note("patch").is_some() {
            desk.shell.write("change.patch", &text);
            let ran = desk.shell.run("patch --strip 1 < change.patch").await;
            if ran.code != Some(0) {
                return Err(format!("{place} does not fit: {}", ran.printed));
            }
        } else if let Some(how) = block.note("prints") {
            let begin = Instant::now();
            while !is_shown(&text, &last.1) {
                if how != "eventually" || begin.elapsed() > EVENTUALLY {
                    differs.push(format!("{place} shows\n{text}\nbut there is\n{}", last.1));
                    break;
                }
                sleep(POLL).await;
                last.1 = desk.shell.run(&last.0).await.printed;
            }
        } else if block.language == "console" {
            for (command, shown) in console(&text) {
                walked.run += 1;
                let ran = if stays(&command) {
                    let lines = shown.lines().count().max(1);
                    desk.shell.start_until(&command, |printed| printed.lines().count() >= lines).await
                } else {
                    // A command that fails is fine where the page shows what it says.
                    desk.shell.run(&format!("set +e\n{command}")).await
                };
                // Where nothing is shown, it isn't about what is printed.
                if !shown.trim().is_empty() && !is_shown(&shown, &ran.printed) {
                    differs
                        .push(format!("{place}: `{command}` shows\n{shown}\nbut printed\n{}", ran.printed));
                }
            }
        } else if ["sh", "setup"].contains(&block.language.as_str()) {
            walked.run += 1;
            let ran = match block.note("background until") {
                Some(enough) => desk.shell.start_until(&text, |printed| printed.contains(enough)).await,
                None => desk.shell.run(&text).await,
            };
            let expected = block.note("exits").map_or(0, |code| code.parse().expect("an exit code"));
            // What may take a while to be there may fail at first.
            let repeated =
                rest.peek().and_then(|next| next.note("prints")).is_some_and(|how| how == "eventually");
            if ran.code != Some(expected) && !repeated {
                let hint = "(what can't be run here says why: docs/dev/README.md, Pages are tests)";
                differs.push(format!("{place} ended with {:?} {hint}:\n{text}\n{}", ran.code, ran.printed));
                break;
            }
            last = (text, ran.printed);
        }
    }
    if differs.is_empty() { Ok(()) } else { Err(differs.join("\n")) }
}

/// The commands of a block with prompts, each with what is shown below it.
fn console(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else if let Some((_, shown)) = commands.last_mut() {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    commands
}

/// Whether a command of ours goes on until it is told to end.
fn stays(command: &str) -> bool {
    let words: Vec<_> = command.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "arango-operator" || *word == "--");
    let subcommand = at.and_then(|at| words.get(at + 1));
    subcommand.is_some_and(|word| ["stand-in", "run", "demo", "control-plane"].contains(word))
        && !words.contains(&"--help")
        && !words.contains(&"--once")
}
