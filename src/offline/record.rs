//! What is remembered of what was applied: the operator's status in another place. One document per object, in a
//! collection of the deployment that it is about, so that whoever applies from wherever sees the same.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    future::Future,
};

use parking_lot::Mutex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::documents::Documents;
use crate::{
    arango::{self, Client},
    core::{Id, Origin},
    kinds::Kind,
    reconcile::Journal,
};

/// The collection in `_system`. A name without an underscore in front: a dump takes it along.
pub const COLLECTION: &str = "arango_operator_sets";

/// As many documents go in one request.
const AT_ONCE: usize = 1000;

/// How much of the digest of an object's name is its key, in bytes.
const KEY: usize = 16;

/// Why the record could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The server.
    #[error("the record of what was applied: {0}")]
    Server(#[from] arango::Error),
    /// Somebody else wrote it.
    #[error(
        "the record of what was applied was changed by somebody else meanwhile; nothing was done to what it is \
         about; run it again when the other one is done"
    )]
    Changed,
    /// A document was refused.
    #[error("a document of the record of what was applied was refused: {0} {1}")]
    Refused(u32, String),
    /// An answer or a document is not what was expected.
    #[error(
        "the record of what was applied is not understood: is the collection {COLLECTION} of a later version?"
    )]
    NotUnderstood,
    /// There is more than one answer holds.
    #[error("the record of what was applied has more than {0} documents")]
    TooLong(usize),
}

/// JSON as its text: there are many of them, and few are looked into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Json(Box<str>);

impl Json {
    pub(super) fn of(value: &impl Serialize) -> Self {
        let mut value = serde_json::to_value(value).unwrap_or_default();
        // Which version of a Secret was set says nothing here: passwords are compared by logging in.
        if let Some(object) = value.as_object_mut() {
            object.remove("passwordSecret");
        }
        Self(value.to_string().into())
    }

    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.0).ok()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read::<serde_json::Value>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(serde_json::Value::deserialize(deserializer)?.to_string().into()))
    }
}

/// What is remembered of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// Whose it is.
    pub(super) set: String,
    /// The kind of the resource that declared it.
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The object, as [`Kind::object`] writes it.
    pub(super) object: String,
    /// How it came to belong to the resource.
    pub(super) origin: Origin,
    /// What the kind remembers.
    pub(super) memory: Json,
    /// The spec as it was last applied: what becomes of the object when it is declared no longer.
    pub(super) spec: Json,
}

impl Kept {
    pub(super) fn id(&self) -> Id {
        Id::new(&self.namespace, &self.name)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Document {
    #[serde(rename = "_key")]
    key: String,
    #[serde(rename = "_rev", default, skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    #[serde(flatten)]
    kept: Kept,
}

/// What is to be written, and who wants to know that it is.
type Waiting = (Kept, oneshot::Sender<Result<(), RecordError>>);

/// What is remembered of one deployment.
pub struct Record {
    /// Whose objects are looked after; without it nothing is remembered.
    pub set: Option<String>,
    documents: Documents,
    known: Mutex<HashMap<String, (String, Kept)>>,
    /// The objects that are remembered since this very run: nobody owned them before.
    fresh: Mutex<HashSet<String>>,
    /// Whether the collection is there.
    made: tokio::sync::OnceCell<()>,
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever writes; what comes meanwhile goes with the next request.
    writing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("set", &self.set).finish_non_exhaustive()
    }
}

fn key(object: &str) -> String {
    hex::encode(&Sha256::digest(object)[..KEY])
}

impl Record {
    /// Reads what every set remembers, in one request.
    pub async fn load(client: Client, set: Option<String>) -> Result<Self, RecordError> {
        let documents = Documents::new(client, COLLECTION);
        let all: Vec<Document> = documents.all().await?;
        let made = if all.is_empty() { None } else { Some(()) };
        let known = all.into_iter().map(|Document { revision, kept, .. }| {
            let object = kept.object.clone();
            Ok((object, (revision.ok_or(RecordError::NotUnderstood)?, kept)))
        });
        Ok(Self {
            set,
            documents,
            known: Mutex::new(known.collect::<Result<_, RecordError>>()?),
            fresh: Mutex::default(),
            made: tokio::sync::OnceCell::new_with(made),
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// What is remembered of an object, whosever it is.
    pub(super) fn get(&self, object: &str) -> Option<Kept> {
        self.known.lock().get(object).map(|(_, kept)| kept.clone())
    }

    /// Whether an object is remembered only since this run.
    pub(super) fn is_fresh(&self, object: &str) -> bool {
        self.fresh.lock().contains(object)
    }

    /// What is remembered of our objects, sorted by resource.
    pub(super) fn ours(&self) -> Vec<Kept> {
        let known = self.known.lock();
        let ours = known.values().filter(|(_, kept)| Some(&kept.set) == self.set.as_ref());
        let mut ours: Vec<_> = ours.map(|(_, kept)| kept.clone()).collect();
        drop(known);
        ours.sort_by(|a, b| (&a.namespace, &a.name, &a.object).cmp(&(&b.namespace, &b.name, &b.object)));
        ours
    }

    /// Remembers many, in as few requests as can be. What is remembered already costs nothing.
    pub(super) async fn keep(&self, all: Vec<Kept>) -> Result<(), RecordError> {
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        for kept in all {
            let revision = match self.known.lock().get(&kept.object) {
                Some((_, before)) if *before == kept => continue,
                before => before.map(|(revision, _)| revision.clone()),
            };
            let list = if revision.is_some() { &mut changed } else { &mut new };
            list.push(Document { key: key(&kept.object), revision, kept });
        }
        if !new.is_empty() {
            self.made.get_or_try_init(|| self.documents.make()).await?;
        }
        for (is_new, list) in [(true, new), (false, changed)] {
            for some in list.chunks(AT_ONCE) {
                let revisions = self.documents.write(is_new, some).await?;
                let mut known = self.known.lock();
                if is_new {
                    self.fresh.lock().extend(some.iter().map(|document| document.kept.object.clone()));
                }
                for (document, revision) in some.iter().zip(revisions) {
                    let kept = document.kept.clone();
                    known.insert(kept.object.clone(), (revision, kept));
                }
            }
        }
        Ok(())
    }

    /// Remembers one, durably. Many at once share a request.
    async fn keep_one(&self, kept: Kept) -> Result<(), RecordError> {
        let (told, mut told_of) = oneshot::channel();
        self.waiting.lock().push((kept, told));
        let _writing = self.writing.lock().await;
        if let Ok(outcome) = told_of.try_recv() {
            return outcome;
        }
        let (all, who): (Vec<_>, Vec<_>) = std::mem::take(&mut *self.waiting.lock()).into_iter().unzip();
        let outcome = self.keep(all).await;
        for told in who {
            // Nobody listens where somebody went away.
            let _ = told.send(outcome.clone());
        }
        outcome
    }

    /// Forgets objects.
    pub(super) async fn forget(&self, objects: &[String]) -> Result<(), RecordError> {
        let which: Vec<_> = {
            let known = self.known.lock();
            let which = objects.iter().filter_map(|object| Some((key(object), known.get(object)?.0.clone())));
            which.collect()
        };
        for some in which.chunks(AT_ONCE) {
            self.documents.remove(some).await?;
        }
        let mut known = self.known.lock();
        for object in objects {
            known.remove(object);
        }
        Ok(())
    }
}

/// The journal of one object.
pub(super) struct Keeper<'a> {
    record: &'a Record,
    rehearses: bool,
    /// Whose object it is; nothing where nothing is remembered.
    kept: Option<Kept>,
    /// What was to be remembered before the first write.
    pub(super) begun: Option<Kept>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(record: &'a Record, rehearses: bool, kept: Option<Kept>) -> Self {
        Self { record, rehearses, kept, begun: None }
    }

    async fn keep(&mut self, change: impl FnOnce(&mut Kept) + Send, begins: bool) -> Result<(), RecordError> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        change(kept);
        if begins {
            self.begun.get_or_insert_with(|| kept.clone());
        }
        if self.rehearses { Ok(()) } else { self.record.keep_one(kept.clone()).await }
    }
}

impl<K: Kind> Journal<K> for Keeper<'_> {
    type Error = RecordError;

    fn begin(
        &mut self,
        origin: Origin,
        memory: &K::Memory,
    ) -> impl Future<Output = Result<(), RecordError>> + Send {
        let memory = Json::of(memory);
        let change = move |kept: &mut Kept| {
            kept.origin = origin;
            kept.memory = memory;
        };
        self.keep(change, true)
    }

    fn save(&mut self, memory: &K::Memory) -> impl Future<Output = Result<(), RecordError>> + Send {
        let memory = Json::of(memory);
        self.keep(move |kept| kept.memory = memory, false)
    }
}
