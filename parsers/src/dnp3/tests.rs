//! Objects with their points, as records show them.

use super::frame::Header;
use super::message::{Limits, Message};
use super::{PROTOCOL, objects};
use crate::json::Object;
use crate::protocol::{Direction, Purpose, Settings};

/// The points that a record shows of objects in a response.
fn points(objects: &[u8], settings: &Settings) -> String {
    let data = [&[0xc0, 129, 0, 0][..], objects].concat();
    let limits = Limits { points: 100, objects: 9 };
    let message = Message::read(Direction::ToClient, Header::default(), data, limits);
    let mut out = Vec::new();
    (PROTOCOL.recorder)(settings).write(&message, Purpose::Record, &mut Object::new(&mut out));
    let text = String::from_utf8(out).unwrap();
    let shown = text.split(r#""points":"#).skip(1).filter_map(|rest| rest.split_once(']'));
    shown.map(|(points, _)| format!("{points}]")).collect()
}

#[test]
fn points_are_shown_with_their_parts() {
    for (objects, expected) in [
        // Bits of a group of inputs from 6 on; states of two bits; an output's status with its flags.
        (
            &[1, 1, 0, 6, 8, 0b101][..],
            r#"[{"prefix":0,"index":6,"state":1},{"prefix":0,"index":7,"state":0},{"prefix":0,"index":8,"state":1}]"#,
        ),
        (&[3, 1, 0, 0, 1, 0b1001], r#"[{"prefix":0,"index":0,"state":1},{"prefix":0,"index":1,"state":2}]"#),
        (
            &[10, 2, 0, 0, 0, 0x81],
            r#"[{"prefix":0,"index":0,"online":1,"restart":0,"comm_lost":0,"remote_forced":0,"local_forced":0,"reserved0":0,"reserved1":0,"state":1}]"#,
        ),
        // Events with their index in front: without time, with a relative one, a counter, a number with a fraction.
        (&[2, 1, 0x17, 1, 9, 0x81], r#"[{"prefix":9,"index":9,"state":129}]"#),
        (
            &[4, 3, 0x28, 1, 0, 3, 0, 0x81, 5, 1],
            r#"[{"prefix":3,"index":3,"online":1,"restart":0,"comm_lost":0,"remote_forced":0,"local_forced":0,"chatter_filter":0,"state":2,"relative_time_ms":261}]"#,
        ),
        (
            &[23, 8, 0x17, 1, 2, 1, 7, 0, 1, 0, 0, 0, 0, 0],
            r#"[{"prefix":2,"index":2,"online":1,"restart":0,"comm_lost":0,"remote_forced":0,"local_forced":0,"rollover":0,"reserved0":0,"reserved1":0,"count":7,"timestamp":1}]"#,
        ),
        (
            &[32, 5, 0x17, 1, 2, 1, 0, 0, 0xc0, 0x3f],
            r#"[{"prefix":2,"index":2,"online":1,"restart":0,"comm_lost":0,"remote_forced":0,"local_forced":0,"over_range":0,"reference_err":0,"reserved0":0,"value":1.5}]"#,
        ),
        // Commands: a relay, a set point below 0, one that is no number.
        (
            &[12, 1, 0x17, 1, 4, 0x41, 1, 0x64, 0, 0, 0, 0xc8, 0, 0, 0, 4],
            r#"[{"prefix":4,"index":4,"op_type":1,"qu":0,"cr":0,"tcc":1,"count":1,"ontime":100,"offtime":200,"status_code":4,"reserved":0}]"#,
        ),
        (&[41, 2, 0x17, 1, 4, 0xfe, 0xff, 0], r#"[{"prefix":4,"index":4,"value":-2,"control_status":0}]"#),
        (&[41, 3, 0x17, 1, 4, 0, 0, 0xc0, 0x7f, 0], r#"[{"prefix":4,"index":4,"value":"NaN","control_status":0}]"#),
        // Files and authentication, with their size in front.
        (
            &[70, 5, 0x5b, 1, 10, 0, 1, 0, 0, 0, 2, 0, 0, 0, b'h', b'i'],
            r#"[{"prefix":10,"index":0,"size":10,"file_handle":1,"block_number":2,"file_data":"aGk="}]"#,
        ),
        (
            &[120, 5, 0x5b, 1, 14, 0, 1, 0, 0, 0, 2, 0, 3, 4, 5, 1, 0, 0xaa, 0xbb, 0xcc],
            r#"[{"prefix":14,"index":0,"size":14,"ksq":1,"user_number":2,"key_wrap_alg":3,"key_status":4,"mal":5,"challenge_data_len":1,"challenge_data":"qg==","mac_value":"u8w="}]"#,
        ),
        // What states a length that it does not have shows what is before that.
        (
            &[120, 12, 0x5b, 1, 9, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0xaa],
            r#"[{"prefix":9,"index":0,"size":9,"ksq":1,"user_number":2,"challenge_data_len":9}]"#,
        ),
        // Strings whose variation is their length, attributes of the device, what is no list of points.
        (&[110, 2, 0, 0, 0, b'o', b'k'], r#"[{"prefix":0,"index":0,"value":"ok"}]"#),
        (
            &[0, 252, 0, 0, 0, 1, 3, b'A', b'B', b'C'],
            r#"[{"prefix":0,"index":0,"data_type":1,"length":3,"value":"ABC"}]"#,
        ),
        (&[0, 217, 0, 0, 0, 3, 1, 0xff], r#"[{"prefix":0,"index":0,"data_type":3,"length":1,"value":-1}]"#),
        (&[60, 2, 6], ""),
        (&[77, 1, 7, 1, 0], ""),
    ] {
        assert_eq!(points(objects, &Settings::default()), expected, "{objects:?}");
    }
}

#[test]
fn a_record_shows_a_bounded_number_of_points() {
    let settings = Settings([("points".to_owned(), "3".to_owned())].into());
    let two = [1, 1, 0, 0, 1, 0];
    assert_eq!(points(&[two, two].concat(), &settings).matches("prefix").count(), 3);
}

#[test]
fn each_object_that_is_assigned_has_a_size_or_one_in_front() {
    let assigned = [
        (1, 2),
        (2, 3),
        (3, 2),
        (4, 3),
        (10, 2),
        (11, 2),
        (12, 3),
        (13, 2),
        (20, 8),
        (21, 12),
        (22, 8),
        (23, 8),
        (30, 6),
        (31, 8),
        (32, 8),
        (33, 8),
        (34, 3),
        (40, 4),
        (41, 4),
        (42, 8),
        (43, 8),
        (50, 4),
        (51, 2),
        (52, 2),
        (60, 4),
        (70, 8),
        (80, 1),
        (81, 1),
        (82, 1),
        (83, 2),
        (85, 1),
        (86, 3),
        (87, 1),
        (88, 1),
        (90, 1),
        (91, 1),
        (100, 3),
        (101, 3),
        (102, 1),
        (110, 255),
        (113, 255),
        (120, 15),
        (121, 1),
        (122, 2),
    ];
    for (group, variations) in assigned {
        for variation in 1..=variations {
            let layout = objects::layout(group, variation);
            assert!(layout.is_some(), "{group} {variation}");
            let sized = matches!(group, 70 | 83 | 85..=88 | 90 | 91 | 120 | 82);
            assert!(sized || layout.unwrap().size_bits().is_some(), "{group} {variation}");
        }
        assert!(variations == 255 || objects::layout(group, variations + 1).is_none(), "{group}");
    }
}
