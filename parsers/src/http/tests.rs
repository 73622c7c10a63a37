//! Whole conversations.

use super::parser::{HttpParser, Limits};
use super::transaction::Exchange;
use super::{ANOMALIES, PROTOCOL};
use crate::protocol::{
    Anomaly, Course, Direction, FileHandle, FileRange, FileSink, Input, Output, Parser, Settings, Transaction,
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
    run_with(&Settings::default(), requests, responses, cut)
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 ok\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn any_cut_finds_the_body_however_it_is_framed() {
    for response in [
        &b"HTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\nEICAR"[..],
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nEI\r\n3;x\r\nCAR\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\nEICAR\n",
        b"HTTP/1.1 200 ok\r\nTransfer-Encoding: \r\n \r\n chunked \r\n \r\nA: b\r\n\r\n5\r\nEICAR\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\r\nA: b\r\n\r\rTransfer-Encoding: chunked\r\n\r\n5\r\nEICAR\r\n0\r\n\r\n",
        b"HTTP/1.1 200 ok\rContent-Length: 5\r\n\nEICAR",
        b"junk\r\nHTTP/1.1 200 ok\n\nEICAR",
        b"HTTP/1.1 100 ok\r\n\r\nHTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\nEICAR",
        b"HTTP/1.1 101 ok\r\nContent-Length: 5\r\n\r\nEICAR",
        b"HTTP/1.1 204 ok\r\nContent-Length: 5\r\n\r\nEICAR",
        b"EICAR without any header",
    ] {
        for cut in [1, 2, 7, 1000] {
            let done = run(GET, response, cut);
            let tx = done.exchange(0);
            assert!(tx.response.body().data.starts_with(b"EICAR"), "{cut} {}", response.escape_ascii());
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
            assert!(done.names().is_empty(), "{:?}", done.names());
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
        ("response_header_invalid", get(""), ok("a b: c\r\n")),
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
        ("request_line_incomplete", text("GET\r\n\r\n"), ok("")),
        ("double_encoded_uri", text("GET /%2541 HTTP/1.1\r\nHost: b\r\n\r\n"), ok("")),
        ("request_line_invalid", text("GET / HTTP/one\r\nHost: b\r\n\r\n"), ok("")),
        ("request_body_unexpected", get("") + "{\"a\": 1}\r\n", ok("")),
        ("duplicate_content_length_field_in_request", get(&"Content-Length: 0\r\n".repeat(2)), ok("")),
        ("duplicate_content_length_field_in_response", get(""), ok(&"Content-Length: 0\r\n".repeat(2))),
        ("range_invalid", get(""), ok("Content-Range: odd\r\nContent-Length: 1\r\n") + "x"),
        ("file_name_too_long", format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(5000)), text("HTTP/1.1 200 ok\r\n\r\nx")),
        ("failed_protocol_change", get(""), text("HTTP/1.1 101 ok\r\n\r\n")),
        ("request_chunk_extension", get("Transfer-Encoding: chunked\r\n") + "0;a=b\r\n\r\n", ok("")),
        ("response_chunk_extension", get(""), ok("Transfer-Encoding: chunked\r\n") + "0;a=b\r\n\r\n"),
        ("request_line_missing_protocol", text("GET /\r\n\r\n"), ok("")),
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
    assert!(run(GET, OK, 1).names().is_empty());
    assert_eq!(PROTOCOL.name, "http");
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
