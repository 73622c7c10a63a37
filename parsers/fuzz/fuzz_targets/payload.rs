//! Any conditions on payloads, well written, on any payload: whatever numbers they have, none panics or takes more steps than it
//! may.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tapwire_fuzz::ask;
use tapwire_signatures::builder::Environment;
use tapwire_signatures::language::load::{Source, load};
use tapwire_signatures::plan::Plan;

/// A condition as a rule writes it.
#[derive(Arbitrary, Debug)]
enum Condition {
    Content { bytes: Vec<u8>, negated: bool, nocase: bool, place: [Option<i16>; 4], bounds: u8 },
    Regex { text: String, flags: u8 },
    IsDataAt { count: u16, negated: bool, relative: bool },
    Test { bytes: u8, negated: bool, operator: u8, value: u32, offset: i16, form: u8 },
    Jump { bytes: u8, offset: i16, multiplier: u8, post_offset: i16, form: u8 },
    Extract { bytes: u8, offset: i16, multiplier: u8, form: u8 },
    Math { bytes: u8, offset: i16, operator: u8, value: u32, form: u8 },
    Base64 { bytes: u16, offset: u16, relative: bool },
    Size { operator: u8, size: u16 },
    Transform(u8),
}

const TRANSFORMS: &[&str] = &[
    "to_lowercase",
    "to_uppercase",
    "strip_whitespace",
    "compress_whitespace",
    "url_decode",
    "dotprefix",
    "to_md5",
    "to_sha256",
    "xor:\"0d0ac8ff\"",
    "from_base64",
    "from_base64: mode strict, offset 2",
    "header_lowercase",
    "strip_pseudo_headers",
    "gunzip",
    "zlib_deflate",
];

fn pick<T: Copy>(list: &[T], number: u8) -> T {
    list[usize::from(number) % list.len()]
}

/// Byte order, text or not, and whether it counts from where the last match ended.
fn form(form: u8) -> String {
    let order = pick(&["", ", little", ", big"], form);
    let text = pick(&["", "", ", string, dec", ", string, hex", ", string, oct"], form >> 2);
    let relative = if form & 0x80 == 0 { "" } else { ", relative" };
    format!("{relative}{order}{text}")
}

impl Condition {
    fn write(&self, out: &mut String) {
        let not = |negated: &bool| if *negated { "!" } else { "" };
        *out += &match self {
            Self::Content { bytes, negated, nocase, place, bounds } => {
                let bytes: Vec<String> = bytes.iter().take(24).map(|byte| format!("{byte:02x}")).collect();
                let mut text = format!("content:{}\"|{}|\"; ", not(negated), bytes.join(" "));
                for (name, number) in ["offset", "depth", "distance", "within"].iter().zip(place) {
                    if let Some(number) = number {
                        text += &format!("{name}:{number}; ");
                    }
                }
                text += if *nocase { "nocase; " } else { "" };
                text + pick(&["", "", "startswith; ", "endswith; "], *bounds)
            }
            Self::Regex { text, flags } => {
                let text: String = text.chars().filter(|c| !matches!(c, '"' | ';' | '/')).take(40).collect();
                format!("pcre:\"/{text}/{}\"; ", pick(&["", "i", "s", "R", "RG", "smx"], *flags))
            }
            Self::IsDataAt { count, negated, relative } => {
                format!("isdataat:{}{count}{}; ", not(negated), if *relative { ", relative" } else { "" })
            }
            Self::Test { bytes, negated, operator, value, offset, form: f } => {
                let operator = pick(&["<", ">", "=", "<=", ">=", "&", "^"], *operator);
                format!("byte_test:{bytes}, {}{operator}, {value}, {offset}{}; ", not(negated), form(*f))
            }
            Self::Jump { bytes, offset, multiplier, post_offset, form: f } => {
                let more = format!("multiplier {multiplier}, post_offset {post_offset}");
                format!("byte_jump:{bytes}, {offset}, {more}{}; ", form(*f))
            }
            Self::Extract { bytes, offset, multiplier, form: f } => {
                format!("byte_extract:{bytes}, {offset}, it, multiplier {multiplier}{}; ", form(*f))
                    + "isdataat:it; content:\"a\"; distance:it; within:it; "
            }
            Self::Math { bytes, offset, operator, value, form: f } => {
                let operator = pick(&["+", "-", "*", "/", "<<", ">>"], *operator);
                let of = format!("bytes {bytes}, offset {offset}, oper {operator}, rvalue {value}, result that");
                format!("byte_math:{of}{}; byte_test:1, >, that, that; ", form(*f).replace("string,", "string"))
            }
            Self::Base64 { bytes, offset, relative } => {
                let relative = if *relative { ", relative" } else { "" };
                format!("base64_decode:bytes {bytes}, offset {offset}{relative}; base64_data; content:\"a\"; ")
            }
            Self::Size { operator, size } => format!("bsize:{}{size}; ", pick(&["", "<", ">", "!"], *operator)),
            Self::Transform(which) => format!("http.request_body; {}; content:\"a\"; ", pick(TRANSFORMS, *which)),
        };
    }
}

fuzz_target!(|input: (Vec<Vec<Condition>>, Vec<u8>)| {
    let mut text = String::new();
    for (sid, conditions) in (1..=8).zip(&input.0) {
        let protocol = if conditions.iter().any(|c| matches!(c, Condition::Transform(_))) { "http" } else { "ip" };
        text += &format!("alert {protocol} any any -> any any (");
        conditions.iter().take(12).for_each(|condition| condition.write(&mut text));
        text += &format!("sid:{sid};)\n");
    }
    let environment = Environment { version: (9, 0, 0), ..Environment::default() };
    let loaded = load(&[Source { name: "fuzz.rules".into(), text }], &environment);
    if !loaded.set.rules.is_empty() {
        let http = tapwire_parsers::protocol_id("http1").map_or(0, |id| id.0);
        ask(&Plan::new(loaded.set, &Default::default()), http, &input.1);
    }
});
