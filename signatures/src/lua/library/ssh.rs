//! `suricata.ssh`

use tapwire_parsers::protocol::Direction;

use super::Library;
use super::transaction::give;

// What a side says of itself travels to the other.
const CLIENT: Option<Direction> = Some(Direction::ToServer);
const SERVER: Option<Direction> = Some(Direction::ToClient);

pub(super) const LIBRARY: Library = Library {
    names: &["ssh"],
    protocol: Some("ssh"),
    functions: &[],
    methods: &[
        ("client_proto", |lua, context, _| give(lua, context, "ssh.proto", CLIENT)),
        ("server_proto", |lua, context, _| give(lua, context, "ssh.proto", SERVER)),
        ("client_software", |lua, context, _| give(lua, context, "ssh.software", CLIENT)),
        ("server_software", |lua, context, _| give(lua, context, "ssh.software", SERVER)),
    ],
};
