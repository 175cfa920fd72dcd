//! The client against servers that mean harm: they answer without end, without sense or not at all, point elsewhere, and
//! hope that something of theirs is repeated. Each is a few bytes on a socket; nothing of HTTP is helped along.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use arango_operator::{
    arango::{Auth, Class, Client, Connection, Endpoint, Error, Pool},
    core::UserName,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{sleep, timeout},
};

/// The operator's password, which nobody else may ever see.
const PASSWORD: &str = "canary-5d0c1b7e93f24a6880ae1c35";
/// What a server says that must not be repeated.
const BODY: &str = "canary-of-a-body-b1946ac92492d234";
/// The time that a request has here.
const TIME: Duration = Duration::from_secs(2);
/// A request is over by then on any machine.
const OVER: Duration = Duration::from_secs(20);
/// The longest answer that is read here.
const LONGEST: usize = 1 << 20;

/// What a hostile server does with a connection once a request came.
type Answer = dyn Fn(TcpStream) -> futures::future::BoxFuture<'static, ()> + Send + Sync;

/// A server that takes whatever comes and answers as it likes.
struct Hostile {
    address: SocketAddr,
    heard: Arc<parking_lot::Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Hostile {
    async fn start<F>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, connections) =
            (Arc::<parking_lot::Mutex<Vec<u8>>>::default(), Arc::<AtomicUsize>::default());
        let answer: Arc<Answer> = Arc::new(move |stream| Box::pin(answer(stream)));
        let (log, count) = (Arc::clone(&heard), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tasks.spawn(async move {
                    let mut piece = [0; 4096];
                    let Ok(length) = stream.read(&mut piece).await else { return };
                    log.lock().extend_from_slice(&piece[..length]);
                    answer(stream).await;
                });
            }
        });
        Self { address, heard, connections, task: task.abort_handle() }
    }

    /// One that says these bytes and closes.
    async fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = bytes.into().into();
        Self::start(move |mut stream| {
            let bytes = Arc::clone(&bytes);
            async move {
                // The client may have left; that is its right.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// One that says a head, and then this again and again for as long as somebody listens.
    async fn endless(head: &'static str, again: &'static str, pause: Duration) -> Self {
        Self::start(move |mut stream| async move {
            let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
            while alive {
                alive = stream.write_all(again.as_bytes()).await.is_ok();
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
        })
        .await
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock()).into_owned()
    }

    fn client(&self, auth: Auth) -> Client {
        let endpoint = Endpoint::parse(&format!("http://{}", self.address)).unwrap();
        let connection =
            Connection { timeout: TIME, max_answer: LONGEST, ..Connection::new(vec![endpoint], auth) };
        Client::new(Pool::new(connection).unwrap())
    }

    /// Asks with HTTP Basic; what went wrong, within the time that it may take.
    async fn fails(&self) -> Error {
        let client = self.client(Auth::Basic { user: "root".to_owned(), password: PASSWORD.into() });
        let error = timeout(OVER, client.databases()).await.expect("it ends in time").unwrap_err();
        quotes_nothing(&error);
        error
    }
}

/// Nothing of a body, of the password or of what a terminal would obey is in an error.
fn quotes_nothing(error: &Error) {
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(BODY) && !text.contains(PASSWORD), "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.len() < 1500, "{} bytes: {text:.300}", text.len());
    }
}

fn ok(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_never_followed_and_takes_no_credentials_along() {
    let other = Hostile::saying(ok("", "{}")).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let to = format!("location: http://{}/_open/auth\r\n", other.address);
        let answer = format!("HTTP/1.1 {status}\r\n{to}content-length: 0\r\n\r\n");
        let server = Hostile::saying(answer).await;
        assert!(matches!(server.fails().await, Error::Answer(_)), "{status}");
        assert!(server.heard().to_lowercase().contains("authorization: basic"), "{}", server.heard());
        // The login carries the password in its body.
        let jwt = server.client(Auth::Jwt { user: "root".to_owned(), password: PASSWORD.into() });
        quotes_nothing(&jwt.databases().await.unwrap_err());
        assert!(server.heard().contains("/_open/auth"));
        // So does the check of somebody else's.
        let alice = UserName::parse("alice").unwrap();
        quotes_nothing(&jwt.verify_password(&alice, &PASSWORD.into()).await.unwrap_err());
    }
    assert_eq!(other.connections.load(Ordering::SeqCst), 0, "{}", other.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ways_of_pointing_elsewhere_are_not_followed_either() {
    let other = Hostile::saying(ok("", r#"{"result": []}"#)).await;
    let to = other.address;
    let refresh = format!(
        "refresh: 0; url=http://{to}/\r\nalt-svc: h2=\"{to}\"\r\nlink: <http://{to}/>; rel=preload\r\n"
    );
    let server = Hostile::saying(ok(
        &format!("{refresh}x-arango-endpoint: http://{to}\r\n"),
        r#"{"result": ["_system"]}"#,
    ))
    .await;
    let client = server.client(Auth::None);
    for _ in 0..3 {
        assert_eq!(client.databases().await.unwrap().len(), 1);
    }
    let use_proxy =
        Hostile::saying(format!("HTTP/1.1 305 Use Proxy\r\nlocation: http://{to}/\r\n\r\n")).await;
    use_proxy.fails().await;
    assert_eq!(other.connections.load(Ordering::SeqCst), 0, "{}", other.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_left_at_its_limit() {
    let chunk: &'static str = format!("1000\r\n{}\r\n", "\"aaaaaaaaaaaaa\",".repeat(0x100)).leak();
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"result\"\r\n2\r\n:[\r\n";
    let server = Hostile::endless(chunked, chunk, Duration::ZERO).await;
    assert!(matches!(server.fails().await, Error::TooLarge { limit: LONGEST, .. }));
    // Until the connection ends, which it doesn't.
    let server = Hostile::endless("HTTP/1.1 200 OK\r\n\r\n", chunk, Duration::ZERO).await;
    assert!(matches!(server.fails().await, Error::TooLarge { .. }));
    // Announced, and believed.
    let server = Hostile::saying("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n{").await;
    assert!(matches!(server.fails().await, Error::TooLarge { .. } | Error::Unreachable(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_refusal_no_more_is_read_than_an_error_of_arangodb_has() {
    let begin = Instant::now();
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "418 I'm a teapot"] {
        let head: &'static str = format!("HTTP/1.1 {status}\r\n\r\n{BODY}").leak();
        let server = Hostile::endless(head, BODY, Duration::ZERO).await;
        let error = server.fails().await;
        assert!(matches!(&error, Error::Answer(answer) if answer.error_num.is_none()), "{error:?}");
    }
    assert!(begin.elapsed() < OVER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drips_has_no_more_time_than_any_other() {
    let drip = Duration::from_millis(100);
    for (head, again) in [
        // The head itself, a header at a time, and forever on its way.
        ("HTTP/1.1 200 OK\r\n", "a: b\r\n"),
        ("H", "TTP"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{", " "),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", ""),
    ] {
        let server = Hostile::endless(head, again, drip).await;
        let begin = Instant::now();
        let error = server.fails().await;
        let class = error.class();
        assert!(matches!(class, Class::Timeout | Class::Unreachable | Class::Busy), "{head:?}: {error}");
        assert!(begin.elapsed() < OVER / 2, "{head:?}: {:?}", begin.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_end_are_not_kept() {
    let header: &'static str = format!("x-{}: {BODY}\r\n", "a".repeat(1000)).leak();
    let server = Hostile::endless("HTTP/1.1 200 OK\r\n", header, Duration::ZERO).await;
    server.fails().await;
    let line: &'static str = "a".repeat(1 << 16).leak();
    server.fails().await;
    let server = Hostile::endless("HTTP/1.1 200 ", line, Duration::ZERO).await;
    server.fails().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_json_is_refused_before_it_fills_the_stack() {
    for (open, what) in [("[", "lists"), ("{\"a\":", "objects"), ("{\"error\":{\"errorNum\":", "errors")] {
        let deep = open.repeat(30_000);
        for body in [format!("{{\"result\": {deep}"), deep.clone(), format!("{{\"x\": {deep}")] {
            let server = Hostile::saying(ok("content-type: application/json\r\n", &body)).await;
            let error = server.fails().await;
            assert!(matches!(error, Error::NotUnderstood { .. }), "{what}: {error}");
            let body = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let error = Hostile::saying(body).await.fails().await;
            assert_eq!(error.class(), Class::Denied, "{what}: {error}");
        }
        // The listing of rights is read as a stream, which skips what it doesn't know.
        let listing = format!("{{\"result\": {{\"shop\": {{\"permission\": \"rw\", \"more\": {deep}");
        let server = Hostile::saying(ok("", &listing)).await;
        let alice = UserName::parse("alice").unwrap();
        let error = server.client(Auth::None).rights(&alice).await.unwrap_err();
        assert!(matches!(error, Error::NotUnderstood { .. }), "{what}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_of_arangodb_is_not_understood_whatever_it_calls_itself() {
    for (head, body) in [
        ("content-type: text/html\r\n", format!("<html><body>{BODY}</body></html>")),
        ("content-type: application/json\r\n", format!("<html>{BODY}</html>")),
        ("content-type: application/x-velocypack\r\n", "\u{b}\u{1}".to_owned()),
        ("", String::new()),
        ("", format!("\"{BODY}\"")),
        ("", format!("{{\"result\": \"{BODY}\"}}")),
        ("", format!("{{\"{BODY}\": 1}}")),
        ("", format!("{{\"result\": [{{\"{BODY}\": 1}}]}}")),
        ("", "{\"result\": [1e999999]}".to_owned()),
        // Nothing here unpacks.
        ("content-encoding: gzip\r\n", "\u{1f}\u{8b}".to_owned()),
    ] {
        let error = Hostile::saying(ok(head, &body)).await.fails().await;
        assert!(matches!(error, Error::NotUnderstood { .. }), "{body}: {error}");
    }
    let error = Hostile::saying(format!("{BODY}\r\n\r\n")).await.fails().await;
    assert!(matches!(error, Error::Unreachable(_) | Error::Lost { .. }), "{error}");
    let error = Hostile::saying(format!("HTTP/9.9 {BODY}\r\n\r\n")).await.fails().await;
    assert!(matches!(error, Error::Unreachable(_) | Error::Lost { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_error_only_number_and_message_are_told_cut_and_without_what_a_terminal_obeys() {
    let evil = "\\u001b]0;owned\\u0007\\u001b[2J\\r\\nReady\\u0000\\u009b31m\\u202etxt\\u2028next\\u200b.";
    let long = "x".repeat(5000);
    let body = format!(
        r#"{{"error": true, "errorNum": 1700, "errorMessage": "no {evil} {long}", "exception": "{BODY}", "stack": ["{BODY}"]}}"#
    );
    let head = format!("HTTP/1.1 400 Bad {BODY}\r\nx-error: {BODY}\r\nserver: {BODY}\r\n");
    let server = Hostile::saying(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    let Error::Answer(answer) = server.fails().await else { panic!("an answer") };
    assert_eq!(answer.error_num, Some(1700));
    assert_eq!(answer.message.chars().count(), 200, "{}", answer.message);
    assert!(answer.message.starts_with("no ]0;owned[2JReady31mtxtnext. xxx"), "{}", answer.message);
    // The same of a login.
    let body = body.replace("1700", "401");
    let server =
        Hostile::saying(format!("HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    let jwt = server.client(Auth::Jwt { user: "root".to_owned(), password: PASSWORD.into() });
    let error = jwt.databases().await.unwrap_err();
    assert!(
        matches!(&error, Error::LoginRefused { message, .. } if message.chars().count() == 200),
        "{error}"
    );
    quotes_nothing(&error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_gives_nonsense_gives_nothing_away() {
    for token in [
        "a\\r\\nx-injected: yes".to_owned(),
        "\\u0000".to_owned(),
        "\\u001b[2J".to_owned(),
        BODY.repeat(20_000),
        String::new(),
    ] {
        let server = Hostile::saying(ok("", &format!("{{\"jwt\": \"{token}\"}}"))).await;
        let client = server.client(Auth::Jwt { user: "root".to_owned(), password: PASSWORD.into() });
        let outcome = timeout(OVER, client.databases()).await.expect("it ends in time");
        quotes_nothing(&outcome.unwrap_err());
        assert!(!server.heard().contains("x-injected: yes"), "{}", server.heard());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_its_own_times_out_alone_and_leaves_nothing_waiting() {
    let silent = Hostile::start(|_stream| std::future::pending()).await;
    let client = silent.client(Auth::None);
    let begin = Instant::now();
    let answers = futures::future::join_all((0..200).map(|_| client.databases())).await;
    assert!(answers.iter().all(Result::is_err));
    assert!(begin.elapsed() < OVER / 2, "{:?}", begin.elapsed());
    // No more than the limit of requests at the same time came, probes and repeats besides.
    assert!(silent.connections.load(Ordering::SeqCst) < 100, "{:?}", silent.connections);
}

#[test]
fn patterns_that_were_written_to_take_long_are_compared_in_an_instant() {
    use arango_operator::core::glob::Glob;
    let begin = Instant::now();
    let long = 200_000;
    let name = "a".repeat(long);
    for pattern in [
        format!("*{}b*", "a".repeat(long / 2)),
        "*a".repeat(long / 2) + "b",
        "*".repeat(long) + "b",
        "a*".repeat(long / 2) + "b",
        "*ab".repeat(long / 3),
    ] {
        assert!(!Glob::new(&pattern).matches(&name), "{pattern:.20}");
    }
    // As long as the schema lets them be, with the one sign that is tried place by place.
    for _ in 0..64 {
        assert!(!Glob::new(&format!("*{}?b*", "a".repeat(120))).matches(&name[..256]));
    }
    assert!(begin.elapsed() < OVER, "{:?}", begin.elapsed());
}
