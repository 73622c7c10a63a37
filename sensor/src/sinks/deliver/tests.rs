//! Receivers that are spoken to, and what is made of their answers.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use super::connection::{Address, Connection, Place, Proxy, Route};
use super::receivers::post::Account;
use super::receivers::{bulk, post, s3, sentinel, splunk};
use super::secret::Secret;
use super::stand_in::{self, Request, http, https, listen, trust};
use super::template::Template;
use super::tls::Tls;
use super::transport::{Answer, Item, Transport, Trouble};
use super::web::{Packing, Web};

fn lines(count: usize) -> Vec<String> {
    let line = |n| {
        format!(
            r#"{{"timestamp":"2019-12-22T12:33:20.000001+0000","event_type":"flow","n":{n},"tapwire":{{"event_id":"e{n}"}}}}"#
        )
    };
    (0..count).map(line).collect()
}

fn send(transport: &mut dyn Transport, lines: &[String]) -> (Result<(), Trouble>, Vec<Answer>) {
    let items: Vec<Item<'_>> = lines.iter().map(|line| Item::of(line.as_bytes())).collect();
    let mut answers = vec![Answer::Open; items.len()];
    let result = transport.send(&items, &mut answers);
    (result, answers)
}

fn secret(text: &str) -> Secret {
    Secret::Text(text.to_owned())
}

fn template(text: &str) -> Template {
    Template::read(text).unwrap()
}

fn route(place: Place) -> Route {
    Route { place, tls: Tls::default(), proxy: None, timeout: Duration::from_secs(5) }
}

fn splunk(web: Web, patience_ms: u64) -> splunk::Splunk {
    splunk::Splunk::new(splunk::Settings {
        web,
        token: secret("T"),
        acknowledged: true,
        patience: Duration::from_millis(patience_ms),
        source_type: template("suricata:{type}"),
        source: None,
        index: Some(template("main")),
        host: "sensor".into(),
    })
}

#[test]
fn splunk_events_are_delivered_when_the_indexer_has_them() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let web = http(move |request: Request| {
        assert_eq!(request.header("authorization"), "Splunk T");
        assert_eq!(request.header("x-splunk-request-channel").len(), 36);
        if request.path.ends_with("/event") {
            let first = serde_json::Deserializer::from_str(&request.body).into_iter::<serde_json::Value>().next();
            let first = first.unwrap().unwrap();
            assert_eq!((&first["time"], &first["sourcetype"]), (&"1577018000.000001".into(), &"suricata:flow".into()));
            assert_eq!((&first["host"], &first["event"]["event_type"]), (&"sensor".into(), &"flow".into()));
            return (200, r#"{"text":"Success","code":0,"ackId":4}"#.into());
        }
        assert_eq!(request.body, r#"{"acks":[4]}"#);
        let stored = count.fetch_add(1, Ordering::Relaxed) > 1;
        (200, format!(r#"{{"acks":{{"4":{stored}}}}}"#))
    });
    let (result, answers) = send(&mut splunk(Web { packing: Packing::Gzip, ..web }, 5_000), &lines(3));
    assert_eq!((result, answers), (Ok(()), vec![Answer::Delivered; 3]));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn splunk_names_the_event_that_it_refuses_and_waits_when_it_is_busy() {
    let web = http(|_| (400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":1}"#.into()));
    let (result, answers) = send(&mut splunk(web, 100), &lines(3));
    assert_eq!(result, Ok(()));
    assert!(matches!(&answers[..], [Answer::Open, Answer::Refused(words), Answer::Open] if words.contains("Invalid")));
    for (status, body) in [
        (503, r#"{"text":"Server is busy","code":9}"#),
        (403, r#"{"text":"Invalid token","code":4}"#),
        (400, r#"{"text":"Incorrect index","code":7}"#),
        (200, r#"{"text":"Success","code":0}"#),
    ] {
        let (result, answers) = send(&mut splunk(http(move |_| (status, body.into())), 100), &lines(2));
        assert!(matches!(result, Err(Trouble::Away { .. })), "{body}: {result:?}");
        assert_eq!(answers, [Answer::Open, Answer::Open]);
    }
    let never = http(|request| {
        let is_event = request.path.ends_with("/event");
        (200, if is_event { r#"{"code":0,"ackId":1}"# } else { r#"{"acks":{"1":false}}"# }.into())
    });
    let (result, answers) = send(&mut splunk(never, 50), &lines(1));
    assert!(matches!(result, Err(Trouble::Away { words, .. }) if words.contains("did not store")));
    assert_eq!(answers, [Answer::Open]);
}

#[test]
fn each_item_of_a_bulk_request_has_its_answer() {
    let web = http(|request: Request| {
        assert_eq!(request.header("authorization"), "Basic bWU6cHc=");
        let lines: Vec<serde_json::Value> =
            request.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["create"]["_id"], "e0");
        assert_eq!(lines[0]["create"]["_index"], "logs-tapwire.flow-default");
        assert_eq!(lines[1]["@timestamp"], "2019-12-22T12:33:20.000001Z");
        let item = |status: u16, error: &str| format!(r#"{{"create":{{"status":{status}{error}}}}}"#);
        let error = r#","error":{"type":"document_parsing_exception","reason":"failed to parse"}"#;
        let items = [item(201, ""), item(409, error), item(400, error), item(429, error)].join(",");
        (200, format!(r#"{{"errors":true,"items":[{items}]}}"#))
    });
    let mut bulk = bulk::Bulk::new(bulk::Settings {
        web,
        account: Some(Account::User("me".into(), secret("pw"))),
        index: template("logs-tapwire.{type}-default"),
        pipeline: None,
    });
    let (result, answers) = send(&mut bulk, &lines(4));
    assert!(matches!(result, Err(Trouble::Away { words, .. }) if words.starts_with("429")));
    let refused = "400 document_parsing_exception: failed to parse".to_owned();
    assert_eq!(answers, [Answer::Delivered, Answer::Delivered, Answer::Refused(refused), Answer::Open]);
}

#[test]
fn statuses_say_whether_it_is_the_request_or_the_receiver() {
    for (status, is_refused) in
        [(400, true), (413, true), (422, true), (401, false), (404, false), (429, false), (503, false), (302, false)]
    {
        let web = http(move |_| (status, "why".into()));
        let settings = post::Settings {
            web,
            account: None,
            path: template("/x"),
            list: false,
            media_type: "application/x-ndjson",
        };
        let (result, _) = send(&mut post::Post::new(settings), &lines(2));
        match result {
            Err(Trouble::Refused(words)) => assert!(is_refused && words == format!("{status} why"), "{words}"),
            Err(Trouble::Away { words, after }) => {
                assert!(!is_refused && words == format!("{status} why"), "{words}");
                assert_eq!(after, Some(Duration::from_secs(7)));
            }
            Ok(()) => panic!("{status}"),
        }
    }
}

#[test]
fn a_list_or_lines_are_posted_packed_as_it_is_said() {
    for (list, packing, expected) in
        [(true, Packing::Zstd, "[{"), (false, Packing::Gzip, "{"), (false, Packing::Plain, "{")]
    {
        let web = http(move |request: Request| {
            assert!(request.body.starts_with(expected) && request.path == "/in/flow", "{}", request.body);
            assert_eq!((request.header("authorization"), request.header("x-site")), ("Bearer T", "one"));
            assert_eq!(request.header("idempotency-key"), "e0");
            assert_eq!(request.body.matches("event_type").count(), 3);
            (204, String::new())
        });
        let web = Web { packing, headers: vec![("x-site".into(), "one".into())], ..web };
        let account = Some(Account::Token("Bearer".into(), secret("T")));
        let settings =
            post::Settings { web, account, path: template("/in/{type}"), list, media_type: "application/x-ndjson" };
        let (result, answers) = send(&mut post::Post::new(settings), &lines(3));
        assert_eq!((result, answers), (Ok(()), vec![Answer::Delivered; 3]));
    }
}

#[test]
fn sentinel_gets_calls_below_its_limit_and_a_new_token_when_one_is_withdrawn() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let given = Arc::clone(&tokens);
    let web = http(move |request: Request| {
        if request.path == "/t1/oauth2/v2.0/token" {
            assert!(request.body.contains("client_secret=a%2Bb&scope=https%3A%2F%2Fmonitor"), "{}", request.body);
            let number = given.fetch_add(1, Ordering::Relaxed);
            return (200, format!(r#"{{"access_token":"k{number}","expires_in":3599}}"#));
        }
        assert_eq!(request.path, "/dataCollectionRules/dcr-1/streams/Custom-T_CL?api-version=2023-01-01");
        assert!(request.body.len() <= 1_000_000);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&request.body).unwrap();
        assert_eq!(rows[0]["TimeGenerated"], "2019-12-22T12:33:20.000001Z");
        // The first token is withdrawn.
        if request.header("authorization") == "Bearer k0" { (401, String::new()) } else { (204, String::new()) }
    });
    let mut sentinel = sentinel::Sentinel::new(sentinel::Settings {
        authority: web.base.clone(),
        web: Web { packing: Packing::Gzip, ..web },
        tenant: "t1".into(),
        client: "app".into(),
        secret: secret("a+b"),
        scope: "https://monitor.azure.com//.default".into(),
        rule: "dcr-1".into(),
        stream: "Custom-T_CL".into(),
    });
    let many = lines(12_000);
    let (result, _) = send(&mut sentinel, &many);
    assert!(matches!(result, Err(Trouble::Away { .. })));
    let (result, answers) = send(&mut sentinel, &many);
    assert_eq!((result, answers), (Ok(()), vec![Answer::Delivered; 12_000]));
    assert_eq!(tokens.load(Ordering::Relaxed), 2);
}

#[test]
fn a_batch_that_is_stored_twice_is_one_object() {
    let objects: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let stored = Arc::clone(&objects);
    let web = http(move |request: Request| {
        assert_eq!(request.method, "PUT");
        let authorization = request.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AK/"), "{authorization}");
        stored.lock().unwrap().insert(request.path.clone(), request.body.clone());
        (200, String::new())
    });
    let host = web.base.trim_start_matches("http://").to_owned();
    let mut s3 = s3::S3::new(s3::Settings {
        web,
        host,
        bucket: "b".into(),
        prefix: template("tapwire/{date}/{hour}/"),
        region: "eu-1".into(),
        key: "AK".into(),
        secret: secret("SK"),
    });
    for _ in 0..2 {
        assert_eq!(send(&mut s3, &lines(3)), (Ok(()), vec![Answer::Delivered; 3]));
    }
    let objects = objects.lock().unwrap();
    let (path, body) = objects.iter().next().unwrap();
    assert!(objects.len() == 1 && body.lines().count() == 3);
    assert!(path.starts_with("/b/tapwire/2019-12-22/12/20191222T123320-") && path.ends_with(".json"), "{path}");
}

#[test]
fn certificates_are_verified_unless_that_is_switched_off() {
    let trust = trust();
    let path = |name: &str| Some(trust.folder.path().join(name));
    let talk = |config: &Arc<rustls::ServerConfig>| {
        let config = Arc::clone(config);
        let address = listen(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut bytes = [0; 5];
            if stream.read_exact(&mut bytes).is_ok() {
                stream.write_all(&bytes).ok();
            }
        });
        Address { host: "localhost".into(), ..address }
    };
    let (server, strict) = (talk(&trust.server), talk(&trust.strict));
    let own = Tls { authorities: path("ca.pem"), ..Tls::default() };
    let client = Tls { certificate: path("client.pem"), key: path("client.key"), ..own.clone() };
    for (name, to, tls, works) in [
        ("own authority", &server, own.clone(), true),
        ("system's authorities", &server, Tls::default(), false),
        ("another authority", &server, Tls { authorities: path("other.pem"), ..Tls::default() }, false),
        ("another name", &server, Tls { name: Some("siem".into()), ..own.clone() }, false),
        ("not verified", &server, Tls { unverified: true, ..Tls::default() }, true),
        ("client's certificate", &strict, client.clone(), true),
        ("without it", &strict, own.clone(), false),
        ("no such file", &server, Tls { authorities: path("none.pem"), ..Tls::default() }, false),
    ] {
        let route = Route { tls, ..route(Place::Tls(to.clone())) };
        let answer = Connection::open(&route).and_then(|mut connection| {
            connection.write_all(b"hello")?;
            let mut bytes = [0; 5];
            connection.read_exact(&mut bytes)?;
            Ok(bytes)
        });
        assert_eq!(answer.ok(), works.then_some(*b"hello"), "{name}");
    }
    // The same for HTTP, which has its own client.
    for (name, config, tls, works) in [
        ("own authority", &trust.server, own.clone(), true),
        ("system's authorities", &trust.server, Tls::default(), false),
        ("not verified", &trust.server, Tls { unverified: true, ..Tls::default() }, true),
        ("client's certificate", &trust.strict, client, true),
        ("without it", &trust.strict, own, false),
    ] {
        let web = Web { tls, ..https(Arc::clone(config), |_| (200, String::new())) };
        let settings =
            post::Settings { web, account: None, path: template("/"), list: false, media_type: "text/plain" };
        let (result, _) = send(&mut post::Post::new(settings), &lines(1));
        assert_eq!(result.is_ok(), works, "{name}: {result:?}");
    }
}

#[test]
fn a_proxy_is_asked_to_connect_and_told_who_asks() {
    let target = listen(|mut stream| {
        stream.write_all(b"here").ok();
    });
    let goal = target.clone();
    let proxy = listen(move |stream| {
        let mut reader = BufReader::new(stream);
        let request = stand_in::read(&mut reader).unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("CONNECT", &*goal.to_string()));
        let is_known = request.header("proxy-authorization") == "Basic bWU6cHc=";
        let mut stream = reader.into_inner();
        if !is_known {
            stream.write_all(b"HTTP/1.1 407 who are you\r\n\r\n").ok();
            return;
        }
        stream.write_all(b"HTTP/1.1 200 ok\r\n\r\n").ok();
        let mut through = std::net::TcpStream::connect((goal.host.as_str(), goal.port)).unwrap();
        std::io::copy(&mut through, &mut stream).ok();
    });
    let through = |password: &str| {
        let proxy = Proxy { address: proxy.clone(), user: Some("me".into()), password: Some(secret(password)) };
        Route { proxy: Some(proxy), ..route(Place::Tcp(target.clone())) }
    };
    let mut text = String::new();
    Connection::open(&through("pw")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "here");
    let Err(Trouble::Away { words, .. }) = Connection::open(&through("wrong")) else { panic!("it was let through") };
    assert!(words.contains("407") && !words.contains("wrong"), "{words}");
}
