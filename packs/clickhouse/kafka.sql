-- Reads the topics of Kafka into `landing`. The group's position moves on when the view has written a block, so that nothing is lost; what a crash makes
-- come twice is told by its id. Alerts have a table of their own, so that a backlog of other records does not hold them up.
CREATE TABLE IF NOT EXISTS tapwire.kafka_alerts
(
    `raw` String
)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'kafka.example:9092',
    kafka_topic_list = 'tapwire-alert',
    kafka_group_name = 'clickhouse-alerts',
    kafka_format = 'JSONAsString',
    kafka_num_consumers = 1,
    kafka_flush_interval_ms = 1000;

CREATE TABLE IF NOT EXISTS tapwire.kafka_records
(
    `raw` String
)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'kafka.example:9092',
    kafka_topic_list = 'tapwire-flow,tapwire-dns,tapwire-http,tapwire-tls,tapwire-fileinfo,tapwire-anomaly',
    kafka_group_name = 'clickhouse-records',
    kafka_format = 'JSONAsString',
    kafka_num_consumers = 4,
    kafka_thread_per_consumer = 1,
    kafka_max_block_size = 100000;

CREATE MATERIALIZED VIEW IF NOT EXISTS tapwire.kafka_alerts_to_landing TO tapwire.landing AS
SELECT raw FROM tapwire.kafka_alerts;

CREATE MATERIALIZED VIEW IF NOT EXISTS tapwire.kafka_records_to_landing TO tapwire.landing AS
SELECT raw FROM tapwire.kafka_records;
