//! The `dhcp` object of records: leases that were given, or with the setting `extended` every message and all that it says.

use std::net::IpAddr;

use crate::dhcp::message::{Message, option};
use crate::dhcp::tables::{message_type, parameter};
use crate::json::{Object, write_address};
use crate::protocol::{Purpose, Recorder, Settings, Transaction};

/// The message type that gives a lease.
const ACK: u8 = 5;

/// Reads the settings of records.
pub(super) fn recorder(settings: &Settings) -> Recorder {
    let enabled = settings.switch("enabled", true);
    let extended = settings.switch("extended", false);
    Recorder::new(move |transaction: &dyn Transaction, purpose, record| {
        let Some(message) = transaction.as_any().downcast_ref::<Message>() else { return false };
        let wanted = enabled && (extended || message.octet(option::MESSAGE_TYPE) == Some(ACK));
        if purpose == Purpose::Record && !wanted {
            return false;
        }
        record.object("dhcp", |dhcp| write(message, extended || purpose == Purpose::Reference, dhcp));
        true
    })
}

fn write(message: &Message, all: bool, dhcp: &mut Object<'_>) {
    dhcp.text("type", if message.is_reply { "reply" } else { "request" }).number("id", message.id);
    dhcp.text("client_mac", octets(&message.client_hardware));
    dhcp.address("assigned_ip", message.assigned_address.into());
    if all {
        dhcp.address("client_ip", message.client_address.into());
        for (key, address) in [("relay_ip", message.relay_address), ("next_server_ip", message.next_server_address)] {
            if message.is_reply || !address.is_unspecified() {
                dhcp.address(key, address.into());
            }
        }
    }
    if let Some(number) = message.octet(option::MESSAGE_TYPE) {
        dhcp.text("dhcp_type", message_type(number));
    }
    if let Some([_, id @ ..]) = message.option(option::CLIENT_ID) {
        dhcp.text("client_id", octets(id));
    }
    if let Some(name) = message.option(option::HOSTNAME) {
        dhcp.text("hostname", name);
    }
    let times = [
        ("lease_time", option::LEASE_TIME, all),
        ("renewal_time", option::RENEWAL_TIME, true),
        ("rebinding_time", option::REBINDING_TIME, all),
    ];
    for (key, code, shown) in times {
        if let Some(seconds) = message.number(code).filter(|_| shown) {
            dhcp.number(key, seconds);
        }
    }
    if all {
        write_rest(message, dhcp);
    }
}

fn write_rest(message: &Message, dhcp: &mut Object<'_>) {
    for (key, code) in [("requested_ip", option::REQUESTED_ADDRESS), ("subnet_mask", option::SUBNET_MASK)] {
        if let Some(address) = message.addresses(code).next() {
            dhcp.address(key, address.into());
        }
    }
    for (key, code) in [("routers", option::ROUTERS), ("dns_servers", option::DNS_SERVERS)] {
        if message.addresses(code).next().is_some() {
            dhcp.array(key, |list| {
                for address in message.addresses(code) {
                    let mut text = Vec::new();
                    write_address(&mut text, IpAddr::V4(address));
                    list.text(text);
                }
            });
        }
    }
    if let Some(class) = message.option(option::VENDOR_CLASS) {
        dhcp.text("vendor_class_identifier", class);
    }
    let names = || message.option(option::PARAMETERS).unwrap_or_default().iter().filter_map(|&code| parameter(code));
    if names().next().is_some() {
        dhcp.array("params", |list| {
            for name in names() {
                list.text(name);
            }
        });
    }
}

/// Octets in hex with colons between them.
fn octets(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
