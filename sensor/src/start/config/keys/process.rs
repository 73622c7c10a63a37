//! Keys of the process of a live sensor.

use super::{Key, switch, used, value};

pub(super) static KEYS: &[Key] = &[
    used(
        "run-as.user",
        |_| "whoever starts it".into(),
        "Live, the user that the sensor becomes once it is started; what it writes is theirs.",
    ),
    used("run-as.group", |_| "the user's own".into(), "The group of that."),
    used(
        "unix-command.enabled",
        |c| switch(c.process.has_socket),
        "Live, there is a socket that takes commands: `tapwire ctl` asks there ([control](live.md#control)).",
    ),
    used(
        "unix-command.filename",
        |_| "`tapwire.socket` in the folder that a service manager gives, else in that of records".into(),
        "The socket. A name without a folder is one in that place.",
    ),
    used(
        "tapwire.metrics.enabled",
        |c| switch(c.process.metrics.enabled),
        "Live, there are `/metrics` for Prometheus and `/healthz` over HTTP ([metrics](live.md#metrics)).",
    ),
    used(
        "tapwire.metrics.address",
        |c| value(&c.process.metrics.address.to_string()),
        "Address and port of that. Where one is named that cannot be had, nothing starts.",
    ),
    used(
        "tapwire.sandbox",
        |c| switch(c.process.sandbox),
        "Live, the sensor gives up every right that it does not need before it takes the first packet, each thread more than the next \
         ([rights](live.md#rights)). Where the system lacks a means for it, nothing starts without `--allow-unsandboxed`.",
    ),
];
