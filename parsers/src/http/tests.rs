//! Whole conversations.

use super::PROTOCOL;
use super::anomalies::ANOMALIES;
use super::parser::{HttpParser, Limits};
use super::transaction::Exchange;
use crate::json::Object;
use crate::protocol::{
    Anomaly, Course, Direction, FileHandle, FileRange, FileSink, Input, Output, Parser, Purpose, Settings, Transaction,
    TransactionList,
};

/// What a conversation left behind.
struct Outcome {
    parser: HttpParser,
    anomalies: Vec<Anomaly>,
    files: Vec<String>,
    work: u64,
    course: Course,
}

impl Outcome {
    fn exchange(&self, id: u64) -> &Exchange {
        self.parser.transactions.find(id).unwrap()
    }

    fn names(&self) -> Vec<&'static str> {
        let of = |id| self.parser.transactions.get(id).map(|tx| tx.anomalies().to_vec()).unwrap_or_default();
        self.anomalies.iter().copied().chain(self.parser.transactions.range().flat_map(of)).map(|a| a.0).collect()
    }
}

#[derive(Default)]
struct Book {
    open: [String; 2],
    closed: Vec<String>,
}

impl FileSink for Book {
    fn open(&mut self, FileHandle { direction, .. }: FileHandle, transaction: u64, name: &[u8], _: Option<FileRange>) {
        self.open[direction.index()] = format!("{transaction} {} ", name.escape_ascii());
    }
    fn append(&mut self, FileHandle { direction, .. }: FileHandle, data: &[u8]) {
        self.open[direction.index()] += &data.escape_ascii().to_string();
    }
    fn gap(&mut self, _: FileHandle, _: u64) {}
    fn close(&mut self, FileHandle { direction, .. }: FileHandle, complete: bool) {
        let end = if complete { "" } else { " cut" };
        self.closed.push(std::mem::take(&mut self.open[direction.index()]) + end);
    }
}

fn run_with(settings: &Settings, requests: &[u8], responses: &[u8], cut: usize) -> Outcome {
    let mut parser = HttpParser::new(Limits::read(settings));
    let mut book = Book::default();
    let mut output = Output::new(&mut book);
    for (direction, data) in [(Direction::ToServer, requests), (Direction::ToClient, responses)] {
        let (mut from, mut to) = (0, 0);
        while to < data.len() {
            to = (to + cut).min(data.len());
            from += parser.advance(&Input::new(direction, &data[from..to]), &mut output).consumed;
        }
    }
    for direction in Direction::BOTH {
        parser.close(direction, &mut output);
    }
    let Output { anomalies, fuel, course, .. } = output;
    Outcome { parser, anomalies, files: book.closed, work: fuel.spent(), course }
}

fn run(requests: &[u8], responses: &[u8], cut: usize) -> Outcome {
    run_with(&settings(&[]), requests, responses, cut)
}

/// Settings with these switches and the limits of bodies that hold without a configuration.
fn settings(switches: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for (key, value) in [("request-body-limit", "100 KiB"), ("response-body-limit", "100 KiB")]
        .into_iter()
        .chain(switches.iter().map(|key| (*key, "yes")))
    {
        settings.0.insert(format!("libhtp.default-config.{key}"), value.into());
    }
    settings
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 ok\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn any_cut_finds_the_body_however_it_is_framed() {
    for response in [
        &b"HTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\nVIRUS"[..],
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nVI\r\n3;x\r\nRUS\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\nVIRUS\n",
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: \r\n \r\n chunked \r\n \r\nA: b\r\n\r\n5\r\nVIRUS\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\r\nA: b\r\n\r\rTransfer-Encoding: chunked\r\n\r\n5\r\nVIRUS\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\rContent-Length: 5\r\n\nVIRUS",
        b"junk\r\nHTTP/1.1 200 ok\n\nVIRUS",
        b"HTTP/1.1 100 ok\r\n\r\nHTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\nVIRUS",
        b"HTTP/1.1 101 ok\r\nContent-Length: 5\r\n\r\nVIRUS",
        b"HTTP/1.1 204 ok\r\nContent-Length: 5\r\n\r\nVIRUS",
        b"VIRUS without any header",
    ] {
        for cut in [1, 2, 7, 1000] {
            let done = run(GET, response, cut);
            let tx = done.exchange(0);
            assert!(tx.response.body().data.starts_with(b"VIRUS"), "{cut} {}", response.escape_ascii());
            assert!(tx.is_complete());
        }
    }
}

#[test]
fn answers_without_a_body_wait_for_none() {
    for (request, response) in [
        (&b"HEAD / HTTP/1.1\r\nHost: b\r\n\r\n"[..], &b"HTTP/1.1 200 ok\r\nContent-Length: 500\r\n\r\n"[..]),
        (GET, b"HTTP/1.1 204 none\r\nContent-Length: 500\r\n\r\n"),
        (GET, b"HTTP/1.1 304 same\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (GET, b"HTTP/1.1 103 early\r\nLink: x\r\n\r\nHTTP/1.1 200 ok\r\nContent-Length: 0\r\n\r\n"),
    ] {
        for cut in [1, 1000] {
            let done = run(&[request, GET].concat(), &[response, OK].concat(), cut);
            assert_eq!(done.exchange(1).response.body().data, b"x", "{}", response.escape_ascii());
            // Where it must have none and says that it has one, a record tells.
            let said = [b"204", b"304"].iter().any(|code| memchr::memmem::find(response, *code).is_some());
            assert_eq!(done.names(), if said { vec!["http.response_body_unexpected"] } else { vec![] });
        }
    }
}

#[test]
fn tunnels_and_upgrades_change_the_protocol() {
    for (request, response, expected) in [
        (&b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"[..], &b"HTTP/1.1 200 ok\r\n\r\n"[..], Course::Change(None)),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"HTTP/1.1 403 no\r\n\r\n", Course::Parse),
        (GET, b"HTTP/1.1 101 x\r\nUpgrade: WebSocket\r\n\r\n", Course::Change(Some("websocket"))),
        (GET, b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n", Course::Change(Some("http2"))),
        (GET, b"HTTP/1.1 101 x\r\n\r\n", Course::Parse),
    ] {
        assert_eq!(run(request, response, 1000).course, expected, "{}", response.escape_ascii());
    }
}

#[test]
fn files_of_a_form_come_out_one_by_one() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntext\r\n--B\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"one.txt\"\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--B\r\n\
        Content-Disposition: form-data; name=\"g\"; filename=\"two.txt\"\r\n\r\nsecond\r\n--B--\r\n";
    let request = format!(
        "POST /up HTTP/1.1\r\nHost: b\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for cut in [1, 5, 1000] {
        let done = run(request.as_bytes(), OK, cut);
        assert_eq!(done.files, ["0 one.txt first", "0 two.txt second", "0 /up x"]);
        assert_eq!(done.exchange(0).request.body().data, body.as_bytes());
    }
}

#[test]
fn what_comes_with_the_end_of_a_body_belongs_to_it() {
    let response = b"HTTP/1.1 200 ok\r\nContent-Length: 1\r\n\r\nx\r\n";
    let done = run(&GET.repeat(2), &[&response[..], OK].concat(), response.len());
    assert_eq!((done.exchange(0).response.body().wire, done.exchange(1).response.body().wire), (3, 1));
    assert!(done.names().contains(&"http.response_body_unexpected"));
}

#[test]
fn a_file_ends_where_inspection_does() {
    let response = [b"HTTP/1.1 200 ok\r\nContent-Length: 200000\r\n\r\n", vec![b'a'; 200_000].as_slice(), OK].concat();
    for cut in [999, 1 << 20] {
        let done = run(&[GET, GET].concat(), &response, cut);
        assert_eq!(done.files[0].len(), "0 /a ".len() + 102_400 + " cut".len());
        assert_eq!((done.exchange(0).response.body().wire, done.files[1].as_str()), (200_000, "1 /a x"));
    }
}

#[test]
fn a_limit_that_is_hit_is_an_anomaly_and_the_next_message_is_read() {
    let field = format!("{}: {}\r\n", "A", "x".repeat(30_000));
    let fields: String = (0..1100).map(|n| format!("h{n}: x\r\n")).collect();
    for (first, anomaly) in [
        (GET.repeat(600), "http.too_many_transactions"),
        (format!("GET / HTTP/1.1\r\nHost: b\r\n{fields}\r\n").into_bytes(), "http.request_too_many_headers"),
        (format!("GET / HTTP/1.1\r\nHost: b\r\n{field}\r\n").into_bytes(), "http.request_field_too_long"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(30_000)).into_bytes(), "http.request_field_too_long"),
    ] {
        for cut in [7, 1000, 1 << 20] {
            let done = run(&[&first, &b"GET /evil HTTP/1.1\r\nHost: b\r\n\r\n"[..]].concat(), b"", cut);
            let last = done.parser.transactions.range().end - 1;
            assert_eq!(*done.exchange(last).uri, *b"/evil", "{anomaly} {cut}");
            assert!(done.names().contains(&anomaly), "{anomaly} {cut}");
        }
    }
}

#[test]
fn answers_find_their_requests_after_some_were_given_up() {
    let requests: Vec<u8> =
        (0..520).flat_map(|n| format!("GET /{n} HTTP/1.1\r\nHost: b\r\n\r\n").into_bytes()).collect();
    let responses: Vec<u8> =
        (0..520).flat_map(|n| format!("HTTP/1.1 200 {n}\r\nContent-Length: 0\r\n\r\n").into_bytes()).collect();
    let done = run(&requests, &responses, 1000);
    let last = done.exchange(519);
    assert_eq!((&*last.uri, &*last.reason), (&b"/519"[..], &b"519"[..]));
}

#[test]
fn what_is_odd_raises_its_anomaly() {
    let gzip = "HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\u{1f}bad gzip";
    let form = "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\nContent-Type: multipart/form-data";
    let many = "a: b\r\n".repeat(2);
    let text = |text: &str| text.to_owned();
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: b\r\n{fields}\r\n");
    let ok = |fields: &str| format!("HTTP/1.1 200 ok\r\n{fields}\r\n");
    for (name, request, response) in [
        ("gzip_decompression_failed", get(""), text(gzip)),
        ("request_field_missing_colon", get("nocolon\r\n"), ok("")),
        ("response_field_missing_colon", get(""), ok("nocolon\r\n")),
        ("invalid_request_chunk_len", get("Transfer-Encoding: chunked\r\n") + "zz\r\n", ok("")),
        ("invalid_response_chunk_len", get(""), ok("Transfer-Encoding: chunked\r\n") + "zz\r\n"),
        ("invalid_transfer_encoding_value_in_request", get("Transfer-Encoding: x\r\n"), ok("")),
        ("invalid_transfer_encoding_value_in_response", get(""), ok("Transfer-Encoding: x\r\n")),
        ("invalid_content_length_field_in_request", get("Content-Length: x\r\n"), ok("")),
        ("invalid_content_length_field_in_response", get(""), ok("Content-Length: x\r\n")),
        ("100_continue_already_seen", get(""), "HTTP/1.1 100 go\r\n\r\n".repeat(2)),
        ("unable_to_match_response_to_request", text(""), ok("")),
        ("invalid_server_port_in_request", text("GET http://b:99999/ HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("invalid_authority_port", text("CONNECT b:x HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("request_header_invalid", get("a b: c\r\n"), ok("")),
        ("response_header_name_not_token", get(""), ok("a b: c\r\n")),
        ("request_invalid_empty_name", get(": c\r\n"), ok("")),
        ("response_invalid_empty_name", get(""), ok(": c\r\n")),
        ("request_invalid_lws_after_name", get("a : c\r\n"), ok("")),
        ("response_invalid_lws_after_name", get(""), ok("a : c\r\n")),
        ("content_length_extra_data_start", get(""), ok("Content-Length: +1\r\n")),
        ("content_length_extra_data_end", get(""), ok("Content-Length: 1 octet\r\n")),
        ("switching_proto_with_content_length", get(""), text("HTTP/1.1 101 x\r\nContent-Length: 1\r\n\r\n")),
        ("protocol_contains_extra_data", text("GET / HTTP/01.1\r\nHost: b\r\n\r\n"), ok("")),
        ("lzma_decompression_disabled", get(""), ok("Content-Encoding: lzma\r\n")),
        ("request_line_unknown_method", text("ODD\r\n\r\n"), ok("")),
        ("request_line_unknown_method_no_protocol", text("ODD /\r\n\r\n"), ok("")),
        ("deformed_eol", get(""), text("HTTP/1.1 200 ok\r\na: b\n\r\r\n\r\n")),
        ("missing_host_header", text("GET / HTTP/1.1\r\n\r\n"), ok("")),
        ("host_header_ambiguous", text("GET http://c/ HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("invalid_request_field_folding", text("GET / HTTP/1.1\r\n Host: b\r\n\r\n"), ok("")),
        ("invalid_response_field_folding", get(""), text("HTTP/1.1 200 ok\r\n a: b\r\n\r\n")),
        ("response_field_too_long", get(""), ok(&format!("a: {}\r\n", "x".repeat(20_000)))),
        ("multipart_generic_error", format!("{form}\r\n\r\n123456789"), ok("")),
        ("multipart_no_filedata", multipart("Content-Disposition: form-data; filename=a\r\n\r\n"), ok("")),
        ("multipart_invalid_header", multipart("bad\r\n\r\nx"), ok("")),
        ("request_uri_host_invalid", text("GET http://a|b/ HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("request_header_host_invalid", text("GET / HTTP/1.1\r\nHost: a|b\r\n\r\n"), ok("")),
        ("uri_delim_non_compliant", text("GET /\tHTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("uri_delim_non_compliant", text("GET /a b HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("method_delim_non_compliant", text("GET\t/ HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("request_line_leading_whitespace", text(" GET / HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("too_many_encoding_layers", get(""), ok("Content-Encoding: gzip, gzip, gzip, gzip, gzip\r\n")),
        ("abnormal_ce_header", get(""), ok("Content-Encoding: odd\r\n")),
        ("request_auth_unrecognized", get("Authorization: Odd x\r\n"), ok("")),
        ("request_header_repetition", get(&many), ok("")),
        ("response_header_repetition", get(""), ok(&many)),
        ("response_multipart_byteranges", get(""), ok("Content-Type: multipart/byteranges; boundary=x\r\n")),
        ("response_abnormal_transfer_encoding", get(""), ok("Transfer-Encoding: x, chunked\r\n")),
        ("response_chunked_old_proto", get(""), text("HTTP/1.0 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ("response_invalid_protocol", get(""), text("HTTP/x 200 ok\r\n\r\n")),
        ("response_invalid_status", get(""), text("HTTP/1.1 odd ok\r\n\r\n")),
        ("request_line_incomplete", text("GET /"), ok("")),
        ("double_encoded_uri", text("GET /%2541 HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("request_line_invalid", text("ODD /\r\n\r\n"), ok("")),
        ("request_body_unexpected", get("") + "{\"a\": 1}\r\n", ok("")),
        ("duplicate_content_length_field_in_request", get("Content-Length: 0\r\nContent-Length: 1\r\n"), ok("")),
        ("duplicate_content_length_field_in_response", get(""), ok("Content-Length: 0\r\nContent-Length: 1\r\n")),
        ("range_invalid", get(""), ok("Content-Range: odd\r\nContent-Length: 1\r\n") + "x"),
        ("file_name_too_long", format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(5000)), text("HTTP/1.1 200 ok\r\n\r\nx")),
        ("failed_protocol_change", get(""), text("HTTP/1.1 101 ok\r\n\r\n")),
        ("request_chunk_extension", get("Transfer-Encoding: chunked\r\n") + "0;a=b\r\n\r\n", ok("")),
        ("response_chunk_extension", get(""), ok("Transfer-Encoding: chunked\r\n") + "0;a=b\r\n\r\n"),
        ("request_line_missing_protocol", text("GET /\r\nHost: b\r\n\r\n"), ok("")),
        ("response_body_unexpected", get(""), text("no status line at all")),
        ("request_line_unknown_method_invalid_protocol", text("ODD / x\r\n\r\n"), ok("")),
    ] {
        let name = format!("http.{name}");
        assert!(ANOMALIES.iter().any(|kind| kind.name == name), "{name} is not declared");
        for cut in [1, 1 << 20] {
            let found = run(request.as_bytes(), response.as_bytes(), cut).names();
            assert!(found.contains(&name.as_str()), "{name}, not {found:?}");
        }
    }
    // What is usual raises nothing: two same lengths, spaces in plenty, a request of HTTP/0.9 and its answer.
    for (request, response) in [
        (GET, OK),
        (GET, b"HTTP/1.1 200 ok\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
        (b"GET  /a  HTTP/1.1\r\nHost: b\r\n\r\n", OK),
        (b"GET /a\r\n\r\n", b"<html>the answer"),
        (GET, b"HTTP/1.1 200 ok\r\nContent-Type: multipart/byteranges\r\nContent-Length: 1\r\n\r\nx"),
    ] {
        assert!(run(request, response, 1).names().is_empty(), "{:?}", run(request, response, 1).names());
    }
    let twice = run(b"GET / HTTP/1.1\r\nHost: b\r\na: 1\r\na: 2\r\na: 3\r\nc: 1\r\nc: 2\r\n\r\n", OK, 1).names();
    assert_eq!(twice, ["http.request_header_repetition"; 2], "one a field");
    assert_eq!(PROTOCOL.name, "http");
}

#[test]
fn what_follows_a_request_and_is_none_is_its_body() {
    let post = |length: &str| format!("POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\n\r\n");
    let unexpected = "http.request_body_unexpected";
    let unreadable = "http.invalid_content_length_field_in_request";
    for (head, body, event) in [
        (String::from_utf8_lossy(GET).into_owned(), "{\"a\": 1}\r\n", unexpected),
        (String::from_utf8_lossy(GET).into_owned(), "a=1&b=2\r\nmore of it\r\n", unexpected),
        (post("2"), "xx", ""),
        (post("-1"), "", unreadable),
        (post("-1"), "some body\r\n", unreadable),
        (post("five"), "bodyx=1", unreadable),
        (post("0x5"), "(\r\n", unreadable),
        (post("99999999999999999999999"), "some body\n", unreadable),
        (
            post("0").replace("Content-Length: 0", "Transfer-Encoding: chunked"),
            "no chunk\r\n",
            "http.invalid_request_chunk_len",
        ),
    ] {
        for cut in [1, 1000] {
            let requests = format!("{head}{body}GET /next HTTP/1.1\r\nHost: b\r\n\r\n");
            let done = run(requests.as_bytes(), &OK.repeat(2), cut);
            let (first, next) = (done.exchange(0), done.exchange(1));
            assert_eq!(next.uri.escape_ascii().to_string(), "/next", "{requests} {cut}");
            assert_eq!(
                first.request.body().data.escape_ascii().to_string(),
                body.escape_default().to_string().replace("\\'", "'"),
                "{requests} {cut}"
            );
            assert!(first.is_complete() && next.is_complete());
            assert_eq!(done.names().contains(&event), !event.is_empty(), "{requests} {:?}", done.names());
        }
    }
}

#[test]
fn the_end_and_the_answer_complete_what_has_no_line_end() {
    for (requests, responses) in [
        (&b"GET /a HTTP/1.1"[..], OK),
        (b"GET /a HTTP/1.1\r\nHost: b\r\nX: y", OK),
        (GET, b"HTTP/1.1 200 ok"),
        (GET, b"HTTP/1.1 200 ok\r\nX: y"),
    ] {
        for cut in [1, 1000] {
            let done = run(requests, responses, cut);
            let tx = done.exchange(0);
            assert_eq!((&*tx.uri, &*tx.status, tx.is_complete()), (&b"/a"[..], &b"200"[..], true));
            let of = if requests.len() < GET.len() || responses.len() > 20 {
                [&tx.request, &tx.response]
            } else {
                [&tx.request; 2]
            };
            assert_eq!(
                of.iter().any(|m| m.header(b"x").is_some()),
                [requests, responses].iter().any(|b| b.ends_with(b"y"))
            );
            assert_eq!(done.parser.transactions.range(), 0..1);
        }
    }
    // What comes of the line after the answer belongs to it.
    let mut parser = HttpParser::new(Limits::read(&settings(&[])));
    let mut book = Book::default();
    let mut output = Output::new(&mut book);
    let mut feed = |direction, data: &[u8]| parser.advance(&Input::new(direction, data), &mut output).consumed;
    assert_eq!(feed(Direction::ToServer, b"GET /a HTTP/1.1"), 0);
    assert_eq!(feed(Direction::ToClient, b"HTTP/1.1 408 late\r\n\r\n"), 21);
    assert_eq!(feed(Direction::ToServer, b"GET /a HTTP/1.1\r\n\r\n"), 19);
    assert_eq!((parser.transactions.range(), &*parser.transactions.find(0).unwrap().status), (0..1, &b"408"[..]));
}

#[test]
fn what_was_taken_at_the_end_is_not_read_again() {
    let mut parser = HttpParser::new(Limits::read(&settings(&[])));
    let mut book = Book::default();
    let mut output = Output::new(&mut book);
    parser.advance(&Input::new(Direction::ToServer, b"GET /a HTTP/1.1\r\nHost: b\r\nX: y"), &mut output);
    parser.close(Direction::ToServer, &mut output);
    assert_eq!(parser.advance(&Input::new(Direction::ToServer, b"X: y"), &mut output).consumed, 4);
    assert!(parser.transactions.find(0).unwrap().anomalies().is_empty());
}

#[test]
fn sizes_of_chunks_are_their_leading_digits() {
    for (chunks, content) in
        [("2junk\r\nab\r\n0\r\n\r\n", "ab"), ("2 2\r\nab\r\n0x4\r\n\r\n", "ab"), ("0x4\r\nabcd\r\n", "")]
    {
        let response = format!("HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        for cut in [1, 1000] {
            let done = run(GET, response.as_bytes(), cut);
            assert_eq!(done.exchange(0).response.body().data, content.as_bytes(), "{chunks:?} {cut}");
        }
    }
}

#[test]
fn a_tunnel_waits_for_its_answer() {
    let connect = b"CONNECT a:1 x HTTP/1.1\r\nHost: a:1\r\n\r\n";
    let early = [&connect[..], b"\r\n\x16\x03\x01\0\x0a\n"].concat();
    let done = run(&early, b"HTTP/1.1 200 ok\r\n\r\n", 1000);
    assert_eq!((done.course, done.parser.transactions.range()), (Course::Change(None), 0..1));
    assert_eq!(done.exchange(0).port, Some(1));
    let mut parser = HttpParser::new(Limits::read(&settings(&[])));
    let mut book = Book::default();
    let mut output = Output::new(&mut book);
    let mut feed = |direction, data: &[u8]| parser.advance(&Input::new(direction, data), &mut output).consumed;
    assert_eq!(feed(Direction::ToServer, &[&connect[..], GET].concat()), connect.len());
    feed(Direction::ToClient, b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(feed(Direction::ToServer, GET), GET.len());
    assert_eq!(parser.transactions.find(1).unwrap().uri.escape_ascii().to_string(), "/a");
}

#[test]
fn limits_count_bytes_that_came() {
    let mut parser = HttpParser::new(Limits::read(&Settings::default()));
    let mut book = Book::default();
    let mut output = Output::new(&mut book);
    parser.advance(&Input::new(Direction::ToServer, GET), &mut output);
    parser.advance(&Input::new(Direction::ToClient, b"HTTP/1.1 200 ok\r\n\r\nab"), &mut output);
    parser.gap(Direction::ToClient, 1 << 20, &mut output);
    parser.advance(&Input::new(Direction::ToClient, &[b'c'; 5000]), &mut output);
    assert_eq!(parser.transactions.find(0).unwrap().response.body().data.len(), 4096);
    // Of a form what waits at the limit is still of the file.
    let body = format!("--B\r\nContent-Disposition: form-data; filename=a\r\n\r\n{}", "x".repeat(5000));
    let head =
        "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 9999\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n";
    let done = run_with(&Settings::default(), format!("{head}{body}").as_bytes(), b"", 1000);
    assert_eq!(done.files, [format!("0 a {} cut", "x".repeat(4096 - (body.len() - 5000)))]);
}

#[test]
fn what_follows_a_lost_begin_or_a_lost_chunk_is_a_body_up_to_the_next_answer() {
    let next = "HTTP/1.1 201 ok\r\nContent-Length: 2\r\n\r\nyz";
    for (before, behind, body, odd) in [
        ("", "abc", "abc", 0),
        ("", "HTTP/1.1 200 ok\r\nContent-Length: 3\r\n\r\nabc", "abc", 0),
        ("HTTP/1.1 200 ok\r\nA: b\r\n", "abc", "abc", 1),
        ("HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nab", "cd\r\n", "abcd\r\n", 1),
        (
            "HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            "cd\nHTTP/ no answer\r\n",
            "abcd\nHTTP/ no answer\r\n",
            1,
        ),
    ] {
        let mut parser = HttpParser::new(Limits::read(&settings(&[])));
        let mut book = Book::default();
        let mut output = Output::new(&mut book);
        parser.advance(&Input::new(Direction::ToServer, &[GET, GET].concat()), &mut output);
        parser.advance(&Input::new(Direction::ToClient, before.as_bytes()), &mut output);
        assert!(parser.gap(Direction::ToClient, 100, &mut output));
        let rest = [behind, next].concat();
        let mut done = 0;
        while let Some(left) = rest.as_bytes().get(done..).filter(|left| !left.is_empty()) {
            done += parser.advance(&Input::new(Direction::ToClient, left), &mut output).consumed;
        }
        let answers = [0, 1].map(|id| parser.transactions.find(id).unwrap());
        let bodies = answers.map(|tx| tx.response.body().data.escape_ascii().to_string());
        let glued = body.ends_with("abc") && before.is_empty() && !behind.starts_with("HTTP");
        if glued || odd == 1 && behind == "abc" {
            // Nothing tells the next answer in the middle of a line.
            assert!(bodies[0].starts_with(body), "{bodies:?}");
        } else {
            assert_eq!(bodies, [body.as_bytes().escape_ascii().to_string(), "yz".into()], "{before:?}");
        }
        assert_eq!(output.anomalies.len(), odd, "{before:?}");
        assert!(answers[0].anomalies().is_empty(), "{:?}", answers[0].anomalies());
    }
}

#[test]
fn messages_are_frames_with_their_place() {
    let requests = [GET, b"POST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc", b"(x\r\n"].concat();
    let responses = [&b"HTTP/1.1 100 go\r\n\r\n"[..], OK, OK].concat();
    let (get, ok) = (GET.len(), OK.len());
    for cut in [1, 1000] {
        let mut parser = HttpParser::new(Limits::read(&settings(&[])));
        let mut book = Book::default();
        let mut found: Vec<(&str, usize, Option<u64>, Option<usize>)> = Vec::new();
        for (direction, data) in [(Direction::ToServer, &requests), (Direction::ToClient, &responses)] {
            let (mut from, mut to) = (0, 0);
            while to < data.len() {
                to = (to + cut).min(data.len());
                let mut output = Output { wants_frames: true, ..Output::new(&mut book) };
                let done = parser.advance(&Input::new(direction, &data[from..to]), &mut output).consumed;
                let at = |place: i64| from + usize::try_from(place).unwrap();
                for (name, end) in &output.ended_frames {
                    found.iter_mut().rfind(|f| f.0 == *name && f.3.is_none()).unwrap().3 = Some(at(*end));
                }
                let named = output.frames.iter();
                found.extend(named.map(|f| {
                    (f.name, at(f.begin), f.transaction, f.length.map(|l| at(f.begin) + usize::try_from(l).unwrap()))
                }));
                from += done;
            }
        }
        let post = requests.len() - 4;
        assert_eq!(
            found,
            [
                ("stream", 0, None, None),
                ("request", 0, Some(0), Some(get)),
                ("request", get, Some(1), Some(post)),
                ("request", post, Some(1), None),
                ("stream", 0, None, None),
                ("response", 0, Some(0), Some(19)),
                ("response", 19, Some(0), Some(19 + ok)),
                ("response", 19 + ok, Some(1), Some(19 + 2 * ok)),
            ]
        );
    }
}

#[test]
fn a_record_names_the_client_behind_a_proxy() {
    let request = b"GET / HTTP/1.1\r\nHost: b\r\nX-Real: 10.0.0.1, 10.0.0.2:99\r\n\r\n";
    for (more, expected) in [
        (&[("xff.enabled", "yes"), ("xff.header", "x-real")][..], Some(r#""xff":"10.0.0.2""#)),
        (
            &[("xff.enabled", "yes"), ("xff.header", "x-real"), ("xff.deployment", "forward")],
            Some(r#""xff":"10.0.0.1""#),
        ),
        (&[("xff.enabled", "yes"), ("xff.header", "x-real"), ("xff.mode", "overwrite")], None),
        (&[("xff.header", "x-real")], None),
        (&[("xff.enabled", "yes")], None),
    ] {
        let settings = Settings(more.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
        let (done, mut out) = (run(request, OK, 1000), Vec::new());
        (PROTOCOL.recorder)(&settings).write(done.exchange(0), Purpose::Record, &mut Object::new(&mut out));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(expected.is_some_and(|part| text.contains(part)), text.contains("xff"), "{text}");
        assert_eq!(expected.is_some(), text.contains("xff"), "{more:?} {text}");
    }
}

fn multipart(part: &str) -> String {
    let body = format!("--B\r\n{part}\r\n--B--\r\n");
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\nContent-Type: multipart/form-data; boundary=B\r\n\r\n{body}"
    )
}

#[test]
fn twice_the_bytes_cost_about_twice_the_work() {
    for requests in [GET.repeat(100), b"GET / HTTP/1.1\r\n \r\n".repeat(100), vec![b'x'; 100_000], b"\r".repeat(30_000)]
    {
        for cut in [1, 1000] {
            let (single, double) =
                (run(&requests, &requests, cut).work, run(&requests.repeat(2), &requests.repeat(2), cut).work);
            assert!(double * 10 <= single * 23, "{single} {double}");
        }
    }
}
