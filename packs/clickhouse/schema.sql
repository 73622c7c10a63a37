-- Tables for records of Tapwire. Records come as EVE JSON, a line each, into `landing`, which keeps nothing; a view takes what one
-- searches for out of each, with its type, and `events` keeps that and the line itself.
CREATE DATABASE IF NOT EXISTS tapwire;

CREATE TABLE IF NOT EXISTS tapwire.landing
(
    `raw` String
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS tapwire.events
(
    `timestamp` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)) COMMENT 'when the packet was seen',
    `event_type` LowCardinality(String),
    `sensor` LowCardinality(String),
    `event_id` String CODEC(ZSTD(1)) COMMENT 'tells it from all records of all sensors',
    `flow_id` UInt64 CODEC(ZSTD(1)),
    `community_id` String CODEC(ZSTD(1)),
    `in_iface` LowCardinality(String),
    `vlan` Array(UInt16),
    `src_ip` IPv6 CODEC(ZSTD(1)) COMMENT 'IPv4 as ::ffff:192.0.2.1; :: where there is none',
    `src_port` UInt16 CODEC(ZSTD(1)),
    `dest_ip` IPv6 CODEC(ZSTD(1)),
    `dest_port` UInt16 CODEC(ZSTD(1)),
    `proto` LowCardinality(String),
    `app_proto` LowCardinality(String),
    `direction` LowCardinality(String) COMMENT 'inbound, outbound, lateral, external',
    `src_zone` LowCardinality(String),
    `dest_zone` LowCardinality(String),
    `sid` UInt32,
    `gid` UInt32,
    `rev` UInt32,
    `signature` String CODEC(ZSTD(1)),
    `category` LowCardinality(String),
    `severity` UInt8 COMMENT '1 is worst, 0 is no alert',
    `action` LowCardinality(String),
    `techniques` Array(LowCardinality(String)) COMMENT 'of ATT&CK',
    `anomaly` LowCardinality(String),
    `flow_start` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    `flow_end` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    `bytes_toserver` UInt64 CODEC(T64, ZSTD(1)),
    `bytes_toclient` UInt64 CODEC(T64, ZSTD(1)),
    `pkts_toserver` UInt64 CODEC(T64, ZSTD(1)),
    `pkts_toclient` UInt64 CODEC(T64, ZSTD(1)),
    `flow_state` LowCardinality(String),
    `name` String CODEC(ZSTD(1)) COMMENT 'the host that was asked for: by DNS, HTTP or TLS',
    `url` String CODEC(ZSTD(1)),
    `user_agent` String CODEC(ZSTD(1)),
    `http_method` LowCardinality(String),
    `status` UInt16,
    `rcode` LowCardinality(String),
    `ja3` String CODEC(ZSTD(1)),
    `ja4` String CODEC(ZSTD(1)),
    `filename` String CODEC(ZSTD(1)),
    `sha256` String CODEC(ZSTD(1)),
    `raw` String CODEC(ZSTD(3)) COMMENT 'the record itself: JSONExtractString(raw, ''ssh'', ''client'', ''software_version'')',
    `inserted` DateTime('UTC') DEFAULT now() CODEC(Delta, ZSTD(1)),
    `src` String ALIAS replaceRegexpOne(toString(src_ip), '^::ffff:|^::$', ''),
    `dest` String ALIAS replaceRegexpOne(toString(dest_ip), '^::ffff:|^::$', ''),
    INDEX by_name name TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_src src_ip TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_dest dest_ip TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_flow community_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_file sha256 TYPE bloom_filter(0.01) GRANULARITY 4
)
-- A batch whose answer was lost comes twice; of records with the same id one stays, at the next merge, and at once with FINAL.
ENGINE = ReplacingMergeTree
-- By arrival, so that no time in a record, which may be of an old capture, makes many parts of one batch.
PARTITION BY toDate(inserted)
ORDER BY (event_type, timestamp, event_id)
TTL inserted + INTERVAL 400 DAY DELETE,
    inserted + INTERVAL 90 DAY DELETE WHERE event_type != 'alert'
SETTINGS ttl_only_drop_parts = 0;

-- What is missing, or of another type than it should be, becomes 0 or nothing; no record stops the others.
CREATE MATERIALIZED VIEW IF NOT EXISTS tapwire.landing_to_events TO tapwire.events AS
WITH
    JSONExtract(raw, 'Tuple(
        timestamp String, event_type String, host String, flow_id UInt64, community_id String, in_iface String, vlan Array(UInt16),
        src_ip String, src_port UInt16, dest_ip String, dest_port UInt16, proto String, app_proto String,
        tapwire Tuple(event_id String, direction String, src Tuple(zone String), dest Tuple(zone String),
            attack Tuple(techniques Array(String))),
        alert Tuple(signature_id UInt32, gid UInt32, rev UInt32, signature String, category String, severity UInt8, action String),
        anomaly Tuple(event String),
        flow Tuple(start String, end String, bytes_toserver UInt64, bytes_toclient UInt64, pkts_toserver UInt64, pkts_toclient UInt64,
            state String),
        dns Tuple(rrname String, rcode String, queries Array(Tuple(rrname String))),
        http Tuple(hostname String, url String, http_user_agent String, http_method String, status UInt16),
        tls Tuple(sni String, ja3 Tuple(hash String), ja4 String),
        fileinfo Tuple(filename String, sha256 String))') AS r
SELECT
    parseDateTime64BestEffortOrZero(r.timestamp, 6, 'UTC') AS timestamp,
    r.event_type AS event_type,
    r.host AS sensor,
    if(r.tapwire.event_id != '', r.tapwire.event_id, lower(hex(MD5(raw)))) AS event_id,
    r.flow_id AS flow_id,
    r.community_id AS community_id,
    r.in_iface AS in_iface,
    r.vlan AS vlan,
    toIPv6OrDefault(r.src_ip) AS src_ip,
    r.src_port AS src_port,
    toIPv6OrDefault(r.dest_ip) AS dest_ip,
    r.dest_port AS dest_port,
    r.proto AS proto,
    r.app_proto AS app_proto,
    r.tapwire.direction AS direction,
    r.tapwire.src.zone AS src_zone,
    r.tapwire.dest.zone AS dest_zone,
    r.alert.signature_id AS sid,
    r.alert.gid AS gid,
    r.alert.rev AS rev,
    r.alert.signature AS signature,
    r.alert.category AS category,
    r.alert.severity AS severity,
    r.alert.action AS action,
    r.tapwire.attack.techniques AS techniques,
    r.anomaly.event AS anomaly,
    parseDateTime64BestEffortOrZero(r.flow.start, 6, 'UTC') AS flow_start,
    parseDateTime64BestEffortOrZero(r.flow.end, 6, 'UTC') AS flow_end,
    r.flow.bytes_toserver AS bytes_toserver,
    r.flow.bytes_toclient AS bytes_toclient,
    r.flow.pkts_toserver AS pkts_toserver,
    r.flow.pkts_toclient AS pkts_toclient,
    r.flow.state AS flow_state,
    multiIf(r.http.hostname != '', r.http.hostname, r.tls.sni != '', r.tls.sni, r.dns.rrname != '', r.dns.rrname, r.dns.queries[1].rrname) AS name,
    r.http.url AS url,
    r.http.http_user_agent AS user_agent,
    r.http.http_method AS http_method,
    r.http.status AS status,
    r.dns.rcode AS rcode,
    r.tls.ja3.hash AS ja3,
    r.tls.ja4 AS ja4,
    r.fileinfo.filename AS filename,
    r.fileinfo.sha256 AS sha256,
    raw
FROM tapwire.landing;

-- Alerts by hour, rule and sensor, which are few rows and stay. They are counted by their ids, so that a batch that comes twice changes nothing.
CREATE TABLE IF NOT EXISTS tapwire.alerts_by_hour
(
    `hour` DateTime('UTC'),
    `sensor` LowCardinality(String),
    `sid` UInt32,
    `severity` UInt8,
    `signature` SimpleAggregateFunction(any, String),
    `alerts` AggregateFunction(uniqCombined64, String),
    `sources` AggregateFunction(uniqCombined64, IPv6),
    `targets` AggregateFunction(uniqCombined64, IPv6),
    `first_seen` SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
    `last_seen` SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (hour, sid, sensor, severity);

CREATE MATERIALIZED VIEW IF NOT EXISTS tapwire.events_to_alerts_by_hour TO tapwire.alerts_by_hour AS
SELECT
    toStartOfHour(toDateTime(timestamp, 'UTC')) AS hour,
    sensor,
    sid,
    severity,
    any(signature) AS signature,
    uniqCombined64State(event_id) AS alerts,
    uniqCombined64State(src_ip) AS sources,
    uniqCombined64State(dest_ip) AS targets,
    min(timestamp) AS first_seen,
    max(timestamp) AS last_seen
FROM tapwire.events
WHERE event_type = 'alert'
GROUP BY hour, sensor, sid, severity;
