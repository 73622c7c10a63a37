//! Keys of application protocols: whether and where each is looked for, and what its parser obeys.

use super::{Key, idle, seconds, size, used};

const DEFAULT_ONLY: &str = "`default-config` counts for all servers";

const CLIENTS: &str = "a protocol is looked for by the port of its server";
const ONE_MEMORY: &str = "`tapwire.parser-memory` is for all protocols";
const BODIES: &str = "a body is looked at as it comes, however it is cut";
const SAME: &str = "the same input gives the same records";

pub(super) static KEYS: &[Key] = &[
    used(
        "app-layer.protocols.NAME.enabled",
        |_| "see [protocols](protocols.md)".into(),
        "`yes`, `no`, or `detection-only`: flows are recognised and not parsed.",
    ),
    used(
        "app-layer.protocols.NAME.tcp.enabled",
        |_| "as the protocol".to_owned(),
        "The same over TCP; it outweighs what is said of the protocol.",
    ),
    used("app-layer.protocols.NAME.udp.enabled", |_| "as the protocol".to_owned(), "The same over UDP."),
    used(
        "app-layer.protocols.NAME.detection-ports.dp",
        |_| "see [protocols](protocols.md)".into(),
        "Ports of servers, such as `80, 8080`, on which it is looked for without a pattern that tells it.",
    ),
    used(
        "app-layer.protocols.NAME.tcp.detection-ports.dp",
        |_| "the same".into(),
        "Another place of those ports, for both carriers; `detection-ports.dp` goes before it.",
    ),
    used(
        "app-layer.protocols.NAME.udp.detection-ports.dp",
        |_| "the same".into(),
        "Another place of those ports, for both carriers; the two before go before it.",
    ),
    used(
        "app-layer.protocols.NAME.stream-depth",
        |_| "as `stream.reassembly.depth`".into(),
        "Bytes of each direction that are inspected once the protocol is known; 0 for all.",
    ),
    used(
        "app-layer.protocols.http.byterange.memcap",
        |c| size(c.file_parts_bytes),
        "Bytes of parts of files (`Content-Range`) that wait for those before them, so that the whole is looked at and recorded as well: also where a client fetches it over several connections to a server.",
    ),
    used(
        "app-layer.protocols.http.byterange.timeout",
        |c| seconds(c.file_parts_timeout_s),
        "How long, in seconds, parts of a file wait for the next one.",
    ),
    used(
        "app-layer.error-policy",
        |_| "as `exception-policy`".into(),
        "What is done with a flow whose parser gave up because of a fault: `ignore` inspects its raw bytes on, `pass-flow` asks no more rules, `bypass` does nothing more with it.",
    ),
    idle("app-layer.protocols.NAME.detection-ports.sp", "Ports of clients on which it is looked for.", CLIENTS),
    idle("app-layer.protocols.NAME.tcp.detection-ports.sp", "The same over TCP.", CLIENTS),
    idle("app-layer.protocols.NAME.udp.detection-ports.sp", "The same over UDP.", CLIENTS),
    idle("app-layer.protocols.ftp.memcap", "Memory of what is kept of FTP.", ONE_MEMORY),
    idle("app-layer.protocols.http.memcap", "Memory of what is kept of HTTP.", ONE_MEMORY),
    idle(
        "app-layer.protocols.http.libhtp.default-config.personality",
        "The server whose reading of requests counts.",
        "there is one reading, and what others read otherwise is an anomaly",
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.request-body-minimal-inspect-size",
        "Bytes of a request's body that are waited for before it is looked at.",
        BODIES,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.request-body-inspect-window",
        "Bytes of a request's body that are looked at together.",
        BODIES,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.response-body-minimal-inspect-size",
        "Bytes of an answer's body that are waited for before it is looked at.",
        BODIES,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.response-body-inspect-window",
        "Bytes of an answer's body that are looked at together.",
        BODIES,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.http-body-inline",
        "Bodies are looked at piece by piece as they come.",
        BODIES,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.swf-decompression",
        "Flash files are unpacked.",
        "they are looked at as they are",
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.headers-limit",
        "Headers that a message may have.",
        "its parser bounds them ([protocols](protocols.md))",
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.randomize-inspection-sizes",
        "Sizes of what is looked at together are varied.",
        SAME,
    ),
    idle(
        "app-layer.protocols.http.libhtp.default-config.randomize-inspection-range",
        "How much they are varied, in percent.",
        SAME,
    ),
    idle("app-layer.protocols.smb2", "An older name of `smb`.", "it is not parsed yet"),
    idle("app-layer.protocols.http.libhtp.server-config", "Servers with a configuration of their own.", DEFAULT_ONLY),
    idle("tls", "An older place of the settings of TLS.", "`app-layer.protocols.tls` has them"),
    idle("ja3", "An older place of the settings of JA3.", "`app-layer.protocols.tls.ja3-fingerprints` has them"),
    idle("sip", "An older place of the settings of SIP.", "`app-layer.protocols.sip` has them"),
    idle("icmp_log", "A log of ICMP.", "flow records show it"),
];
