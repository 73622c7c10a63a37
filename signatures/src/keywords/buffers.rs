//! Sticky buffers: keywords that choose what the items after them look at.
//!
//! One table: keyword, the field's canonical name, other names of the keyword. A buffer whose field no registered protocol has is
//! accepted, and the rule counted as not yet active.

use tapwire_parsers::protocol::Direction;
use tapwire_parsers::{REGISTRY, protocol_id};

use super::Keyword;
use crate::language::builder::{Argument, Builder};
use crate::language::fault::Fault;
use crate::language::rule::{Buffer, RuleProtocol};

macro_rules! buffers {
    ($($name:literal $(, $alias:literal)*;)*) => {
        &[$(Keyword { name: $name, aliases: &[$($alias),*], doc: "A sticky buffer: what follows looks at it.", examples: &[], parse }),*]
    };
}

/// The family.
pub(super) static KEYWORDS: &[Keyword] = buffers! {
    "pkt_data";
    "http.uri"; "http.uri.raw"; "http.method"; "http.host"; "http.host.raw"; "http.header"; "http.header.raw";
    "http.header_names", "http_header_names"; "http.request_header"; "http.response_header"; "http.user_agent"; "http.cookie";
    "http.referer", "http_referer"; "http.accept", "http_accept"; "http.accept_enc", "http_accept_enc"; "http.accept_lang", "http_accept_lang";
    "http.connection", "http_connection"; "http.content_len", "http_content_len"; "http.content_type", "http_content_type"; "http.location";
    "http.server"; "http.protocol", "http_protocol"; "http.start", "http_start"; "http.request_line", "http_request_line";
    "http.response_line", "http_response_line"; "http.request_body"; "http.response_body"; "http.stat_code"; "http.stat_msg";
    "file.data", "file_data"; "file.name"; "file.magic"; "http2.header_name", "http2.header";
    "dns.query", "dns_query"; "dns.query.name"; "dns.queries.rrname"; "dns.answer.name"; "dns.answers.rrname"; "dns.authorities.rrname";
    "dns.additionals.rrname"; "dns.response.rrname"; "mdns.queries.rrname"; "mdns.answers.rrname"; "mdns.authorities.rrname";
    "mdns.additionals.rrname"; "mdns.response.rrname"; "llmnr.queries.rrname"; "llmnr.answers.rrname"; "llmnr.authorities.rrname";
    "llmnr.additionals.rrname"; "llmnr.response.rrname";
    "tls.sni", "tls_sni"; "tls.certs"; "tls.cert_subject", "tls_cert_subject", "tls.subject"; "tls.cert_issuer", "tls_cert_issuer", "tls.issuerdn";
    "tls.cert_serial", "tls_cert_serial"; "tls.cert_fingerprint", "tls_cert_fingerprint"; "tls.subjectaltname"; "tls.alpn"; "tls.random";
    "tls.random_time"; "tls.random_bytes"; "ja3.hash", "ja3_hash"; "ja3.string", "ja3_string"; "ja3s.hash", "ja3s_hash"; "ja3s.string", "ja3s_string"; "ja4.hash";
    "ssh.proto", "ssh_proto"; "ssh.software", "ssh_software"; "ssh.hassh"; "ssh.hassh.string"; "ssh.hassh.server"; "ssh.hassh.server.string";
    "quic.version"; "quic.sni"; "quic.ua"; "quic.cyu.hash"; "quic.cyu.string";
    "smtp.helo"; "smtp.mail_from"; "smtp.rcpt_to"; "email.from"; "email.to"; "email.cc"; "email.subject"; "email.date"; "email.message_id";
    "email.x_mailer"; "email.url"; "email.received"; "email.body_md5";
    "ftp.command"; "ftp.command_data"; "ftp.reply"; "ftp.completion_code";
    "smb.share", "smb_share"; "smb.named_pipe", "smb_named_pipe"; "smb.ntlmssp_user", "smb.ntlmssp.user"; "smb.ntlmssp_domain";
    "dcerpc.stub_data", "dce_stub_data"; "krb5.cname", "krb5_cname"; "krb5.sname", "krb5_sname";
    "ldap.request.dn"; "ldap.responses.dn"; "ldap.responses.message"; "ldap.request.attribute_type"; "ldap.responses.attribute_type";
    "sip.method"; "sip.uri"; "sip.protocol"; "sip.stat_code"; "sip.stat_msg"; "sip.request_line"; "sip.response_line"; "sip.from"; "sip.to"; "sip.via";
    "sip.user_agent"; "sip.content_type"; "sip.content_length"; "sdp.session_name"; "sdp.session_info"; "sdp.origin"; "sdp.uri"; "sdp.email";
    "sdp.phone_number"; "sdp.connection_data"; "sdp.bandwidth"; "sdp.time"; "sdp.repeat_time"; "sdp.timezone"; "sdp.encryption_key"; "sdp.attribute";
    "sdp.media.media"; "sdp.media.media_info"; "sdp.media.connection_data"; "sdp.media.encryption_key"; "sdp.media.bandwidth"; "sdp.media.attribute";
    "mqtt.connect.clientid"; "mqtt.connect.username"; "mqtt.connect.password"; "mqtt.connect.willtopic"; "mqtt.connect.willmessage";
    "mqtt.connect.protocol_string"; "mqtt.publish.topic"; "mqtt.publish.message"; "mqtt.subscribe.topic"; "mqtt.unsubscribe.topic";
    "rfb.name"; "snmp.community"; "snmp.usm"; "snmp.trap_oid"; "snmp.trap_address"; "ike.init_spi"; "ike.resp_spi"; "ike.vendor"; "ike.key_exchange_payload";
    "ike.nonce_payload"; "ntp.reference_id"; "websocket.payload"; "dnp3.data", "dnp3_data"; "enip.product_name"; "enip.service_name"; "pgsql.query";
    "frame";
    "ip.src"; "ip.dst"; "ipv4.hdr"; "ipv6.hdr"; "tcp.hdr"; "udp.hdr"; "icmpv4.hdr"; "icmpv6.hdr"; "igmp.hdr"; "sctp.hdr"; "sctp.chunk_data"; "ether.hdr";
};

/// The buffer that a canonical name means.
pub(super) fn resolve(name: &'static str) -> Buffer {
    match name {
        "pkt_data" => Buffer::Payload,
        "file.name" | "file.magic" => Buffer::File(name),
        "ip.src" | "ip.dst" | "ipv4.hdr" | "ipv6.hdr" | "tcp.hdr" | "udp.hdr" | "icmpv4.hdr" | "icmpv6.hdr"
        | "igmp.hdr" | "sctp.hdr" | "sctp.chunk_data" | "ether.hdr" => Buffer::Header(name),
        _ if REGISTRY.iter().flat_map(|p| p.fields).any(|f| f.name == name) => Buffer::Field(name),
        _ => Buffer::Later(name),
    }
}

/// The frame of a protocol that a name means: a message or a part of one. The protocol may be left to the rule's header.
fn frame(builder: &Builder<'_>, text: &str) -> Option<Buffer> {
    let fields = || REGISTRY.iter().flat_map(|p| p.fields).map(|field| field.name);
    let known = |whole: &str| {
        let found = fields().find(|name| name.strip_prefix("frame:") == Some(whole)).map(Buffer::Frame);
        found.or_else(|| fields().find(|name| name.strip_prefix("frame.") == Some(whole)).map(Buffer::Field))
    };
    let of_header = match builder.rule.protocol {
        RuleProtocol::Application(protocol) => Some(protocol),
        _ => None,
    };
    let found = of_header.and_then(|protocol| known(&format!("{protocol}.{text}"))).or_else(|| known(text));
    // Those of protocols that are not parsed yet are not known by name.
    let named = protocol_id(text.split('.').next().unwrap_or(text)).is_some();
    let is_stream = text == "stream" || text.ends_with(".stream");
    let may_come = is_stream || !named && of_header.is_none_or(|protocol| protocol_id(protocol).is_none());
    found.or_else(|| may_come.then_some(Buffer::Later("frame")))
}

fn parse(builder: &mut Builder<'_>, argument: &Argument<'_>) -> Result<(), Fault> {
    let keyword = KEYWORDS.iter().find(|k| k.name == argument.keyword || k.aliases.contains(&argument.keyword));
    let name = keyword.map_or("pkt_data", |k| k.name);
    if builder.is_idle() {
        return Err(argument.fault(
            "nothing looks at the sticky buffer before this one",
            "put a content or another condition after it",
        ));
    }
    let direction = match argument.text {
        None => None,
        Some(_) if name == "frame" => None,
        // `tls.subject:"CN=x"` is short for the buffer and a content.
        Some(_) if matches!(argument.keyword, "tls.subject" | "tls.issuerdn") => {
            builder.enter(resolve(name), argument.span.clone());
            super::content::push(builder, argument)?;
            builder.enter(Buffer::Payload, argument.span.clone());
            return Ok(());
        }
        Some("to_server" | "request") => Some(Direction::ToServer),
        Some("to_client" | "response") => Some(Direction::ToClient),
        Some(_) => {
            return Err(argument.fault(
                format!("`{}` takes no value", argument.keyword),
                "or to_server, to_client where the buffer is in both",
            ));
        }
    };
    let buffer = match argument.text {
        Some(text) if name == "frame" => frame(builder, text).ok_or_else(|| {
            argument.fault(format!("`{text}` is no frame of the protocol"), "such as dns.pdu or ssh.record.data")
        })?,
        _ => resolve(name),
    };
    if let Buffer::Later(name) = buffer {
        builder.rule.later.push(name);
    }
    builder.enter(buffer, argument.span.clone());
    if direction.is_some() {
        builder.section_to_transform().direction = direction;
    }
    Ok(())
}
