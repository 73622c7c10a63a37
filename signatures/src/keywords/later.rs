//! Keywords whose protocol or state is not active yet: they are accepted and counted, and their rules cannot match.

use super::Keyword;
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;

macro_rules! later {
    ($($name:literal)*) => {
        &[$(Keyword { name: $name, aliases: &[], doc: "Not active yet: rules that use it are counted and do not match.", examples: &[], parse }),*]
    };
}

/// The family.
pub(super) static KEYWORDS: &[Keyword] = later! {
    "dce_iface" "dcerpc.iface" "dce_opnum" "dcerpc.opnum" "smb.version" "smb.ntlmssp" "nfs_procedure" "nfs.procedure" "nfs_version" "nfs.version"
    "krb5_msg_type" "krb5_err_code" "krb5.weak_encryption" "krb5.malformed_ticket" "krb5.ticket_encryption"
    "ldap.request.operation" "ldap.responses.operation" "ldap.responses.count" "ldap.responses.result_code"
    "mqtt.type" "mqtt.flags" "mqtt.qos" "mqtt.reason_code" "mqtt.protocol_version" "mqtt.connect.flags" "mqtt.connack.session_present" "mqtt.connack.return_code"
    "mqtt.connack.sessionpresent" "rfb.sectype" "rfb.secresult" "snmp.version" "snmp.pdu_type" "snmp.trap_type" "ike.exchtype" "ike.chosen_sa_attribute"
    "ike.nonce_payload_length" "ike.key_exchange_payload_length"
    "websocket.opcode" "websocket.mask" "websocket.flags"
    "enip_command" "enip.command" "enip.status" "enip.capabilities" "enip.protocol_version" "enip.identity_status" "enip.serial" "enip.state" "enip.vendor_id"
    "enip.revision" "enip.product_code" "enip.device_type" "cip_service" "enip.cip_attribute" "enip.cip_class" "enip.cip_instance" "enip.cip_status"
    "enip.cip_extendedstatus" "http2.frametype" "http2.errorcode" "http2.priority" "http2.window" "http2.size_update" "http2.settings"
    "ftp.mode" "ftp.dynamic_port" "ftp.reply_received" "ftpdata_command" "ftpbounce"
};

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let keyword = KEYWORDS.iter().find(|k| k.name == argument.keyword).map_or("", |k| k.name);
    builder.rule.later.push(keyword);
    Ok(())
}
