//! Keys of application protocols: whether and where each is looked for, and what its parser obeys.

use super::{Key, idle, size, switch, used, value};

const DEFAULT_ONLY: &str = "`default-config` counts for all servers";

pub(super) static KEYS: &[Key] = &[
    used(
        "app-layer.protocols.NAME.enabled",
        |_| "see [protocols](protocols.md)".into(),
        "`yes`, `no`, or `detection-only`: flows are recognised and not parsed.",
    ),
    used("app-layer.protocols.NAME.tcp.enabled", |_| switch(true), "`no`: it is not looked for over TCP."),
    used("app-layer.protocols.NAME.udp.enabled", |_| switch(true), "`no`: it is not looked for over UDP."),
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
    idle(
        "app-layer.protocols.error-policy",
        "What is done with a flow whose parser found a fault.",
        "its raw bytes are inspected on; `app_layer.error` counts it",
    ),
    idle("app-layer.protocols.smb2", "An older name of `smb`.", "it is not parsed yet"),
    used(
        "app-layer.protocols.dnp3.max-tx",
        |_| "500".into(),
        "Messages of a flow that are open at once; one more is passed over and an anomaly (`dnp3.flooded`).",
    ),
    used("app-layer.protocols.dnp3.max-points", |_| "16,384".into(), "Points of a message that are kept."),
    used(
        "app-layer.protocols.http.libhtp.default-config.max-tx",
        |_| "512".into(),
        "Exchanges of a flow that are open at once; the oldest is given up for one more.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.request-body-limit",
        |_| size(100 << 10),
        "Bytes of a request's body that rules look at; 0 for all.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.response-body-limit",
        |_| size(100 << 10),
        "Bytes of a response's body that rules look at; 0 for all.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.response-body-decompress-layer-limit",
        |_| "4".into(),
        "Encodings of a body that are undone one after another, 16 at most.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.compression-bomb-limit",
        |_| size(1 << 20),
        "Bytes above which a body that grows out of proportion when its encoding is undone is given up.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.decompression-time-limit",
        |_| "100,000".into(),
        "Microseconds of undoing the encodings of a body, counted as 512 bytes each, so that the same input gives the same records.",
    ),
    used("app-layer.protocols.http.libhtp.default-config.lzma-enabled", |_| switch(false), "LZMA is undone."),
    used(
        "app-layer.protocols.http.libhtp.default-config.lzma-memlimit",
        |_| size(1 << 20),
        "Memory for the dictionary of LZMA.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.meta-field-limit",
        |_| "18,432 bytes".into(),
        "Bytes of a request line, a status line or a header field.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.double-decode-path",
        |_| switch(false),
        "Percent signs in paths are undone twice.",
    ),
    used(
        "app-layer.protocols.http.libhtp.default-config.double-decode-query",
        |_| switch(false),
        "Percent signs in queries are undone twice.",
    ),
    idle("app-layer.protocols.http.libhtp.server-config", "Servers with a configuration of their own.", DEFAULT_ONLY),
    used(
        "app-layer.protocols.modbus.request-flood",
        |_| "500".into(),
        "Requests of a flow that wait for their answers; for one more the oldest is given up, with an anomaly (`modbus.flooded`).",
    ),
    used(
        "app-layer.protocols.ssh.hassh",
        |_| "yes, with `--config` where a rule looks at one".into(),
        "HASSH fingerprints are made.",
    ),
    used(
        "app-layer.protocols.ssh.encryption-handling",
        |_| value("track-only"),
        "What becomes of a flow once it is encrypted: `full` goes on to look at it, `bypass` does nothing more with it, anything else leaves its bytes aside.",
    ),
    used(
        "app-layer.protocols.tls.encryption-handling",
        |_| value("track-only"),
        "What becomes of a flow once it is encrypted, as for SSH: `full`, `bypass` or anything else.",
    ),
    used(
        "app-layer.protocols.tls.ja3-fingerprints",
        |_| switch(true),
        "JA3 fingerprints are made, and rules may require them.",
    ),
    used(
        "app-layer.protocols.tls.ja4-fingerprints",
        |_| switch(true),
        "JA4 fingerprints are made, and rules may require them.",
    ),
    used(
        "app-layer.protocols.websocket.max-payload-size",
        |_| size(64 << 10),
        "Bytes of a frame, and of a message of several frames, that are kept and looked at.",
    ),
    idle("tls", "An older place of the settings of TLS.", "`app-layer.protocols.tls` has them"),
    idle("ja3", "An older place of the settings of JA3.", "`app-layer.protocols.tls.ja3-fingerprints` has them"),
    idle("sip", "An older place of the settings of SIP.", "`app-layer.protocols.sip` has them"),
    idle("icmp_log", "A log of ICMP.", "flow records show it"),
];
