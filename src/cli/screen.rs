//! What a person who waits is told, on standard error: one line that is redrawn on a terminal, a line per step
//! elsewhere. Standard output is left to results.

use std::{
    fmt::Display,
    io::{IsTerminal, Stderr, Write},
    pin::pin,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, interval};

use crate::control_plane::Progress;

/// Takes the cursor back and clears the line.
const CLEAR: &str = "\r\x1b[2K";

/// Whether what is written there may be coloured: by a terminal, unless `NO_COLOR` is set to something.
pub(super) fn may_colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes to standard error. Who closed it doesn't want to hear it, and that is no reason to panic, as the macros do.
pub(super) fn write(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Says a line on standard error, whether somebody hears it or not.
pub(super) fn tell(line: impl Display) {
    write(format_args!("{line}\n"));
}

/// Standard error for one person.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: bool,
    colours: bool,
    /// Whether the cursor stands behind a line that may be redrawn.
    open: Mutex<bool>,
}

impl Screen {
    pub(super) fn new() -> Self {
        let stderr = std::io::stderr();
        Self { terminal: stderr.is_terminal(), colours: may_colour(&stderr), open: Mutex::new(false) }
    }

    /// Says what is under way. The next line takes its place; elsewhere than on a terminal nothing is said.
    pub(super) fn draw(&self, line: impl Display) {
        if self.terminal {
            let mut open = self.open.lock();
            write(format_args!("{CLEAR}{line}"));
            *open = true;
        }
    }

    /// Says what stays.
    pub(super) fn say(&self, line: impl Display) {
        let mut open = self.open.lock();
        let clear = if std::mem::take(&mut *open) { CLEAR } else { "" };
        tell(format_args!("{clear}{line}"));
    }

    /// Says that a step is done.
    pub(super) fn done(&self, line: impl Display) {
        let mark = if self.colours { "\x1b[32m✓\x1b[0m" } else { "✓" };
        self.say(format_args!("{mark} {line}"));
    }

    /// Tells of the control plane's start.
    pub(super) fn tell(&self, progress: &Progress) {
        match progress {
            Progress::Building { .. } | Progress::Waiting { .. } | Progress::Starting if self.terminal => {
                self.draw(progress);
            }
            _ if progress.is_repetition() => {}
            _ => self.say(progress),
        }
    }

    /// Leaves the line that may be redrawn.
    pub(super) fn end_line(&self) {
        if std::mem::take(&mut *self.open.lock()) {
            tell("");
        }
    }

    /// Waits for what may take long. On a terminal a line counts the seconds; elsewhere it is said once, if it takes
    /// longer than a moment.
    pub(super) async fn wait<T>(&self, line: impl Display, future: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let mut seconds = interval(Duration::from_secs(1));
        let mut said = self.terminal;
        let mut future = pin!(future);
        loop {
            tokio::select! {
                outcome = &mut future => {
                    self.clear();
                    return outcome;
                }
                _ = seconds.tick() => {
                    let elapsed = began.elapsed().as_secs();
                    self.draw(format_args!("{line} … {elapsed} s"));
                    if !said && elapsed > 1 {
                        self.say(format_args!("{line} …"));
                        said = true;
                    }
                }
            }
        }
    }

    /// Clears the line that may be redrawn, for somebody else who writes to standard error.
    pub(super) fn stderr(&self) -> Stderr {
        self.clear();
        std::io::stderr()
    }

    /// Takes the line that may be redrawn away.
    pub(super) fn clear(&self) {
        if std::mem::take(&mut *self.open.lock()) {
            write(CLEAR);
        }
    }
}
