//! Fields of protocols as rules name them: a name is looked up when the rule is read, and is a number from then on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tapwire_parsers::REGISTRY;
use tapwire_parsers::protocol::{Field, ProtocolId};

/// The name of a field that one protocol has, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(u16);

/// The fields of one name, each with its protocol.
struct Named {
    name: &'static str,
    fields: Vec<(ProtocolId, &'static Field)>,
}

/// All names, in order.
static NAMES: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let mut names: BTreeMap<&'static str, Vec<_>> = BTreeMap::new();
    for (id, card) in (0..).map(ProtocolId).zip(REGISTRY) {
        for field in card.fields {
            names.entry(field.name).or_default().push((id, field));
        }
    }
    names.into_iter().map(|(name, fields)| Named { name, fields }).collect()
});

impl FieldName {
    /// That of a canonical name, if any protocol has it.
    pub fn find(name: &str) -> Option<Self> {
        let place = NAMES.binary_search_by_key(&name, |named| named.name).ok()?;
        u16::try_from(place).ok().map(Self)
    }

    /// The canonical name.
    pub fn as_str(self) -> &'static str {
        self.named().map_or("", |named| named.name)
    }

    /// The field that a protocol has under this name.
    #[inline]
    pub fn of(self, protocol: ProtocolId) -> Option<&'static Field> {
        self.named()?.fields.iter().find(|(id, _)| *id == protocol).map(|(_, field)| *field)
    }

    /// The fields of all protocols that have it.
    pub fn fields(self) -> impl Iterator<Item = &'static Field> {
        self.named().into_iter().flat_map(|named| &named.fields).map(|(_, field)| *field)
    }

    #[inline]
    fn named(self) -> Option<&'static Named> {
        NAMES.get(usize::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use tapwire_parsers::protocol_id;

    use super::*;

    #[test]
    fn each_field_is_found_by_its_name_in_its_protocols_and_in_no_other() {
        for (id, card) in (0..).map(ProtocolId).zip(REGISTRY) {
            for field in card.fields {
                let name = FieldName::find(field.name).unwrap();
                assert_eq!(name.as_str(), field.name);
                assert!(std::ptr::eq(name.of(id).unwrap(), field), "{} {}", card.name, field.name);
            }
        }
        let uri = FieldName::find("http.uri").unwrap();
        assert!(uri.of(protocol_id("dns").unwrap()).is_none());
        assert!(FieldName::find("file.data").unwrap().fields().count() > 1);
        assert_eq!(FieldName::find("http.ur"), None);
    }
}
