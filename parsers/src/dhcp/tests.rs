//! Messages with the options that they may have, and what can be wrong with them.

use super::PROTOCOL;
use super::message::Message;
use crate::json::Object;
use crate::protocol::{
    Anomaly, Carrier, Direction, Input, NoFiles, Opening, Output, Probe, Purpose, Settings, Transaction, Value,
};

const TO_SERVER: Direction = Direction::ToServer;

/// A datagram with options behind the fixed part.
fn datagram(op: u8, options: &[u8]) -> Vec<u8> {
    let mut data = vec![op, 1, 6, 0, 0, 0, 0, 7, 0, 0, 0, 0];
    for last in 1..=4 {
        data.extend([192, 0, 2, last]);
    }
    data.extend([2, 0, 0, 0, 0, 9]);
    data.resize(236, 0);
    data.extend([99, 130, 83, 99]);
    data.extend(options);
    data
}

fn shown(data: &[u8], settings: &[(&str, &str)]) -> String {
    let settings = Settings(settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
    let message = Message::read(data, TO_SERVER).unwrap();
    let mut out = Vec::new();
    (PROTOCOL.recorder)(&settings).write(&message, Purpose::Record, &mut Object::new(&mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_lease_is_shown_and_with_extended_everything() {
    let options = [
        &[53, 1, 5, 12, 4, b'n', b'a', b's', 0, 51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 7, 8, 59, 4, 0, 0, 12, 78][..],
        &[1, 4, 255, 255, 255, 0, 3, 4, 192, 0, 2, 254, 6, 8, 192, 0, 2, 53, 192, 0, 2, 54, 61, 7, 1, 2, 0, 0, 0, 0, 9],
        &[60, 1, b'x', 50, 4, 192, 0, 2, 9, 55, 3, 1, 200, 6, 255],
    ]
    .concat();
    assert_eq!(
        shown(&datagram(2, &options), &[]),
        r#"{"dhcp":{"type":"reply","id":7,"client_mac":"02:00:00:00:00:09","assigned_ip":"192.0.2.2","dhcp_type":"ack","client_id":"02:00:00:00:00:09","hostname":"nas\u0000","renewal_time":1800}}"#
    );
    assert_eq!(
        shown(&datagram(2, &options), &[("extended", "yes")]),
        r#"{"dhcp":{"type":"reply","id":7,"client_mac":"02:00:00:00:00:09","assigned_ip":"192.0.2.2","client_ip":"192.0.2.1","relay_ip":"192.0.2.4","next_server_ip":"192.0.2.3","dhcp_type":"ack","client_id":"02:00:00:00:00:09","hostname":"nas\u0000","lease_time":3600,"renewal_time":1800,"rebinding_time":3150,"requested_ip":"192.0.2.9","subnet_mask":"255.255.255.0","routers":["192.0.2.254"],"dns_servers":["192.0.2.53","192.0.2.54"],"vendor_class_identifier":"x","params":["subnet_mask","dns_server"]}}"#
    );
    assert_eq!(shown(&datagram(1, &[53, 1, 1, 255]), &[]), "{}");
    assert_eq!(shown(&datagram(2, &options), &[("enabled", "no")]), "{}");
}

#[test]
fn numbers_are_there_in_the_direction_of_the_message() {
    let message = Message::read(&datagram(2, &[51, 4, 0, 0, 14, 16, 255]), TO_SERVER).unwrap();
    for (name, direction, expected) in [
        ("dhcp.leasetime", TO_SERVER, Some(Value::Number(3600))),
        ("dhcp.leasetime", Direction::ToClient, None),
        ("dhcp.renewal_time", TO_SERVER, None),
    ] {
        let field = PROTOCOL.fields.iter().find(|f| f.name == name).unwrap();
        assert_eq!((field.read)(&message, direction, 0), expected, "{name}");
    }
}

#[test]
fn options_stand_in_other_fields_too() {
    for (overload, expected) in
        [(0, (None, None)), (1, (Some(60), None)), (2, (None, Some(90))), (3, (Some(60), Some(90)))]
    {
        let mut data = datagram(2, &[52, 1, overload, 255]);
        data[108..115].copy_from_slice(&[51, 4, 0, 0, 0, 60, 255]);
        data[44..51].copy_from_slice(&[58, 4, 0, 0, 0, 90, 255]);
        let message = Message::read(&data, TO_SERVER).unwrap();
        assert_eq!((message.number(51), message.number(58)), expected, "{overload}");
        assert!(message.anomalies().is_empty());
    }
}

#[test]
fn what_is_wrong_is_an_anomaly_and_the_rest_is_read() {
    for (options, expected) in [
        (&[53, 1, 5, 255][..], None),
        (&[53, 1, 5], Some("dhcp.truncated_options")),
        (&[53, 1, 5, 12, 9, b'x'], Some("dhcp.truncated_options")),
        (&[53, 1, 5, 12], Some("dhcp.truncated_options")),
        (&[53, 1, 5, 51, 3, 0, 0, 1, 255], Some("dhcp.malformed_options")),
        (&[53, 1, 5, 3, 0, 255], Some("dhcp.malformed_options")),
        (&[53, 1, 5, 3, 2, 192, 0, 3, 2, 2, 1, 255], None),
    ] {
        let message = Message::read(&datagram(2, options), TO_SERVER).unwrap();
        assert_eq!(message.anomalies(), expected.map(Anomaly).as_slice(), "{options:?}");
        assert_eq!(message.octet(53), Some(5));
    }
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Udp));
    parser.advance(&Input::new(TO_SERVER, b"no message"), &mut output);
    assert_eq!(output.anomalies, [Anomaly("dhcp.malformed_options")]);
}

#[test]
fn messages_that_nobody_retires_are_bounded() {
    let mut files = NoFiles;
    let mut output = Output::new(&mut files);
    let mut parser = (PROTOCOL.configure)(&Settings::default())(&Opening::by(Carrier::Udp));
    for _ in 0..2000 {
        parser.advance(&Input::new(TO_SERVER, &datagram(1, &[53, 1, 1, 255])), &mut output);
    }
    assert_eq!(parser.transactions().range(), 0..1024);
    assert_eq!(output.anomalies.len(), 2000 - 1024);
}

#[test]
fn it_is_recognised_by_its_cookie() {
    let right = datagram(1, &[53, 1, 1]);
    let mut shifted = right.clone();
    shifted.remove(100);
    let mut other_hardware = shifted.clone();
    other_hardware[1] = 7;
    for (data, answer) in [
        (&right[..], Probe::Yes),
        (&right[..239], Probe::No),
        (&datagram(3, &[]), Probe::No),
        (&shifted, Probe::Yes),
        (&other_hardware, Probe::No),
    ] {
        assert_eq!((PROTOCOL.probe)(Carrier::Udp, TO_SERVER, data), answer);
    }
    let anomalies = [Anomaly("dhcp.truncated_options"), Anomaly("dhcp.malformed_options")];
    assert_eq!(Message::read(&shifted, TO_SERVER).unwrap().anomalies(), anomalies);
}
