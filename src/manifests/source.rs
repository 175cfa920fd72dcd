//! Where manifests are from: files, folders, standard input.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::complaint::Complaint;

/// How files of manifests end.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// What belongs to a tool and is no manifest.
const TOOLS: [&str; 5] =
    ["kustomization.yaml", "kustomization.yml", "Chart.yaml", "values.yaml", "values.schema.json"];
/// The largest text that is read, in bytes: thirty times what 30,000 resources take.
const TEXT_MAX: u64 = 256 * 1024 * 1024;
/// Deepest folder below the one that was named.
const DEPTH_MAX: usize = 32;

/// A place where manifests are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a folder with all that is in it.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// A text that is there already, with the name that complaints give it.
    Text(String, String),
}

impl Source {
    /// As it is written behind `-f`.
    pub fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::Path(path.to_owned()) }
    }
}

/// A text and its name.
#[derive(Debug)]
pub(super) struct Text {
    /// As complaints name it.
    pub(super) name: Arc<str>,
    /// What is in it.
    pub(super) text: String,
}

impl Text {
    /// Breaks of lines are brought to one form, as YAML itself does (1.2, 5.4), so that the parser counts lines as people do.
    fn new(name: Arc<str>, text: String) -> Self {
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        Self { name, text }
    }
}

/// Hands out the texts of all sources one after the other, in the order in which they are named, those of a folder
/// sorted by name. What can't be read is a complaint, what is left out a remark.
pub(super) fn texts(
    sources: &[Source],
    complaints: &mut Vec<Complaint>,
    remarks: &mut Vec<String>,
    mut each: impl FnMut(Text),
) {
    let mut stdin = false;
    for source in sources {
        match source {
            Source::Text(name, text) => {
                each(Text::new(name.as_str().into(), text.clone()));
            }
            Source::Stdin if stdin => complaints.push(Complaint::new("standard input can be read only once")),
            Source::Stdin => {
                stdin = true;
                match limited(io::stdin().lock()) {
                    Ok(text) => each(Text::new("-".into(), text)),
                    Err(error) => complaints.push(unreadable(Path::new("standard input"), &error)),
                }
            }
            Source::Path(path) => {
                let mut files = Vec::new();
                match fs::metadata(path) {
                    Ok(metadata) if metadata.is_dir() => {
                        walk(path, 0, &mut files, complaints, remarks);
                        if files.is_empty() {
                            let message = format!("the folder {} has no manifest in it", path.display());
                            let remedy = format!("manifests are files that end in .{}", ENDINGS.join(", ."));
                            complaints.push(Complaint::new(message).remedy(remedy));
                        }
                    }
                    // What is named by itself is read, whatever its name is.
                    Ok(_) => files.push(path.clone()),
                    Err(error) => complaints.push(unreadable(path, &error)),
                }
                for file in files {
                    match fs::File::open(&file).and_then(limited) {
                        Ok(text) => {
                            each(Text::new(file.to_string_lossy().into(), text));
                        }
                        Err(error) => complaints.push(unreadable(&file, &error)),
                    }
                }
            }
        }
    }
}

fn limited(reader: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(TEXT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_MAX {
        return Err(io::Error::other(format!("it has more than {} MiB", TEXT_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

fn unreadable(path: &Path, error: &io::Error) -> Complaint {
    Complaint::new(format!("can't read {}: {error}", path.display()))
}

fn walk(
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    complaints: &mut Vec<Complaint>,
    remarks: &mut Vec<String>,
) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return complaints.push(unreadable(folder, &error)),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let left_out = |why: &str| format!("{} is left out: {why}", path.display());
        // A link is followed to a file and not to a folder, which could be the one that it is in.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_manifest = ENDINGS.contains(&ending);
        if name.starts_with('.') {
            if is_folder || is_manifest {
                remarks.push(left_out("it is hidden"));
            }
        } else if is_folder && depth >= DEPTH_MAX {
            remarks.push(left_out("it is too deep"));
        } else if is_folder {
            walk(&path, depth + 1, files, complaints, remarks);
        } else if TOOLS.contains(&name.as_str()) {
            remarks.push(left_out(if name.starts_with('k') {
                "it is for kustomize; give what `kustomize build` prints instead, if that changes the files"
            } else {
                "it is for Helm; give what `helm template` prints instead"
            }));
        } else if is_manifest {
            files.push(path);
        }
    }
}
