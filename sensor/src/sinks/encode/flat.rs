//! A record without objects in it: the names on the way to a value become one name.

use super::tape::{Kind, Value};

/// Calls for each value that is no object, with its whole name. Lists of objects are one value: their JSON.
pub(super) fn each<'t>(value: Value<'t>, between: char, name: &mut String, call: &mut impl FnMut(&str, Value<'t>)) {
    for (key, inner) in value.members() {
        let before = name.len();
        if before > 0 {
            name.push(between);
        }
        name.push_str(key);
        if inner.kind() == Kind::Object {
            each(inner, between, name, call);
        } else {
            call(name, inner);
        }
        name.truncate(before);
    }
}
