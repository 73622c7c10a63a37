//! The store of certificates: chains that rules want to the [folder](crate::sinks::certificates) that keeps them.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Begun, Entry, Follower, Seen, Settings};
use crate::records::finding::{Topic, What};
use crate::sinks::certificates::Certificates;

pub(super) const FOLLOWER: Entry = Entry {
    counters: &["tapwire.tls_store.stored", "tapwire.tls_store.refused", "tapwire.tls_store.fs_errors"],
    begin,
};

fn begin(settings: &Settings, folder: &Path, _live: bool) -> Begun {
    Ok(settings
        .certificate_store
        .as_ref()
        .map(|settings| -> Box<dyn Follower> { Box::new(Certificates::new(settings, folder)) }))
}

impl Follower for Certificates {
    fn wants(&self) -> Vec<Topic> {
        vec![Topic::Certificates]
    }

    fn finding(&mut self, seen: Seen<'_>) {
        if let What::Certificates { time, direction, chain } = seen.finding.what
            && let Some((chain, about)) = seen.text.split_at_checked(chain)
        {
            self.store((time, direction), chain, about);
        }
    }

    fn count(&self, counters: &mut BTreeMap<String, u64>) {
        counters.insert("tapwire.tls_store.stored".into(), self.stored);
        counters.insert("tapwire.tls_store.refused".into(), self.refused);
        counters.insert("tapwire.tls_store.fs_errors".into(), self.errors);
    }

    fn take_failure(&mut self) -> Option<String> {
        Certificates::take_failure(self)
    }
}
