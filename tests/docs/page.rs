//! A page of the documentation, as far as tests look at it: its headings, links and blocks, and what comments say about
//! the blocks.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A page.
pub(crate) struct Page {
    /// From the repository's root.
    pub(crate) name: String,
    pub(crate) text: String,
    /// The fenced blocks, in their order.
    pub(crate) blocks: Vec<Block>,
}

/// A fenced block, or a comment with commands that readers don't see (its language is `setup`).
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    /// What stands behind the fence.
    pub(crate) language: String,
    pub(crate) text: String,
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// What the comments before it say: `<!-- test: … -->`.
    pub(crate) notes: Vec<String>,
}

impl Block {
    /// The rest of the note that begins with these words.
    pub(crate) fn note(&self, words: &str) -> Option<&str> {
        self.notes
            .iter()
            .find_map(|note| note.strip_prefix(words).map(|rest| rest.trim_start_matches([':', ' '])))
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages that people read.
pub(crate) fn pages() -> Vec<Page> {
    let mut paths: Vec<_> = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"]
        .map(|name| root().join(name))
        .into();
    for folder in ["docs", "deploy", "dev"] {
        markdown(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths.iter().map(|path| Page::read(path)).collect()
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

impl Page {
    fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        Self::parse(name, fs::read_to_string(path).unwrap())
    }

    pub(crate) fn parse(name: String, text: String) -> Self {
        let mut blocks = Vec::new();
        let mut notes = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let line = line.trim_start();
            if let Some(language) = line.strip_prefix("```") {
                let indent = text.lines().nth(number).unwrap().len() - line.len();
                let inside = lines
                    .by_ref()
                    .map(|(_, line)| line)
                    .take_while(|line| !line.trim_start().starts_with("```"));
                let inside =
                    inside.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect();
                let notes = std::mem::take(&mut notes);
                blocks.push(Block {
                    language: language.trim().to_owned(),
                    text: inside,
                    line: number + 1,
                    notes,
                });
            } else if let Some(note) = line.strip_prefix("<!-- test: ") {
                let mut note = note.to_owned();
                while !note.contains("-->") {
                    note.push('\n');
                    note.push_str(lines.next().expect("a comment ends").1);
                }
                let note = note.split("-->").next().unwrap().trim().to_owned();
                if let Some(text) = note.strip_prefix("setup\n") {
                    let (language, text) = ("setup".to_owned(), text.to_owned() + "\n");
                    blocks.push(Block {
                        language,
                        text,
                        line: number + 1,
                        notes: std::mem::take(&mut notes),
                    });
                } else {
                    notes.push(note);
                }
            } else if !line.is_empty() && notes.iter().any(|note| !note.starts_with("with ")) {
                panic!("{name}:{}: a comment for tests must stand before a block: {notes:?}", number + 1);
            }
        }
        Self { name, text, blocks }
    }

    /// What the page's commands find when they begin: `<!-- test: with … -->`.
    pub(crate) fn with(&self) -> Option<&str> {
        self.text.lines().find_map(|line| line.strip_prefix("<!-- test: with ")?.strip_suffix(" -->"))
    }

    /// The lines that are neither in a block nor in a comment.
    pub(crate) fn prose(&self) -> Vec<(usize, &str)> {
        let (mut inside, mut comment) = (false, false);
        let mut prose = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
                continue;
            }
            comment |= !inside && line.starts_with("<!--");
            if !inside && !comment {
                prose.push((number + 1, line));
            }
            comment &= !line.contains("-->");
        }
        prose
    }

    /// The anchors that a forge gives to the headings.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for (_, line) in self.prose() {
            let Some((marks, heading)) = line.split_once(' ') else { continue };
            if marks.is_empty() || marks.len() > 6 || !marks.chars().all(|mark| mark == '#') {
                continue;
            }
            let kept = heading.trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let again = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if again == 0 { anchor } else { format!("{anchor}-{again}") });
        }
        anchors
    }

    /// Where its links lead, with their lines; not those to other sites.
    pub(crate) fn links(&self) -> Vec<(usize, &str)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            // What is written as code is no link.
            let plain = line.split('`').step_by(2);
            let joined: Vec<_> = plain.collect();
            let mut rest = line;
            while let Some(at) = rest.find("](") {
                rest = &rest[at + 2..];
                let target = rest.split(')').next().unwrap();
                if joined.iter().any(|part| part.contains(target)) && !target.contains("://") {
                    links.push((number, target));
                }
            }
        }
        links
    }
}
