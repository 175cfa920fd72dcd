//! From texts to resources.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Resource, ResourceExt as _};
use serde::{Deserialize as _, de::DeserializeOwned};

use super::{
    Manifests, Options, Source,
    check::{self, Finding},
    complaint::{Complaint, Location, nearest},
    declared::Declared,
    node::{At, Node, Value},
    secrets,
    source::{self, Text},
    whole,
    yaml::{self, Fault},
};
use crate::{
    core::Id,
    kinds::{Kind, cluster::crd::ArangoCluster, schema::GROUP},
};

/// Most complaints that are kept; how many more there were is said.
const COMPLAINTS_MAX: usize = 1_000;
/// The one version of our kinds.
const VERSION: &str = "v1alpha1";
/// Deepest list of lists.
const LISTS_MAX: usize = 4;

pub(super) fn read(sources: &[Source], options: &Options) -> Result<Manifests, Vec<Complaint>> {
    let mut reader = Reader {
        options,
        out: Manifests::default(),
        complaints: Complaints::default(),
        texts: HashMap::new(),
    };
    let mut unreadable = Vec::new();
    let mut remarks = Vec::new();
    source::texts(sources, &mut unreadable, &mut remarks, |text| reader.text(text));
    reader.out.remarks = remarks;
    let given = reader.out.give(options).err().unwrap_or_default();
    unreadable.into_iter().chain(given).for_each(|complaint| reader.complaints.push(complaint));
    let Reader { mut out, mut complaints, texts, .. } = reader;
    out.sort();
    let mut late: Vec<(Complaint, Vec<String>)> = Vec::new();
    whole::check(&mut out, &mut |complaint, fields: &[&str]| {
        late.push((complaint, fields.iter().map(|field| (*field).to_owned()).collect()));
    });
    let shown = late.len().min(COMPLAINTS_MAX);
    place(&mut late[..shown], &texts);
    for (complaint, _) in late {
        let text = complaint.at.as_ref().and_then(|at| texts.get(&at.source));
        complaints.push_with(complaint, text);
    }
    complaints.end().map_or(Ok(out), Err)
}

/// Moves complaints from where their resource begins to the field that they are about. A text is read again for that: to
/// keep all positions of all resources would cost those who have made no mistake.
fn place(late: &mut [(Complaint, Vec<String>)], texts: &HashMap<Arc<str>, String>) {
    let mut wanted: HashMap<Arc<str>, HashMap<At, Vec<usize>>> = HashMap::new();
    for (index, (complaint, _)) in late.iter().enumerate() {
        if let Some(Location { source, line, column }) = &complaint.at {
            let at = At { line: *line, column: *column };
            wanted.entry(Arc::clone(source)).or_default().entry(at).or_default().push(index);
        }
    }
    for (source, resources) in wanted {
        let Some(text) = texts.get(&source) else { continue };
        yaml::documents(text, |document| {
            let Ok((document, _)) = document else { return };
            resources_in(&document, 0, &mut |node| {
                for index in resources.get(&node.at).into_iter().flatten() {
                    let (complaint, fields) = &mut late[*index];
                    complaint.at = Some(Location::new(&source, node.find_first(fields)));
                }
            });
        });
    }
}

/// A document, or what is in it if it is a list.
fn resources_in(node: &Node<'_>, depth: usize, each: &mut dyn FnMut(&Node<'_>)) {
    match node.get("items") {
        Some(items) if depth <= LISTS_MAX => {
            items.items().iter().for_each(|item| resources_in(item, depth + 1, each));
        }
        _ => each(node),
    }
}

/// All that is wrong, up to a bound.
#[derive(Default)]
struct Complaints {
    kept: Vec<Complaint>,
    more: usize,
}

impl Complaints {
    fn push(&mut self, complaint: Complaint) {
        if self.kept.len() < COMPLAINTS_MAX { self.kept.push(complaint) } else { self.more += 1 }
    }

    /// The same with the line of the text that it is about.
    fn push_with(&mut self, complaint: Complaint, text: Option<&String>) {
        // To find a line takes time, and those that aren't kept may be many.
        let text = text.filter(|_| self.kept.len() < COMPLAINTS_MAX);
        self.push(match text {
            Some(text) => complaint.shown(text),
            None => complaint,
        });
    }

    /// The complaints, if there are any.
    fn end(mut self) -> Option<Vec<Complaint>> {
        if self.more > 0 {
            self.kept.push(Complaint::new(format!("and {} more, which are not shown", self.more)));
        }
        (!self.kept.is_empty()).then_some(self.kept)
    }
}

struct Reader<'o> {
    options: &'o Options,
    out: Manifests,
    complaints: Complaints,
    /// What was read, for what is found only when all is there.
    texts: HashMap<Arc<str>, String>,
}

/// The document that is being read.
struct Document<'t> {
    text: &'t Text,
    /// Kind and name, as far as they are known.
    about: Option<String>,
    /// Whether nothing of it may be shown.
    secret: bool,
}

impl Document<'_> {
    fn complaint(&self, at: At, message: impl Into<String>) -> Complaint {
        let complaint = Complaint::at(Location::new(&self.text.name, at), message).about(self.about.clone());
        if self.secret { complaint } else { complaint.shown(&self.text.text) }
    }
}

impl Reader<'_> {
    fn text(&mut self, text: Text) {
        yaml::documents(&text.text, |document| match document {
            Ok((node, mut doubts)) => self.manifest(&text, node, &mut doubts, 0),
            Err(fault) => {
                // Which document it is in can't be told any more.
                let document = Document { text: &text, about: None, secret: may_have_secrets(&text.text) };
                self.doubt(&document, fault);
            }
        });
        self.texts.insert(text.name, text.text);
    }

    fn doubt(&mut self, document: &Document<'_>, Fault { at, message, remedy }: Fault) {
        self.complaints.push(document.complaint(at, message).remedy(remedy));
    }

    fn manifest(&mut self, text: &Text, mut node: Node<'_>, doubts: &mut Vec<Fault>, depth: usize) {
        let mut document = Document { text, about: None, secret: false };
        let word = |name| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
        let (version, kind) = (word("apiVersion"), word("kind"));
        document.secret = kind == "Secret";
        if version.is_empty() || kind.is_empty() {
            document.secret = may_have_secrets(&text.text);
            let message = "this is no manifest: apiVersion and kind must be there, as texts";
            let remedy = format!("of our kinds: `apiVersion: {GROUP}/{VERSION}` and `kind: ArangoDatabase`");
            return self.complaints.push(document.complaint(node.at, message).remedy(remedy));
        }
        if kind.ends_with("List") && matches!(node.get("items"), Some(Node { value: Value::List(_), .. })) {
            if depth >= LISTS_MAX {
                return self
                    .complaints
                    .push(document.complaint(node.at, "lists of lists of lists are not read"));
            }
            let Some(Node { value: Value::List(items), .. }) = node.remove("items") else { return };
            return items.into_iter().for_each(|item| self.manifest(text, item, doubts, depth + 1));
        }
        let name = node.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::text);
        document.about = Some(format!("{kind} {}", name.unwrap_or_default()).trim_end().to_owned());
        let (group, number) = version.split_once('/').unwrap_or(("", &version));
        if group == GROUP || (group.is_empty() && ["Secret", "Namespace"].contains(&&*kind)) {
            doubts.drain(..).for_each(|fault| self.doubt(&document, fault));
        }
        match (group, number, kind.as_str()) {
            (GROUP, VERSION, "ArangoCluster") => {
                if let Some(cluster) = self.typed::<ArangoCluster>(&document, node) {
                    self.out.clusters.push(cluster);
                }
            }
            (GROUP, VERSION, kind) => {
                crate::for_each_kind!(K => {
                    if kind == K::NAME {
                        if let Some(declared) = self.typed::<<K as Kind>::Resource>(&document, node) {
                            self.out.shelf.push::<K>(declared);
                        }
                        return;
                    }
                });
                self.unknown(&document, &node, "kind");
            }
            (GROUP, ..) => self.unknown(&document, &node, "apiVersion"),
            ("", "v1", "Secret") => self.secret(&document, &node),
            ("", "v1", "Namespace") => self.namespace(&document, &node),
            (group, ..) => {
                // A slip in the group would make nothing of a whole manifest, without a word.
                if kinds().contains(&&*kind) && nearest(group, [GROUP]).is_some() {
                    return self.unknown(&document, &node, "apiVersion");
                }
                *self.out.foreign.entry((version, kind)).or_default() += 1;
            }
        }
    }

    /// A kind or version of ours that doesn't exist.
    fn unknown(&mut self, document: &Document<'_>, node: &Node<'_>, field: &str) {
        let said = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default();
        let (version, kind) = (said("apiVersion"), said("kind"));
        let complaint = document.complaint(
            node.get(field).map_or(node.at, |node| node.at),
            format!("no matches for kind {kind:?} in version {version:?}"),
        );
        let kind = nearest(kind, kinds());
        let remedy = match kind {
            Some(kind) => format!("did you mean `apiVersion: {GROUP}/{VERSION}`, `kind: {kind}`?"),
            None => format!("the kinds of {GROUP}/{VERSION} are {}", kinds().join(", ")),
        };
        self.complaints.push(complaint.remedy(remedy));
    }

    /// A resource of ours.
    fn typed<R: Resource<DynamicType = ()> + DeserializeOwned>(
        &mut self,
        document: &Document<'_>,
        mut node: Node<'_>,
    ) -> Option<Declared<R>> {
        // What the operator and the API server write is nothing that anybody declares.
        node.remove("status");
        if let Some(metadata) = node.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        let findings = check::resource(&R::kind(&()), &mut node);
        if !findings.is_empty() {
            for Finding { at, message, remedy, .. } in findings {
                let complaint = document.complaint(at, message);
                self.complaints.push(Complaint { remedy, ..complaint });
            }
            return None;
        }
        match R::deserialize(&node) {
            Ok(mut resource) => {
                let namespace = resource.meta_mut().namespace.get_or_insert_default();
                if namespace.is_empty() {
                    namespace.clone_from(&self.options.namespace);
                }
                Some(Declared { resource, at: Location::new(&document.text.name, node.at) })
            }
            Err(error) => {
                self.complaints.push(document.complaint(node.at, error.to_string()));
                None
            }
        }
    }

    fn secret(&mut self, document: &Document<'_>, node: &Node<'_>) {
        let namespace = self.options.namespace.clone();
        let name = |field| node.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Node::text);
        let id = Id::new(name("namespace").unwrap_or(&namespace), name("name").unwrap_or_default());
        let mut secret = secrets::Secret {
            type_: node.get("type").and_then(Node::text).map(str::to_owned),
            ..secrets::Secret::default()
        };
        for (field, encoded) in [("data", true), ("stringData", false)] {
            for entry in node.get(field).map(Node::entries).unwrap_or_default() {
                let value = match entry.node.text() {
                    Some(text) if encoded => secrets::decoded(text),
                    Some(text) => Some(text.as_bytes().to_vec().into()),
                    None => None,
                };
                let Some(value) = value else {
                    let what =
                        if encoded { "in base64; in plain, it goes into stringData" } else { "in quotes" };
                    let message = format!("{field}.{} must be a text {what}", entry.key);
                    self.complaints.push(document.complaint(entry.at, message));
                    continue;
                };
                secret.data.insert(entry.key.clone().into_owned(), value);
            }
        }
        if !self.out.secrets.put(id, secret) {
            let at = node.find("metadata.name");
            self.complaints
                .push(document.complaint(at, "this Secret is declared twice").remedy("remove one"));
        }
    }

    fn namespace(&mut self, document: &Document<'_>, node: &Node<'_>) {
        match Namespace::deserialize(node) {
            Ok(namespace) => {
                let name = namespace.name_any();
                let mut labels: BTreeMap<_, _> = namespace.metadata.labels.unwrap_or_default();
                // The API server puts it on every namespace.
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.clone());
                self.out.namespaces.insert(name, labels);
            }
            Err(error) => self.complaints.push(document.complaint(node.at, error.to_string())),
        }
    }
}

/// Our kinds.
fn kinds() -> Vec<&'static str> {
    let mut kinds = vec!["ArangoCluster"];
    crate::for_each_kind!(K => kinds.push(K::NAME));
    kinds
}

/// Whether there could be a Secret in a text that can't be read.
fn may_have_secrets(text: &str) -> bool {
    text.lines().any(|line| line.contains("kind") && line.contains("Secret"))
}
