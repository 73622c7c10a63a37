-- Alerts of the last day, the worst first.
SELECT timestamp, sensor, severity, sid, signature, src, src_port, dest, dest_port, app_proto, techniques
FROM tapwire.events FINAL
WHERE event_type = 'alert' AND timestamp > now() - INTERVAL 1 DAY
ORDER BY severity, timestamp DESC
LIMIT 100;

-- How often each rule alerted, from how many sources, on how many targets, from the roll-up.
SELECT sid, any(signature) AS signature, min(severity) AS severity, uniqCombined64Merge(alerts) AS alerts, uniqCombined64Merge(sources) AS sources,
    uniqCombined64Merge(targets) AS targets, min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM tapwire.alerts_by_hour
WHERE hour > now() - INTERVAL 30 DAY
GROUP BY sid
ORDER BY alerts DESC;

-- Everything of the flow of an alert, from whatever sensor and tool.
SELECT timestamp, sensor, event_type, raw
FROM tapwire.events FINAL
WHERE community_id = (SELECT community_id FROM tapwire.events WHERE event_type = 'alert' ORDER BY timestamp DESC LIMIT 1)
ORDER BY timestamp;

-- Who asked for a name, by DNS, HTTP or TLS.
SELECT event_type, src, name, count() AS times, min(timestamp) AS first_seen, max(timestamp) AS last_seen
FROM tapwire.events FINAL
WHERE event_type IN ('dns', 'http', 'tls') AND endsWith(name, 'example.test')
GROUP BY event_type, src, name
ORDER BY times DESC;

-- Who sent most, among flows out of a network.
SELECT src, dest, dest_port, count() AS flows, sum(bytes_toserver) AS bytes
FROM tapwire.events FINAL
WHERE event_type = 'flow' AND isIPAddressInRange(toString(src_ip), '::ffff:192.0.2.0/120')
GROUP BY src, dest, dest_port
ORDER BY bytes DESC
LIMIT 20;

-- A field that has no column.
SELECT JSONExtractString(raw, 'ssh', 'client', 'software_version') AS client, count() AS times
FROM tapwire.events FINAL
WHERE event_type = 'ssh'
GROUP BY client
ORDER BY times DESC;
