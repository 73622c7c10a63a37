//! What a live sensor writes, as its configuration says it.

use std::path::{Path, PathBuf};

use super::config::Configuration;
use crate::rights::Places;

/// Devices are written to by their own names; nothing else in their folder is.
const DEVICES: &str = "/dev";

/// The folders and files that are written below some folders of records, with those of state.
pub fn places(configuration: &Configuration, folders: &[PathBuf], data_dir: Option<&Path>) -> Places {
    let eve = configuration.eve.iter().map(|eve| PathBuf::from(&eve.filename));
    let texts = configuration.texts().map(|text| PathBuf::from(&text.filename));
    let data = configuration.tcp_data.iter().chain(&configuration.http_body_data);
    let data = data.flat_map(|data| data.filename.iter().chain(&data.folder)).cloned();
    let elsewhere = eve.chain(texts).chain(data).filter(|path| path.is_absolute()).map(|path| match path.parent() {
        Some(folder) if !path.starts_with(DEVICES) => folder.to_owned(),
        _ => path,
    });
    let stores = configuration.file_store.iter().map(|store| store.folder.clone());
    let stores = stores.chain(configuration.certificate_store.iter().map(|store| store.folder.clone()));
    let stores = stores.chain(configuration.pcap_logs.iter().map(|log| log.folder.clone()));
    let stores = stores.chain(configuration.recording.enabled.then(|| configuration.recording.ring.folder.clone()));
    let lakes = configuration.deliveries.iter().filter_map(|delivery| delivery.way.folder()).map(Path::to_owned);
    let stores = stores.chain(lakes).inspect(|folder| {
        // Later nothing can be made there; what fails is told when it is written.
        if folder.is_absolute() {
            std::fs::create_dir_all(folder).ok();
        }
    });
    let state = data_dir.map(Path::to_owned).into_iter().chain(configuration.rule_cache.folder.clone());
    let written = folders.iter().cloned().chain(elsewhere).chain(stores.filter(|path| path.is_absolute())).chain(state);
    let read_by_senders = configuration.deliveries.iter().flat_map(|delivery| delivery.way.files()).collect();
    Places { written: written.collect(), read_by_senders }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::config::{Given, load};

    #[test]
    fn folders_of_outputs_are_written_and_devices_alone() {
        let set = [("outputs.0.eve-log.filename", "/srv/eve/eve.json"), ("outputs.1.fast.filename", "/dev/stdout")];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let on = [("outputs.0.eve-log.enabled", "yes"), ("outputs.1.fast.enabled", "yes")];
        let set = [set, on.map(|(key, value)| (key.to_owned(), value.to_owned()))].concat();
        let configuration = load(Given { set: &set, ..Given::default() }).unwrap().configuration;
        let found = places(&configuration, &["/var/log/tapwire".into()], Some(Path::new("/var/lib/tapwire")));
        let expected = ["/var/log/tapwire", "/srv/eve", "/dev/stdout", "/var/lib/tapwire"];
        assert_eq!(found.written, expected.map(PathBuf::from));
    }
}
