//! Keys of the process of a live sensor.

use super::{Key, switch, used};

pub(super) static KEYS: &[Key] = &[
    used(
        "run-as.user",
        |_| "whoever starts it".into(),
        "Live, the user that the sensor becomes once it is started; what it writes is theirs.",
    ),
    used("run-as.group", |_| "the user's own".into(), "The group of that."),
    used(
        "tapwire.sandbox",
        |c| switch(c.process.sandbox),
        "Live, the sensor gives up every right that it does not need before it takes the first packet, each thread more than the next \
         ([deploying](live.md#rights)). Where the system lacks a means for it, nothing starts without `--allow-unsandboxed`.",
    ),
];
