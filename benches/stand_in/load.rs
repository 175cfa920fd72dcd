//! Users in a crowd: each has a connection of his own, and an administrator's to change his rights with.
//!
//! The client does the least that HTTP/1.1 asks for, so that the figures are the server's.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use arango_operator::stand_in::{Options, Request, StandIn, model::Level};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) const ROOT_PASSWORD: &str = "the password of root";
pub(crate) const DATABASES: usize = 5;

pub(crate) fn user(n: usize) -> String {
    format!("user-{n}")
}

fn database(n: usize) -> String {
    format!("shop-{n}")
}

/// Three coordinators with databases, and users who may read the first.
pub(crate) async fn stand_in(users: usize) -> Result<StandIn> {
    let stand_in = StandIn::start(Options::cluster(3, ROOT_PASSWORD)).await?;
    stand_in.with_model(|model| {
        let mut send = |request: Request| -> Result<()> {
            let response = model.handle_as_superuser(&request, arango_operator::stand_in::Now(1e9));
            ensure!(response.status.is_success(), "{request:?}: {}", response.status);
            Ok(())
        };
        for n in 0..DATABASES {
            send(Request::post("/_api/database", &json!({"name": database(n)})))?;
        }
        for name in (0..users).map(user) {
            send(Request::post("/_api/user", &json!({"user": name, "passwd": name})))?;
            let path = format!("/_api/user/{name}/database/_system");
            send(Request::put(path, &json!({"grant": "ro"})))?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(stand_in)
}

/// As many open files as the machine allows: both ends of every connection are in this process.
pub(crate) fn open_files(wanted: u64) -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    let allowed = limit.current.is_none_or(|current| current >= wanted);
    ensure!(allowed, "{wanted} open files are needed and {:?} allowed; see ulimit -n", limit.current);
    Ok(())
}

/// A connection that is kept, and who speaks on it.
pub(crate) struct Connection {
    stream: TcpStream,
    authorization: String,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(endpoint: &str, user: &str, password: &str) -> Result<Self> {
        let address = endpoint.strip_prefix("http://").context("no clear text")?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let authorization = STANDARD.encode(format!("{user}:{password}"));
        Ok(Self { stream, authorization, buffer: Vec::with_capacity(8 << 10) })
    }

    /// A request as bytes.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {}\r\n", self.authorization);
        if !body.is_empty() {
            let _ = write!(text, "content-length: {}\r\n", body.len());
        }
        (text + "\r\n" + body).into_bytes()
    }

    /// Sends a request and reads its whole answer: the status, and where the body is in the buffer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (mut begin, mut end) = (0, usize::MAX);
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed");
            }
            if end == usize::MAX
                && let Some(head) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")
            {
                begin = head + 4;
                end = begin + content_length(&self.buffer[..begin]).context("no length")?;
            }
        }
        let status = self.buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status.context("no status")?.parse().context("no status")?;
        Ok((status, &self.buffer[begin..end]))
    }

    /// Sends a request that must succeed, and reads its answer as JSON.
    async fn json(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        let request = self.request(method, path, body);
        let (status, body) = self.exchange(&request).await?;
        ensure!((200..300).contains(&status), "{method} {path}: {status}");
        Ok(serde_json::from_slice(body)?)
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let at = head.windows(NAME.len()).position(|part| part == NAME)? + NAME.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}

/// What a connection has measured: how long each request took.
pub(crate) type Times = Vec<Duration>;

/// Asks the same again and again until the time is over.
pub(crate) async fn read(
    mut connection: Connection,
    path: String,
    until: Instant,
) -> Result<(Connection, Times)> {
    let request = connection.request("GET", &path, "");
    let mut times = Times::new();
    loop {
        let begin = Instant::now();
        if begin >= until {
            return Ok((connection, times));
        }
        let (status, _) = connection.exchange(&request).await?;
        ensure!(status == 200, "GET {path}: {status}");
        times.push(begin.elapsed());
    }
}

/// One user whose rights are changed by an administrator and read by himself, in turns. Nobody else touches them, so
/// what he reads must be exactly what was written. Ends after so many writes or at this moment, whichever is first;
/// gives what must be configured then.
pub(crate) async fn change(
    n: usize,
    endpoints: &[String],
    writes: usize,
    until: Instant,
) -> Result<(BTreeMap<String, Level>, Times)> {
    let name = user(n);
    let at = |shift: usize| endpoints[(n + shift) % endpoints.len()].as_str();
    let mut himself = Connection::open(at(0), &name, &name).await?;
    let mut admin = Connection::open(at(1), "root", ROOT_PASSWORD).await?;
    let mut dice = SmallRng::seed_from_u64(n as u64);
    let mut wanted = BTreeMap::from([("_system".to_owned(), Level::Ro)]);
    let mut times = Times::new();
    let mut took = |begin: Instant| times.push(begin.elapsed());
    for _ in 0..writes {
        if Instant::now() >= until {
            break;
        }
        let database = database(dice.random_range(0..DATABASES));
        let path = format!("/_api/user/{name}/database/{database}");
        let level = [None, Some(Level::None), Some(Level::Ro), Some(Level::Rw)][dice.random_range(0..4)];
        let begin = Instant::now();
        match level {
            None => admin.json("DELETE", &path, "").await?,
            Some(level) => admin.json("PUT", &path, &json!({"grant": level.as_str()}).to_string()).await?,
        };
        took(begin);
        match level {
            None => wanted.remove(&database),
            Some(level) => wanted.insert(database.clone(), level),
        };
        let begin = Instant::now();
        let listed = himself.json("GET", &format!("/_api/user/{name}/database?full=true"), "").await?;
        took(begin);
        for database in (0..DATABASES).map(self::database) {
            let level = wanted.get(&database).map_or("undefined", |level| level.as_str());
            let read = &listed["result"][&database]["permission"];
            ensure!(read == level, "{name} on {database}: {level} was written, {read} is read");
        }
        let begin = Instant::now();
        let effective = himself.json("GET", &path, "").await?;
        took(begin);
        // `_system` is the second wildcard: what isn't configured is as it is there.
        let level = level.unwrap_or(Level::Ro).as_str();
        ensure!(effective["result"] == level, "{name} on {database}: {level} expected, {effective} is read");
    }
    Ok((wanted, times))
}

/// Compares what the model holds of a user with what must be configured.
pub(crate) fn check(stand_in: &StandIn, n: usize, wanted: &BTreeMap<String, Level>) -> Result<()> {
    let held = stand_in.with_model(|model| model.grants(&user(n)).cloned()).context("the user is gone")?;
    let held: BTreeMap<_, _> =
        held.into_iter().filter_map(|(database, entry)| Some((database, entry.level?))).collect();
    ensure!(held == *wanted, "{}: {held:?} is held, {wanted:?} was written", user(n));
    Ok(())
}
