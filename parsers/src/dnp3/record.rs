//! The `dnp3` object of records.

use super::message::Message;
use super::points;
use crate::json::Object;
use crate::protocol::{Purpose, Recorder, Settings, Transaction};

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let enabled = settings.switch("enabled", true);
    let limit = usize::try_from(settings.number("points", POINTS)).unwrap_or(usize::MAX);
    let mut recorder = Recorder::new(move |transaction: &dyn Transaction, purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        if purpose == Purpose::Record && !enabled {
            return false;
        }
        record.object("dnp3", |dnp3| {
            if purpose == Purpose::Reference {
                let key = if message.kind() == "request" { "request" } else { "response" };
                dnp3.object(key, |out| write(message, limit, out));
            } else {
                write(message, limit, dnp3);
            }
        });
        true
    });
    recorder.shows_flow_ends = true;
    recorder
}

/// Points of a message that its record shows, unless the settings say otherwise.
const POINTS: u64 = 1_024;

fn write(message: &Message, limit: usize, out: &mut Object<'_>) {
    let mut left = limit;
    let link = message.link.control;
    out.text("type", message.kind());
    out.object("control", |control| {
        control.boolean("dir", link & 0x80 != 0).boolean("pri", link & 0x40 != 0);
        control.boolean("fcb", link & 0x20 != 0).boolean("fcv", link & 0x10 != 0);
        control.number("function_code", link & 15);
    });
    out.number("src", message.link.source).number("dst", message.link.destination);
    out.object("application", |application| {
        application.object("control", |control| {
            let bits = message.control;
            control.boolean("fir", bits & 0x80 != 0).boolean("fin", bits & 0x40 != 0);
            control.boolean("con", bits & 0x20 != 0).boolean("uns", bits & 0x10 != 0).number("sequence", bits & 15);
        });
        application.number("function_code", message.function);
        if !message.objects.is_empty() {
            application.array("objects", |objects| {
                for header in &message.objects {
                    objects.object(|o| {
                        o.number("group", header.group).number("variation", header.variation);
                        o.number("qualifier", header.qualifier).number("prefix_code", header.prefix_code());
                        o.number("range_code", header.range_code()).number("start", header.range.0);
                        o.number("stop", header.range.1).number("count", header.count);
                        if left > 0 && points::are_known(header) {
                            o.array("points", |points| left -= points::write(message, header, left, points));
                        }
                    });
                }
            });
        }
        application.boolean("complete", message.complete);
    });
    if message.indications.is_some() {
        out.object("iin", |iin| {
            if message.indication_names().next().is_some() {
                iin.array("indicators", |names| {
                    for name in message.indication_names() {
                        names.text(name);
                    }
                });
            }
        });
    }
}
