//! The `modbus` object of records.

use std::fmt::Write as _;

use crate::json::Object;
use crate::modbus::message::{Data, Message};
use crate::modbus::tables::{diagnostic_name, exception_name, function_name, interface_name};
use crate::modbus::transaction::ModbusTransaction;
use crate::protocol::{Purpose, Recorder, Settings, Transaction};

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let enabled = settings.switch("enabled", true);
    Recorder::new(move |transaction: &dyn Transaction, purpose, record| {
        let Some(transaction) = transaction.as_any().downcast_ref::<ModbusTransaction>() else { return false };
        if purpose == Purpose::Record && !enabled {
            return false;
        }
        record.object("modbus", |modbus| {
            modbus.number("id", transaction.number());
            for (key, message) in [("request", transaction.request()), ("response", transaction.response())] {
                if let Some(message) = message {
                    modbus.object(key, |out| write_message(message, out));
                }
            }
        });
        true
    })
}

fn write_message(message: &Message, out: &mut Object<'_>) {
    out.number("transaction_id", message.transaction_id).number("protocol_id", message.protocol_id);
    out.number("unit_id", message.unit).number("function_raw", message.function);
    out.text("function_code", function_name(message.function_code())).text("access_type", message.access().names());
    out.text("category", message.category().names()).text("error_flags", message.errors.names());
    write_data(&message.data, out);
}

/// Values to write that are more than one number stand in `data`, because `write.data` is a number.
fn write_data(data: &Data, out: &mut Object<'_>) {
    match data {
        Data::None => {}
        Data::ReadRequest { address, quantity } => {
            out.object("read", |read| {
                read.number("address", *address).number("quantity", *quantity);
            });
        }
        Data::ReadResponse(data) => {
            out.object("read", |read| {
                read.text("data", hex(data));
            });
        }
        Data::Write { address, data } => {
            out.object("write", |write| {
                write.number("address", *address).number("data", *data);
            });
        }
        Data::WriteMultiple { address, data, .. } => {
            out.object("write", |write| {
                write.number("address", *address);
            });
            out.text("data", hex(data));
        }
        Data::Mask { address, and_mask, or_mask } => {
            out.object("write", |write| {
                write.number("address", *address);
            });
            out.text("data", format!("{and_mask:04x}{or_mask:04x}"));
        }
        Data::ReadWrite { read_address, read_quantity, write_address, data, .. } => {
            out.object("read", |read| {
                read.number("address", *read_address).number("quantity", *read_quantity);
            });
            out.object("write", |write| {
                write.number("address", *write_address);
            });
            out.text("data", hex(data));
        }
        Data::Diagnostic { code, data } => {
            out.object("diagnostic", |diagnostic| {
                diagnostic.number("raw", *code).text("code", diagnostic_name(*code)).text("data", hex(data));
            });
        }
        Data::Interface { code, data } => {
            out.object("mei", |mei| {
                mei.number("raw", *code).text("code", interface_name(u16::from(*code))).text("data", hex(data));
            });
        }
        Data::Exception(code) => {
            out.object("exception", |exception| {
                exception.number("raw", *code).text("code", exception_name(*code));
            });
        }
        Data::Bytes(data) => {
            out.text("data", hex(data));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
