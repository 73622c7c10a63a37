use std::net::IpAddr;

use super::transaction::Exchange;
use super::*;
use crate::ftp_data::{self, Transfer};
use crate::protocol::{
    Anomaly, Course, Ends, Expected, FileText, Input, NoFiles, Opening, Output, Parser, Probe, Sides, Transaction,
};

const TO_SERVER: Direction = Direction::ToServer;
const TO_CLIENT: Direction = Direction::ToClient;

/// What came of lines that were given to a parser.
struct Run {
    parser: Box<dyn Parser>,
    expected: Vec<Expected>,
    anomalies: Vec<Anomaly>,
    course: Course,
}

/// Gives bytes to a parser in pieces of a size.
fn run(turns: &[(Direction, &[u8])], size: usize) -> Run {
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Tcp));
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let ends =
        Ends::Ip(Sides { client: (IpAddr::from([10, 0, 0, 1]), 4000), server: (IpAddr::from([10, 0, 0, 2]), 21) });
    for (direction, data) in turns {
        let (mut done, mut end) = (0, 0);
        while end < data.len() {
            end = (end + size).min(data.len());
            done += parser.advance(&Input { ends, ..Input::new(*direction, &data[done..end]) }, &mut output).consumed;
        }
    }
    let Output { expected, anomalies, course, .. } = output;
    Run { parser, expected, anomalies, course }
}

impl Run {
    fn all(&self) -> Vec<&Exchange> {
        let list = self.parser.transactions();
        list.range().filter_map(|id| list.get(id)?.as_any().downcast_ref()).collect()
    }

    /// Each transaction as command, argument, codes and lines.
    fn told(&self) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let tell = |tx: &&Exchange| {
            let codes: Vec<String> = tx.codes().iter().map(|code| text(code)).collect();
            let lines: Vec<String> = tx.replies().iter().map(|line| text(line)).collect();
            let over = if tx.is_complete() { "" } else { " open" };
            format!("{} {} [{}] [{}]{over}", text(tx.command()), text(tx.argument()), codes.join(","), lines.join("|"))
        };
        self.all().iter().map(tell).collect()
    }
}

#[test]
fn commands_and_their_replies_are_one() {
    let turns: &[(Direction, &[u8])] = &[
        (TO_CLIENT, b"220-Hello\r\n 220 there\r\n220 ready\r\n"),
        (TO_SERVER, b"user joe\r\nPASS  secret \r\nRETR a b.txt\n"),
        (TO_CLIENT, b"331 who?\r\n230 in\r\n150 it comes\r\n226\r\n"),
        (TO_SERVER, b"\r\nQUIT\r\n"),
    ];
    let told = [
        "  [220] [220-Hello| 220 there|ready]",
        "USER joe [331] [who?]",
        "PASS  secret  [230] [in]",
        "RETR a b.txt [150,226] [it comes|]",
        "QUIT  [] [] open",
    ];
    for size in [1, 2, 7, 1_000] {
        let run = run(turns, size);
        assert_eq!(run.told(), told, "pieces of {size}");
        assert!(run.anomalies.is_empty() && run.expected.is_empty());
    }
}

#[test]
fn connections_for_data_are_announced() {
    let (client, server) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    type Ports = ((IpAddr, Option<u16>), (IpAddr, Option<u16>));
    let (active, passive): (Ports, Ports) =
        (((server, None), (client, Some(258))), ((client, None), (server, Some(258))));
    for (turn, ends) in [
        ((TO_SERVER, &b"PORT 10,0,0,1,1,2\r\n"[..]), Some(active)),
        // What is behind a gateway names its own address.
        ((TO_SERVER, b"PORT 192,168,1,7,1,2\r\n"), Some(active)),
        ((TO_SERVER, b"EPRT |1|10.0.0.1|258|\r\n"), Some(active)),
        ((TO_SERVER, b"eprt !2!fd00::1!258!\r\n"), Some(active)),
        ((TO_CLIENT, b"227 Entering Passive Mode (10,0,0,2,1,2).\r\n"), Some(passive)),
        ((TO_CLIENT, b"227 =10,0,0,2,1,2\r\n"), Some(passive)),
        ((TO_CLIENT, b"229 Entering Extended Passive Mode (|||258|)\r\n"), Some(passive)),
        // A third host.
        ((TO_SERVER, b"PORT 203,0,113,9,1,2\r\n"), None),
        ((TO_SERVER, b"PORT 10,0,0,1,1\r\n"), None),
        ((TO_SERVER, b"PORT 10,0,0,1,1,256\r\n"), None),
        ((TO_SERVER, b"EPRT |1|10.0.0.1|65536|\r\n"), None),
        ((TO_CLIENT, b"229 ()\r\n"), None),
    ] {
        let run = run(&[turn], 1_000);
        assert_eq!(run.expected.first().map(|e| (e.from, e.to)), ends, "{:?}", String::from_utf8_lossy(turn.1));
        assert!(run.expected.iter().all(|e| e.protocol == "ftp-data"));
        if ends.is_some() {
            assert_eq!(run.all()[0].mode(), Some((ends == Some(passive), 258)));
        }
    }
}

#[test]
fn data_belongs_to_the_command_that_follows() {
    for (command, file, name) in
        [("RETR a.txt", "a.txt:01?234.", "a.txt"), ("LIST -la", "", ""), ("NOOP", ":01?234.", "")]
    {
        let control =
            run(&[(TO_CLIENT, b"227 (10,0,0,2,1,2)\r\n"), (TO_SERVER, format!("{command}\r\n").as_bytes())], 1_000);
        let opening = Opening { context: Some(control.expected[0].context.clone()), ..Opening::by(Carrier::Tcp) };
        let mut parser = (ftp_data::PROTOCOL.configure)(&Settings::default())(&opening);
        let mut text = FileText::default();
        let mut output = Output::new(&mut text);
        for part in [&b"01"[..], b"", b"234"] {
            match part {
                b"" => drop(parser.gap(TO_CLIENT, 1, &mut output)),
                _ => assert_eq!(parser.advance(&Input::new(TO_CLIENT, part), &mut output).consumed, part.len()),
            }
        }
        parser.close(TO_CLIENT, &mut output);
        assert_eq!(text.0, file, "{command}");
        let transfer = parser.transactions().get(0).unwrap().as_any().downcast_ref::<Transfer>().unwrap();
        assert_eq!((transfer.name(), transfer.is_complete()), (name.as_bytes(), true));
    }
}

#[test]
fn long_lines_are_cut() {
    let long = [b"SIZE ", &[b'a'; 10_000][..], b"\r\nSIZE b\r\n"].concat();
    let reply = [b"150 ", &[b'x'; 5_000][..], b"\r\n226 ok\r\n"].concat();
    for size in [1, 1_000, 20_000] {
        let run = run(&[(TO_SERVER, &long), (TO_CLIENT, &reply)], size);
        let all = run.all();
        assert_eq!((all.len(), all[0].argument().len(), all[0].is_command_cut()), (2, 4_091, true), "pieces of {size}");
        assert_eq!((all[1].argument(), all[1].is_command_cut()), (&b"b"[..], false));
        assert_eq!((all[0].replies().len(), all[0].is_reply_cut(), all[0].is_complete()), (2, true, true));
        let wanted = [Anomaly("ftp.request_command_too_long"), Anomaly("ftp.response_command_too_long")];
        assert_eq!(all[0].anomalies(), wanted);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let run = run(&[(TO_SERVER, &b"NOOP\r\n".repeat(1_000)), (TO_CLIENT, &b"200-x\r\n".repeat(10_000))], 1_460);
    assert_eq!(run.all().len(), 256);
    assert!(run.anomalies.contains(&Anomaly("ftp.too_many_transactions")));
    assert!(run.parser.held_bytes() < 256 << 10, "{}", run.parser.held_bytes());
}

#[test]
fn encryption_is_agreed_on() {
    let run = run(&[(TO_SERVER, b"AUTH TLS\r\n"), (TO_CLIENT, b"234 go on\r\n\x16\x03\x03")], 1_000);
    assert_eq!((run.course, run.told()), (Course::Change(Some("tls")), vec!["AUTH TLS [234] [go on]".to_owned()]));
}

#[test]
fn beginnings_tell_ftp_from_others() {
    for (probe, data, answer) in [
        (control::begins_with_command as fn(&[u8]) -> Probe, &b"USER joe"[..], Probe::Yes),
        (control::begins_with_command, b"feat\r\n", Probe::Yes),
        (control::begins_with_command, b"US", Probe::Unsure),
        (control::begins_with_command, b"GET / HTTP/1.1", Probe::No),
        (control::begins_with_reply, b"220 vsFTPd", Probe::Yes),
        (control::begins_with_reply, b"220", Probe::Unsure),
        (control::begins_with_reply, b"SSH-2.0", Probe::No),
    ] {
        assert_eq!(probe(data), answer, "{data:?}");
    }
}

#[test]
fn a_transfer_without_a_connection_or_a_name_is_an_anomaly() {
    for (turns, expected) in [
        (&[(TO_SERVER, &b"RETR a\r\n"[..])][..], "ftp.file_before_port"),
        (&[(TO_SERVER, b"PORT 10,0,0,1,4,5\r\nRETR \r\n")], "ftp.file_without_name"),
        (&[(TO_SERVER, b"EPSV\r\n"), (TO_CLIENT, b"229 x (|||6446|)\r\n"), (TO_SERVER, b"STOR a\r\nAPPE b\r\n")], ""),
        (&[(TO_SERVER, b"LIST\r\nSTOU\r\n")], ""),
    ] {
        let run = run(turns, usize::MAX);
        let names: Vec<&str> = run.all().iter().flat_map(|tx| tx.anomalies()).map(|anomaly| anomaly.0).collect();
        assert_eq!(names.join(" "), expected, "{turns:?}");
    }
}
