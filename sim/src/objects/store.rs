//! A simulated object store: names and bytes, on virtual time, with the faults of [`Weather`]. It is strongly
//! consistent, as S3 is: a get and a listing see every put and delete that took effect before them. A long
//! listing comes in pages, each of its own moment. `PutMode::Create` has one winner.
//!
//! A call that its caller gave up goes its way all the same: it may take effect at any later time.

use std::{collections::BTreeMap, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    path::Path,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    DONE,
    weather::{Answer, Weather},
};
use crate::{Dice, Log};

/// Names in a page of a listing.
const PAGE: usize = 40;
/// Names in a deletion.
const DELETE_MAX: usize = 100;

/// What is asked of the store.
#[derive(Debug, Clone)]
enum Ask {
    Put { name: String, bytes: Bytes, create: bool },
    Get { name: String, range: Option<Range<u64>> },
    List { prefix: String, after: String },
    Delete { names: Vec<String> },
}

/// What carrying it out came to.
#[derive(Debug, Clone)]
enum Told {
    Done,
    Exists,
    Missing,
    Conflict,
    Object { bytes: Bytes, size: u64 },
    Names(Vec<(String, u64)>),
}

/// A call on its way.
struct Call {
    client: usize,
    ask: Ask,
    told: Vec<Told>,
    answer: Option<Answer>,
    cut: bool,
    reply: Option<oneshot::Sender<Reply>>,
    /// Effects and answers to come.
    left: usize,
}

type Reply = std::result::Result<(Told, bool), &'static str>;

#[derive(Clone, Copy)]
enum Due {
    Effect,
    Answer,
}

struct State {
    log: Log,
    weather: Weather,
    objects: BTreeMap<String, Bytes>,
    calls: BTreeMap<u64, Call>,
    /// By time, then in a seeded order.
    agenda: BTreeMap<(u64, u64, u64), (u64, Due)>,
    order: Dice,
    next: u64,
    planned: u64,
    now: u64,
}

/// The store.
#[derive(Clone)]
pub(super) struct Objects(Arc<Mutex<State>>);

/// A client's end of it.
#[derive(Clone)]
pub(super) struct Client {
    store: Objects,
    client: usize,
}

impl Ask {
    fn what(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put",
            Self::Get { .. } => "get",
            Self::List { .. } => "list",
            Self::Delete { .. } => "delete",
        }
    }
}

impl Objects {
    pub(super) fn new(seed: u64, log: Log) -> Self {
        Self(Arc::new(Mutex::new(State {
            weather: Weather::new(Dice::new(seed, "weather"), log.clone()),
            log,
            objects: BTreeMap::new(),
            calls: BTreeMap::new(),
            agenda: BTreeMap::new(),
            order: Dice::new(seed, "order"),
            next: 0,
            planned: 0,
            now: 0,
        })))
    }

    /// A client of the store; clients with different numbers are different processes.
    pub(super) fn client(&self, client: usize) -> Arc<Client> {
        Arc::new(Client { store: self.clone(), client })
    }

    /// No more faults. What is on its way still goes its way.
    pub(super) fn heal(&self) {
        self.0.lock().weather.clear();
    }

    /// All that is due until now happens.
    pub(super) fn step(&self, now: u64) {
        let state = &mut *self.0.lock();
        state.now = now;
        state.weather.step(now);
        while let Some(entry) = state.agenda.first_entry()
            && entry.key().0 <= now
        {
            let (id, due) = entry.remove();
            state.due(id, due);
        }
    }

    /// How many objects there are, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let objects = &self.0.lock().objects;
        (objects.len(), objects.values().map(Bytes::len).sum())
    }
}

impl State {
    fn begin(&mut self, client: usize, ask: Ask, reply: oneshot::Sender<Reply>) {
        let what = ask.what();
        self.log.count(&format!("{DONE}calls, {what}"), 1);
        let fate = self.weather.fate(self.now, what);
        let id = self.next;
        self.next += 1;
        for at in &fate.effects {
            self.plan(*at, id, Due::Effect);
        }
        if let Some((at, _)) = fate.answer {
            self.plan(at, id, Due::Answer);
        }
        let left = fate.effects.len() + usize::from(fate.answer.is_some());
        let answer = fate.answer.map(|(_, answer)| answer);
        // Without an answer the caller waits until its own deadline: the sender is kept.
        let call = Call { client, ask, told: Vec::new(), answer, cut: fate.cut, reply: Some(reply), left };
        self.calls.insert(id, call);
    }

    fn plan(&mut self, after: u64, id: u64, due: Due) {
        let order = self.order.within(0..1 << 32);
        self.planned += 1;
        // An effect comes before an answer of the same moment.
        let order = match due {
            Due::Effect => order,
            Due::Answer => order + (1 << 32),
        };
        self.agenda.insert((self.now + after, order, self.planned), (id, due));
    }

    fn due(&mut self, id: u64, due: Due) {
        let mut call = self.calls.remove(&id).expect("a call lives until nothing is due");
        call.left -= 1;
        match due {
            Due::Effect => {
                let told = self.carry_out(&call);
                call.told.push(told);
            }
            Due::Answer => {
                let reply = match call.answer.expect("it is due") {
                    Answer::Of(number) => {
                        let told = call.told[number].clone();
                        // What is not there has no body.
                        let cut = call.cut && matches!(told, Told::Object { .. });
                        self.log.count("object get: body cut short", u64::from(cut));
                        Ok((told, cut))
                    }
                    Answer::Status(status) => Err(status),
                };
                if let Some(caller) = call.reply.take() {
                    // Whoever asked may have given up.
                    let _ = caller.send(reply);
                }
            }
        }
        let unanswered = call.answer.is_none() && call.reply.as_ref().is_some_and(|reply| !reply.is_closed());
        if call.left > 0 || unanswered {
            self.calls.insert(id, call);
        }
    }

    fn carry_out(&mut self, call: &Call) -> Told {
        match &call.ask {
            Ask::Put { name, bytes, create } => {
                if *create && self.is_raced(call.client, name) {
                    self.log.count(&format!("{DONE}races of two owners for a name"), 1);
                    if self.weather.says_conflict() {
                        return Told::Conflict;
                    }
                }
                if *create && self.objects.contains_key(name) {
                    return Told::Exists;
                }
                self.objects.insert(name.clone(), bytes.clone());
                Told::Done
            }
            Ask::Get { name, range } => match self.objects.get(name) {
                None => Told::Missing,
                Some(bytes) => {
                    let size = bytes.len() as u64;
                    let range = range.clone().unwrap_or(0..size);
                    let end = range.end.min(size) as usize;
                    Told::Object { bytes: bytes.slice((range.start as usize).min(end)..end), size }
                }
            },
            Ask::List { prefix, after } => {
                let from = after.max(prefix).clone();
                let names = self.objects.range(from..).take_while(|(name, _)| name.starts_with(prefix));
                let names = names.filter(|(name, _)| *name > after).take(PAGE);
                Told::Names(names.map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
            }
            Ask::Delete { names } => {
                names.iter().for_each(|name| drop(self.objects.remove(name)));
                Told::Done
            }
        }
    }

    /// Whether another client's put of the same name is on its way.
    fn is_raced(&self, client: usize, of: &str) -> bool {
        self.calls.values().any(|call| {
            let same = matches!(&call.ask, Ask::Put { name, create: true, .. } if name == of);
            same && call.client != client && call.told.is_empty()
        })
    }
}

impl Client {
    async fn call(&self, ask: Ask) -> Result<(Told, bool)> {
        let (reply, answer) = oneshot::channel();
        let name = match &ask {
            Ask::Put { name, .. } | Ask::Get { name, .. } => name.clone(),
            Ask::List { prefix, .. } => prefix.clone(),
            Ask::Delete { .. } => String::new(),
        };
        self.store.0.lock().begin(self.client, ask, reply);
        match answer.await {
            Ok(Ok((Told::Exists, _))) => {
                Err(Error::AlreadyExists { path: name, source: "412 Precondition Failed".into() })
            }
            Ok(Ok((Told::Missing, _))) => Err(Error::NotFound { path: name, source: "404".into() }),
            Ok(Ok((Told::Conflict, _))) => Err(failed("409 Conditional Request Conflict")),
            Ok(Ok(told)) => Ok(told),
            Ok(Err(status)) => Err(failed(status)),
            Err(_) => std::future::pending().await,
        }
    }

    fn pages(&self, prefix: String, after: String) -> BoxStream<'static, Result<ObjectMeta>> {
        let client = self.clone();
        let pages = stream::try_unfold(Some(after), move |after| {
            let (client, prefix) = (client.clone(), prefix.clone());
            async move {
                let Some(after) = after else { return Ok::<_, Error>(None) };
                let (Told::Names(names), _) = client.call(Ask::List { prefix, after }).await? else {
                    unreachable!("a listing gives names");
                };
                let next = names.last().filter(|_| names.len() == PAGE).map(|(name, _)| name.clone());
                Ok(Some((names, next)))
            }
        });
        let meta = |(name, size): (String, u64)| meta(Path::from(name), size);
        pages.map_ok(move |names| stream::iter(names.into_iter().map(meta).map(Ok))).try_flatten().boxed()
    }
}

fn failed(status: &'static str) -> Error {
    Error::Generic { store: "simulated", source: status.into() }
}

fn meta(location: Path, size: u64) -> ObjectMeta {
    ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None }
}

fn folder(prefix: Option<&Path>) -> String {
    prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} of the simulated store", self.client)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for Client {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mut bytes = BytesMut::with_capacity(payload.content_length());
        payload.iter().for_each(|piece| bytes.extend_from_slice(piece));
        let create = options.mode == PutMode::Create;
        self.call(Ask::Put { name: location.to_string(), bytes: bytes.freeze(), create }).await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let range = match options.range {
            None => None,
            Some(GetRange::Bounded(range)) => Some(range),
            Some(_) => return Err(failed("501 Not Implemented")),
        };
        let told = self.call(Ask::Get { name: location.to_string(), range: range.clone() }).await?;
        let (Told::Object { bytes, size }, cut) = told else { unreachable!("a get gives an object") };
        let range = range.unwrap_or(0..size);
        let body = match cut {
            false => vec![Ok(bytes)],
            true => vec![Ok(bytes.slice(..bytes.len() / 2)), Err(failed("connection reset"))],
        };
        let payload = GetResultPayload::Stream(stream::iter(body).boxed());
        Ok(GetResult {
            payload,
            meta: meta(location.clone(), size),
            range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let client = self.clone();
        let some = locations.ready_chunks(DELETE_MAX).then(move |paths| {
            let client = client.clone();
            async move {
                let paths = match paths.into_iter().collect::<Result<Vec<_>>>() {
                    Ok(paths) => paths,
                    Err(error) => return vec![Err(error)],
                };
                let names = paths.iter().map(Path::to_string).collect();
                match client.call(Ask::Delete { names }).await {
                    Ok(_) => paths.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                }
            }
        });
        some.map(stream::iter).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(folder(prefix), String::new())
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.pages(folder(prefix), offset.to_string())
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(failed("501 Not Implemented"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(failed("501 Not Implemented"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(failed("501 Not Implemented"))
    }
}
