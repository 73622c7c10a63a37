//! What can be wrong with HTTP, by the names that other sensors have for it.

use crate::protocol::AnomalyKind;

/// Said of what cannot happen here.
const NEVER: &str = "It is never raised; rules may name it.";

const fn kind(name: &'static str, record_name: &'static str, doc: &'static str) -> AnomalyKind {
    AnomalyKind { name, record_name, doc }
}

/// The table, with the names that rules have for them.
pub(super) static ANOMALIES: &[AnomalyKind] = &[
    kind("http.unknown_error", "UNKNOWN_ERROR", NEVER),
    kind("http.gzip_decompression_failed", "GZIP_DECOMPRESSION_FAILED", "Gzip decompression failed."),
    kind("http.request_field_missing_colon", "REQUEST_FIELD_MISSING_COLON", "Request field missing colon."),
    kind("http.response_field_missing_colon", "RESPONSE_FIELD_MISSING_COLON", "Response field missing colon."),
    kind("http.invalid_request_chunk_len", "INVALID_REQUEST_CHUNK_LEN", "Invalid request chunk len."),
    kind("http.invalid_response_chunk_len", "INVALID_RESPONSE_CHUNK_LEN", "Invalid response chunk len."),
    kind(
        "http.invalid_transfer_encoding_value_in_request",
        "INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST",
        "Invalid transfer encoding value in request.",
    ),
    kind(
        "http.invalid_transfer_encoding_value_in_response",
        "INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE",
        "Invalid transfer encoding value in response.",
    ),
    kind(
        "http.invalid_content_length_field_in_request",
        "INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST",
        "Invalid content length field in request.",
    ),
    kind(
        "http.invalid_content_length_field_in_response",
        "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE",
        "Invalid content length field in response.",
    ),
    kind("http.100_continue_already_seen", "100_CONTINUE_ALREADY_SEEN", "Status 100-Continue already seen."),
    kind(
        "http.unable_to_match_response_to_request",
        "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST",
        "Unable to match response to request.",
    ),
    kind("http.invalid_server_port_in_request", "INVALID_SERVER_PORT_IN_REQUEST", "Invalid server port in request."),
    kind("http.invalid_authority_port", "INVALID_AUTHORITY_PORT", "Invalid authority port."),
    kind(
        "http.request_header_invalid",
        "REQUEST_HEADER_INVALID",
        "The name of a header field of a request is no token.",
    ),
    kind("http.response_header_invalid", "RESPONSE_HEADER_INVALID", NEVER),
    kind("http.missing_host_header", "MISSING_HOST_HEADER", "Missing Host header."),
    kind("http.host_header_ambiguous", "HOST_HEADER_AMBIGUOUS", "Host header ambiguous."),
    kind("http.invalid_request_field_folding", "INVALID_REQUEST_FIELD_FOLDING", "Invalid request field folding."),
    kind("http.invalid_response_field_folding", "INVALID_RESPONSE_FIELD_FOLDING", "Invalid response field folding."),
    kind("http.request_field_too_long", "REQUEST_FIELD_TOO_LONG", "Request buffer too long."),
    kind("http.response_field_too_long", "RESPONSE_FIELD_TOO_LONG", "Response buffer too long."),
    kind("http.multipart_generic_error", "MULTIPART_GENERIC_ERROR", "Multipart generic error."),
    kind("http.multipart_no_filedata", "MULTIPART_NO_FILEDATA", "Multipart no filedata."),
    kind("http.multipart_invalid_header", "MULTIPART_INVALID_HEADER", "Multipart invalid header."),
    kind("http.request_server_port_tcp_port_mismatch", "REQUEST_SERVER_PORT_TCP_PORT_MISMATCH", NEVER),
    kind("http.request_uri_host_invalid", "REQUEST_URI_HOST_INVALID", "Host part of URI is invalid."),
    kind("http.request_header_host_invalid", "REQUEST_HEADER_HOST_INVALID", "Host header invalid."),
    kind("http.uri_delim_non_compliant", "URI_DELIM_NON_COMPLIANT", "URI terminated by non-compliant character."),
    kind(
        "http.method_delim_non_compliant",
        "METHOD_DELIM_NON_COMPLIANT",
        "METHOD terminated by non-compliant character.",
    ),
    kind(
        "http.request_line_leading_whitespace",
        "REQUEST_LINE_LEADING_WHITESPACE",
        "Request line with leading whitespace.",
    ),
    kind("http.too_many_encoding_layers", "TOO_MANY_ENCODING_LAYERS", "Request too many encoding layers."),
    kind("http.abnormal_ce_header", "ABNORMAL_CE_HEADER", "Request abnormal Content-Encoding header."),
    kind("http.request_auth_unrecognized", "REQUEST_AUTH_UNRECOGNIZED", "Request unrecognized authorization method."),
    kind("http.request_header_repetition", "REQUEST_HEADER_REPETITION", "Request excessive header repetition."),
    kind("http.response_header_repetition", "RESPONSE_HEADER_REPETITION", "Response excessive header repetition."),
    kind(
        "http.response_multipart_byteranges",
        "RESPONSE_MULTIPART_BYTERANGES",
        "Only multipart/byteranges delimits the body of a response.",
    ),
    kind(
        "http.response_abnormal_transfer_encoding",
        "RESPONSE_ABNORMAL_TRANSFER_ENCODING",
        "Response abnormal chunked for transfer-encoding.",
    ),
    kind("http.response_chunked_old_proto", "RESPONSE_CHUNKED_OLD_PROTO", "Response chunked with HTTP 0.9 or 1.0."),
    kind("http.response_invalid_protocol", "RESPONSE_INVALID_PROTOCOL", "Response invalid protocol."),
    kind("http.response_invalid_status", "RESPONSE_INVALID_STATUS", "Response invalid status."),
    kind(
        "http.request_line_incomplete",
        "REQUEST_LINE_INCOMPLETE",
        "The server answered before the request line had an end.",
    ),
    kind("http.double_encoded_uri", "DOUBLE_ENCODED_URI", "Request double encoded URI."),
    kind(
        "http.request_line_invalid",
        "REQUEST_LINE_INVALID",
        "Request line with an unknown method and without a protocol.",
    ),
    kind("http.request_body_unexpected", "REQUEST_BODY_UNEXPECTED", "Unexpected Request body."),
    kind("http.lzma_memlimit_reached", "LZMA_MEMLIMIT_REACHED", "LZMA reached its memory limit."),
    kind(
        "http.duplicate_content_length_field_in_request",
        "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST",
        "Duplicate content length field in request.",
    ),
    kind(
        "http.duplicate_content_length_field_in_response",
        "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE",
        "Duplicate content length field in response.",
    ),
    kind("http.compression_bomb", "COMPRESSION_BOMB", "Compression bomb."),
    kind("http.too_many_warnings", "TOO_MANY_WARNINGS", "Too many warnings."),
    kind("http.range_invalid", "RANGE_INVALID", "Invalid Range header value."),
    kind("http.file_name_too_long", "FILE_NAME_TOO_LONG", "File name too long."),
    kind("http.failed_protocol_change", "FAILED_PROTOCOL_CHANGE", "Failed protocol change."),
    kind("http.request_chunk_extension", "REQUEST_CHUNK_EXTENSION", "Request chunk extension."),
    kind(
        "http.request_line_missing_protocol",
        "REQUEST_LINE_MISSING_PROTOCOL",
        "The request line has no protocol, and headers follow.",
    ),
    kind("http.request_too_many_headers", "REQUEST_TOO_MANY_HEADERS", "Request too many headers."),
    kind("http.response_too_many_headers", "RESPONSE_TOO_MANY_HEADERS", "Response too many headers."),
    kind("http.response_chunk_extension", "RESPONSE_CHUNK_EXTENSION", "Response chunk extension."),
    kind("http.compression_bomb_limit_reached", "COMPRESSION_BOMB_LIMIT_REACHED", "Compression bomb limit reached."),
    kind("http.response_body_unexpected", "RESPONSE_BODY_UNEXPECTED", "Response body unexpected."),
    kind(
        "http.request_line_unknown_method_invalid_protocol",
        "REQUEST_LINE_UNKNOWN_METHOD_INVALID_PROTOCOL",
        "Request line unknown method invalid protocol.",
    ),
    kind("http.invalid_gap", "INVALID_GAP", "Invalid gap."),
    kind("http.too_many_transactions", "TOO_MANY_TRANSACTIONS", "Too many transactions."),
    kind(
        "http.request_line_unknown_method",
        "REQUEST_LINE_UNKNOWN_METHOD",
        "The request line is one word, and that no known method.",
    ),
    kind(
        "http.request_line_unknown_method_no_protocol",
        "REQUEST_LINE_UNKNOWN_METHOD_NO_PROTOCOL",
        "Request line with an unknown method and without a protocol.",
    ),
    kind(
        "http.protocol_contains_extra_data",
        "PROTOCOL_CONTAINS_EXTRA_DATA",
        "The version has white space in it or zeros before it.",
    ),
    kind(
        "http.content_length_extra_data_start",
        "CONTENT_LENGTH_EXTRA_DATA_START",
        "Something stands before the number of Content-Length.",
    ),
    kind(
        "http.content_length_extra_data_end",
        "CONTENT_LENGTH_EXTRA_DATA_END",
        "Something stands behind the number of Content-Length.",
    ),
    kind(
        "http.switching_proto_with_content_length",
        "SWITCHING_PROTO_WITH_CONTENT_LENGTH",
        "An answer that changes the protocol has a length.",
    ),
    kind("http.deformed_eol", "DEFORMED_EOL", "The line behind the header ends in more than CR LF."),
    kind("http.request_invalid_empty_name", "REQUEST_INVALID_EMPTY_NAME", "A header field of a request has no name."),
    kind(
        "http.response_invalid_empty_name",
        "RESPONSE_INVALID_EMPTY_NAME",
        "A header field of a response has no name.",
    ),
    kind(
        "http.request_invalid_lws_after_name",
        "REQUEST_INVALID_LWS_AFTER_NAME",
        "White space stands behind the name of a header field of a request.",
    ),
    kind(
        "http.response_invalid_lws_after_name",
        "RESPONSE_INVALID_LWS_AFTER_NAME",
        "White space stands behind the name of a header field of a response.",
    ),
    kind(
        "http.response_header_name_not_token",
        "RESPONSE_HEADER_NAME_NOT_TOKEN",
        "The name of a header field of a response is no token.",
    ),
    kind(
        "http.lzma_decompression_disabled",
        "LZMA_DECOMPRESSION_DISABLED",
        "A body is encoded with LZMA, which is not undone.",
    ),
    kind(
        "http.compression_bomb_double_lzma",
        "COMPRESSION_BOMB_DOUBLE_LZMA",
        "A body is encoded with LZMA twice; it is undone once.",
    ),
    kind("http.invalid_content_encoding", "INVALID_CONTENT_ENCODING", NEVER),
    kind("http.parser_state_error", "PARSER_STATE_ERROR", NEVER),
    kind("http.missing_outbound_transaction_data", "MISSING_OUTBOUND_TRANSACTION_DATA", NEVER),
    kind("http.missing_inbound_transaction_data", "MISSING_INBOUND_TRANSACTION_DATA", NEVER),
    kind("http.zero_length_data_chunks", "ZERO_LENGTH_DATA_CHUNKS", NEVER),
    kind("http.response_body_internal_error", "RESPONSE_BODY_INTERNAL_ERROR", NEVER),
    kind("http.request_body_data_callback_error", "REQUEST_BODY_DATA_CALLBACK_ERROR", NEVER),
    kind("http.connection_already_open", "CONNECTION_ALREADY_OPEN", NEVER),
];
