//! The matrix's page in a real browser.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

use super::matrix::company;
use crate::installed::{answer, installed, missing, run, step};

/// How long the browser may take for all of it.
const LIMIT: Duration = Duration::from_secs(60);

/// The browser, and the folder where Node finds what drives it.
async fn browser() -> Option<(&'static str, PathBuf)> {
    let mut found = None;
    for name in ["chromium", "chromium-headless-shell", "google-chrome"] {
        if found.is_none() && answer(name, &["--version"]).await.is_some() {
            found = Some(name);
        }
    }
    let (Some(browser), Some(node)) = (found, answer("node", &["--version"]).await) else {
        return missing("a browser and node (Debian: apt-get install chromium nodejs npm)");
    };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli_look/browser");
    let pinned = ["package.json", "package-lock.json"].map(|name| source.join(name));
    let made = installed("browser-driver", &node, &pinned, async |made: &Path| {
        for file in &pinned {
            std::fs::copy(file, made.join(file.file_name().unwrap())).unwrap();
        }
        let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
        step(Command::new("npm").args(arguments).current_dir(made)).await;
    });
    Some((browser, made.await.join("node_modules")))
}

/// Where a program is.
fn path_of(program: &str) -> PathBuf {
    let paths = env::var_os("PATH").unwrap();
    env::split_paths(&paths).map(|path| path.join(program)).find(|path| path.exists()).unwrap()
}

#[tokio::test]
async fn the_page_shows_and_filters_on_a_phone_and_a_desk_by_day_and_by_night() {
    let Some((browser, modules)) = browser().await else { return };
    let deployment = company().await;
    let page = deployment.file("matrix.html", &deployment.run(&["matrix", "-o", "html"]).await.ok());
    let folder = Path::new(&page).parent().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli_look/browser/page.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(path_of(browser)).arg(&page).arg(folder).env("NODE_PATH", modules);
    run("the page in a browser", &mut node, LIMIT).await;
    for picture in ["phone", "desktop", "light", "dark"] {
        assert!(folder.join(picture).with_extension("png").exists(), "{picture}");
    }
}
