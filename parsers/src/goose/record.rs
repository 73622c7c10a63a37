//! What records show: the control block, its state, and what is told of it.

use super::transaction::{Transaction, What};
use crate::json::Object;
use crate::protocol::{Purpose, Recorder, Settings};

pub(super) fn recorder(_: &Settings) -> Recorder {
    Recorder::new(|transaction, purpose, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<Transaction>() else { return false };
        // What is odd about a message has a record of its own.
        if purpose == Purpose::Record && matches!(transaction.what, What::Odd | What::Unread) {
            return false;
        }
        record.object("goose", |goose| write(goose, transaction));
        true
    })
}

fn write(goose: &mut Object<'_>, transaction: &Transaction) {
    let Transaction { what, state, items, .. } = transaction;
    goose.text("verb", what.verb()).number("appid", state.header.appid);
    if *what == What::Unread {
        return;
    }
    goose.text("gocb_ref", &state.gocb_ref).text("dat_set", &state.dat_set);
    if !state.go_id.is_empty() {
        goose.text("go_id", &state.go_id);
    }
    goose.number("st_num", state.st_num).number("sq_num", state.sq_num).number("conf_rev", state.conf_rev);
    goose.number("time_allowed_to_live", state.time_allowed_to_live_ms).float("t", state.time.epoch_s());
    if state.time.quality != 0 {
        goose.number("t_quality", state.time.quality);
    }
    goose.boolean("simulation", state.simulation).boolean("nds_com", state.nds_com).number("entries", state.entries);
    match *what {
        What::Change(previous) => {
            goose.object("previous", |o| {
                o.number("st_num", previous.st_num).number("sq_num", previous.sq_num);
                o.number("frames", previous.frames).number("seconds", previous.seconds);
            });
        }
        What::Published { frames, state_frames } => {
            goose.number("frames", frames).number("state_frames", state_frames);
        }
        What::Begin | What::Odd | What::Unread => {}
    }
    if state.header.extension_len() > 0 {
        goose.number("extension_length", state.header.extension_len());
    }
    if items.kept.is_empty() {
        return;
    }
    goose.array("objects", |objects| {
        for item in &items.kept {
            objects.object(|o| {
                o.text("address", &item.place).text("type", item.kind).text("value", &item.value);
            });
        }
    });
    if items.total > items.kept.len() {
        goose.number("objects_total", items.total);
    }
}
