//! Where manifests are written to. A file that is there is kept, unless it is said that it may go.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::{Context, bail};

use super::{document::comment, manifests::Export};
use crate::cli::screen::tell;

/// What stands in front of everything.
const HEAD: &str = "\
# Written by `arango-operator export`. There is no password in it: users keep theirs. Rights on databases that
# don't exist any more are kept by the server, but shown to nobody.
";

/// What could not be exported, in a folder with one file per object. No manifest, so kubectl passes it over.
const LEFT_OUT: &str = "LEFT-OUT.txt";

/// All in one text.
pub(super) fn text(export: &Export) -> String {
    let mut text = HEAD.to_owned() + &left_out(export);
    for document in &export.documents {
        text.extend(["---\n", &document.text]);
    }
    text
}

fn left_out(export: &Export) -> String {
    let sentences: String = export.left_out.iter().map(|what| comment(&format!("- {what}"))).collect();
    if sentences.is_empty() { sentences } else { format!("#\n# Left out:\n{sentences}") }
}

/// One file.
pub(super) fn one(file: &Path, export: &Export, force: bool) -> anyhow::Result<()> {
    write(&[(file.to_owned(), text(export))], force)?;
    tell(format_args!("{} objects in {}", export.documents.len(), file.display()));
    tell_left_out(export, "its comments");
    Ok(())
}

/// A file for each, in a folder for each kind.
pub(super) fn split(folder: &Path, export: &Export, force: bool) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for document in &export.documents {
        let file = if document.folder.is_empty() { "cluster" } else { &document.name };
        files.push((folder.join(document.folder).join(format!("{file}.yaml")), document.text.clone()));
    }
    if !export.left_out.is_empty() {
        files.push((folder.join(LEFT_OUT), HEAD.to_owned() + &left_out(export)));
    }
    write(&files, force)?;
    tell(format_args!("{} objects below {}", export.documents.len(), folder.display()));
    tell_left_out(export, LEFT_OUT);
    Ok(())
}

fn tell_left_out(export: &Export, place: &str) {
    if !export.left_out.is_empty() {
        tell(format_args!("{} things could not be exported: see {place}", export.left_out.len()));
    }
}

/// Writes all or, if one of them is there and may not go, none.
fn write(files: &[(impl AsRef<Path>, String)], force: bool) -> anyhow::Result<()> {
    if !force && let Some((there, _)) = files.iter().find(|(path, _)| path.as_ref().exists()) {
        bail!(
            "{} is there already; choose another place, or --force to write over it",
            there.as_ref().display()
        );
    }
    for (path, text) in files {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
        }
        let mut open = OpenOptions::new();
        open.write(true);
        // Also if somebody made it meanwhile.
        let file = if force {
            open.create(true).truncate(true).open(path)
        } else {
            open.create_new(true).open(path)
        };
        let mut file = match file {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} is there already", path.display())
            }
            other => other.with_context(|| format!("could not write {}", path.display()))?,
        };
        file.write_all(text.as_bytes()).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}
