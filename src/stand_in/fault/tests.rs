use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn faults(rules: &[&str], now: Instant) -> Faults {
    let mut faults = Faults::default();
    for rule in rules {
        faults.add(rule.parse().unwrap(), now).unwrap();
    }
    faults
}

/// The fault's name that a request meets.
fn met(faults: &mut Faults, coordinator: usize, method: &Method, path: &str, now: Instant) -> &'static str {
    let seen = Seen { coordinator, method, path };
    faults.decide(&seen, now, || 0.5).name().unwrap_or("none")
}

#[test]
fn what_is_read_is_written_the_same() {
    let texts = [
        "refuse coordinator=2 for=10s",
        "hang effect=yes next=3",
        "delay time=200ms jitter=50ms method=GET path=/_api/user",
        "drop effect=no share=0.25",
        "cut next=1",
        "starting for=1500ms",
        "maintenance",
        "stopping effect=yes",
        "queue-full retry-after=2",
        "error",
        "html status=503",
        "conflict share=0.5",
        "stale time=2s coordinator=3",
    ];
    for text in texts {
        let rule: FaultRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), text);
        assert_eq!(FaultRule::from_json(&Value::from(rule.to_json())), Ok(rule), "{text}");
    }
    assert_eq!(texts.len(), KINDS.len(), "every kind is there");
    for (kind, text) in KINDS.iter().zip(texts) {
        assert!(text.starts_with(kind.name), "{text} is read as {}", kind.name);
        assert!(help().contains(kind.says));
    }
}

#[test]
fn a_mistake_is_told_in_a_sentence() {
    let cases = [
        ("", "which fault? Its name is missing"),
        (
            "hand",
            "\"hand\" is no fault; there are refuse, hang, delay, drop, cut, starting, maintenance, stopping, queue-full, error, html, conflict, stale",
        ),
        ("hang next", "\"next\" is no key=value"),
        ("hang next=0", "next: \"0\" is no number from 1 up"),
        ("hang next=1 next=2", "next is there twice"),
        ("hang coordinator=0", "coordinator: \"0\" is no number from 1 up"),
        ("hang share=2", "share: \"2\" is no number above 0 and up to 1, such as 0.25"),
        ("hang share=NaN", "share: \"NaN\" is no number above 0 and up to 1, such as 0.25"),
        ("hang for=5", "for: \"5\" has no unit that is known; try 5ms, 2s or 1m"),
        ("hang for=9999999999999m", "for: \"9999999999999m\" is more than a day"),
        ("hang path=api", "path: \"api\" doesn't start with /"),
        ("hang effect=maybe", "effect: \"maybe\" is neither yes nor no"),
        ("delay", "time= is missing, such as time=200ms"),
        ("html status=200", "status: \"200\" is no HTTP status from 400 up"),
        ("refuse next=1", "refuse takes coordinator, for, but not next"),
        ("conflict effect=yes", "conflict takes coordinator, method, path, next, share, for, but not effect"),
    ];
    for (text, sentence) in cases {
        assert_eq!(text.parse::<FaultRule>(), Err(sentence.to_owned()), "{text}");
    }
    assert_eq!(FaultRule::from_json(&json!(7)), Err("a fault is an object or a text".to_owned()));
    assert_eq!(
        FaultRule::from_json(&json!({"fault": "hang", "next": [1]})),
        Err("next must be a text or a number".to_owned())
    );
    assert_eq!(FaultRule::from_json(&json!("hang")), Ok(FaultRule::new(Fault::Hang)));
}

#[test]
fn durations_need_a_unit() {
    assert_eq!(duration("5ms"), Ok(Duration::from_millis(5)));
    assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
    assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
    for bad in ["5", "ms", "", "-1s", "1.5s"] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_limit_keeps_a_fault_to_the_requests_that_are_meant() {
    let now = Instant::now();
    for (rule, hit, spared) in [
        ("hang coordinator=2", (1, Method::GET, "/x"), (0, Method::GET, "/x")),
        ("hang method=put", (0, Method::PUT, "/x"), (0, Method::GET, "/x")),
        ("hang path=/_api/user", (0, Method::GET, "/_db/a%2Fb/_api/user/x"), (0, Method::GET, "/_api/use")),
        ("hang path=/_db/shop/", (0, Method::GET, "/_db/shop/_api/user"), (0, Method::GET, "/_api/user")),
        ("conflict", (0, Method::PATCH, "/_db/x/_api/user/a"), (0, Method::POST, "/_api/user")),
        ("conflict", (0, Method::DELETE, "/_api/user/a/database/b"), (0, Method::GET, "/_api/user/a")),
        ("conflict", (0, Method::PUT, "/_api/user/a"), (0, Method::PUT, "/_admin/server/mode")),
    ] {
        let mut faults = faults(&[rule], now);
        assert_ne!(met(&mut faults, hit.0, &hit.1, hit.2, now), "none", "{rule}");
        assert_eq!(met(&mut faults, spared.0, &spared.1, spared.2, now), "none", "{rule}");
        assert_eq!(faults.rules()[0].hits, 1);
    }
}

#[test]
fn a_fault_ends_after_its_requests_and_after_its_time() {
    let now = Instant::now();
    let mut faults = faults(&["error next=2", "hang for=10ms"], now);
    let mut get = |after| met(&mut faults, 0, &Method::GET, "/", now + MILLISECOND * after);
    assert_eq!([get(0), get(0), get(9), get(10)], ["error", "error", "hang", "none"]);
}

#[test]
fn a_share_is_decided_by_the_dice() {
    let now = Instant::now();
    let mut faults = faults(&["error share=0.25"], now);
    let seen = Seen { coordinator: 0, method: &Method::GET, path: "/" };
    let mut hits = |dice: f64| faults.decide(&seen, now, || dice).end.is_some();
    assert_eq!([hits(0.0), hits(0.24), hits(0.25), hits(0.99)], [true, true, false, false]);
}

#[test]
fn delays_add_up_and_the_first_end_wins() {
    let now = Instant::now();
    let rules =
        ["delay time=10ms jitter=4ms", "error next=1", "hang next=1", "delay time=1s", "stale time=3s"];
    let mut faults = faults(&rules, now);
    let seen = Seen { coordinator: 0, method: &Method::GET, path: "/" };
    for (dice, milliseconds, end) in
        [(0.0, 1006, Some(Fault::Error)), (0.75, 1012, Some(Fault::Hang)), (0.5, 1010, None)]
    {
        let decision = faults.decide(&seen, now, || dice);
        assert_eq!(decision.delay, MILLISECOND * milliseconds);
        assert_eq!(decision.stale, Some(Duration::from_secs(3)));
        assert_eq!(decision.end.map(|end| end.fault), end);
    }
}

#[test]
fn work_is_done_before_an_answer_gets_lost_and_not_before_one_is_refused() {
    let now = Instant::now();
    for (rule, effect) in [
        ("drop", true),
        ("cut", true),
        ("drop effect=no", false),
        ("hang", false),
        ("hang effect=yes", true),
        ("stopping", false),
        ("html", false),
    ] {
        let seen = Seen { coordinator: 0, method: &Method::GET, path: "/" };
        let end = faults(&[rule], now).decide(&seen, now, || 0.0).end.unwrap();
        assert_eq!(end.effect, effect, "{rule}");
    }
    let Fault::Html { status } = "html".parse::<FaultRule>().unwrap().fault else { unreachable!() };
    assert_eq!(status, StatusCode::BAD_GATEWAY);
}

#[test]
fn removing_a_fault_tells_those_who_hang_in_it() {
    let now = Instant::now();
    let mut faults = faults(&["hang next=1", "error"], now);
    let seen = Seen { coordinator: 0, method: &Method::GET, path: "/" };
    let end = faults.decide(&seen, now, || 0.0).end.unwrap();
    assert!(!end.removed.is_cancelled());
    assert_eq!(faults.remove(|active| active.id == 1), [1]);
    assert!(end.removed.is_cancelled());
    assert_eq!(faults.rules().len(), 1);
    assert_eq!(faults.remove(|_| true), [2]);
}

#[test]
fn refusing_is_for_connections_not_for_requests() {
    let now = Instant::now();
    let mut faults = faults(&["refuse coordinator=1 for=10ms"], now);
    assert!(faults.refuses(0, now) && !faults.refuses(1, now));
    assert!(!faults.refuses(0, now + MILLISECOND * 10));
    assert_eq!(met(&mut faults, 0, &Method::GET, "/", now), "none");
}

#[test]
fn used_up_faults_make_place_for_new_ones() {
    let now = Instant::now();
    let mut faults = faults(&["error next=1"], now);
    while faults.add(FaultRule::new(Fault::Hang).on(9), now).is_ok() {}
    let count = faults.rules().len();
    assert_eq!(met(&mut faults, 0, &Method::GET, "/", now), "error");
    assert!(faults.add(FaultRule::new(Fault::Cut), now).is_ok(), "one of {count} is used up");
    assert_eq!(faults.rules().len(), count);
}
