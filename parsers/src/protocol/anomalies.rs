//! Anomalies of recognition and of parsers as such, which belong to no protocol.

use super::AnomalyKind;

/// All of them, in the order of their names. Rules name them without a protocol (`app-layer-event:applayer_memory_limit`).
pub const FLOW_ANOMALIES: &[AnomalyKind] = &[
    AnomalyKind {
        name: "applayer_carried_limit",
        record_name: "APPLAYER_CARRIED_LIMIT",
        doc: "One piece of a protocol carries more messages of another than are read; the rest was passed over.",
    },
    AnomalyKind {
        name: "applayer_detect_protocol_only_one_direction",
        record_name: "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION",
        doc: "The first bytes of one direction are of a protocol that is known, those of the other of none.",
    },
    AnomalyKind {
        name: "applayer_inspection_limit",
        record_name: "APPLAYER_INSPECTION_LIMIT",
        doc: "More came than is inspected, of a body, of a message or of encodings inside one another; the rest was passed over. It is told once a flow.",
    },
    AnomalyKind {
        name: "applayer_memory_limit",
        record_name: "APPLAYER_MEMORY_LIMIT",
        doc: "What the parser kept of this flow was given up for the memory of others; it begins anew with the next message.",
    },
    AnomalyKind {
        name: "applayer_mismatch_protocol_both_directions",
        record_name: "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS",
        doc: "The first bytes of the two directions are those of different protocols; the first that was recognised counts.",
    },
    AnomalyKind {
        name: "applayer_no_tls_after_starttls",
        record_name: "APPLAYER_NO_TLS_AFTER_STARTTLS",
        doc: "Both sides agreed on TLS, and something else came. It is never raised; rules may name it.",
    },
    AnomalyKind {
        name: "applayer_parser_fault",
        record_name: "APPLAYER_PARSER_FAULT",
        doc: "A parser panicked: a fault of tapwire. It ended the parsing of this flow and nothing else.",
    },
    AnomalyKind {
        name: "applayer_parser_out_of_fuel",
        record_name: "APPLAYER_PARSER_OUT_OF_FUEL",
        doc: "Reading these bytes takes more work than they are worth; the parser goes on with the next packet, as far as there is fuel.",
    },
    AnomalyKind {
        name: "applayer_proto_detection_skipped",
        record_name: "APPLAYER_PROTO_DETECTION_SKIPPED",
        doc: "The protocol of a flow was not looked for. It is never raised; rules may name it.",
    },
    AnomalyKind {
        name: "applayer_unexpected_protocol",
        record_name: "APPLAYER_UNEXPECTED_PROTOCOL",
        doc: "A flow changed to another protocol than was announced. It is never raised; rules may name it.",
    },
    AnomalyKind {
        name: "applayer_wrong_direction_first_data",
        record_name: "APPLAYER_WRONG_DIRECTION_FIRST_DATA",
        doc: "The side began that does not in this protocol. It is never raised; rules may name it.",
    },
];
