//! Slots: values in the text of a record that are only known where the findings of all workers are in order.
//!
//! The worker writes what holds as long as nobody knows better, and notes where it stands; whoever knows better fills it, without
//! a look at the text.

use super::finding::FileId;

/// What a slot is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blank {
    /// What became of the packet of an alert.
    Action,
    /// Whether a flow has alerts.
    Alerted,
    /// Where a file is in the store.
    Stored(FileId),
}

impl Blank {
    /// What stands there until it is filled.
    pub fn text(self) -> &'static [u8] {
        match self {
            Self::Action => br#""allowed""#,
            Self::Alerted => b"false",
            Self::Stored(_) => br#"true,"file_id":0"#,
        }
    }
}

/// A place in the text of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What it is about.
    pub blank: Blank,
    /// Where it begins.
    pub at: usize,
}

impl Slot {
    /// One whose text was just written, up to an end.
    pub fn before(end: usize, blank: Blank) -> Self {
        Self { blank, at: end.saturating_sub(blank.text().len()) }
    }
}

/// What a slot is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// The packet was blocked.
    Blocked,
    /// The flow has alerts.
    Alerted,
    /// The file is not in the store.
    NotStored,
    /// It is, under a number.
    StoredAs(u64),
}

impl Value {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Blocked => out.extend_from_slice(br#""blocked""#),
            Self::Alerted => out.extend_from_slice(b"true"),
            Self::NotStored => out.extend_from_slice(b"false"),
            Self::StoredAs(number) => {
                out.extend_from_slice(br#"true,"file_id":"#);
                out.extend_from_slice(number.to_string().as_bytes());
            }
        }
    }
}

/// The text of a record with its slots, which are in the order of the text, filled. `known` says what is to be there; where it
/// says nothing, what stands there is right. The text is made in `room`, unless it is right as it is.
pub fn filled<'t>(
    record: &'t [u8],
    slots: &[Slot],
    room: &'t mut Vec<u8>,
    known: impl Fn(Blank) -> Option<Value>,
) -> &'t [u8] {
    room.clear();
    let mut done = 0;
    for slot in slots {
        let Some(value) = known(slot.blank) else { continue };
        room.extend_from_slice(record.get(done..slot.at).unwrap_or_default());
        value.write(room);
        done = slot.at + slot.blank.text().len();
    }
    if done == 0 {
        return record;
    }
    room.extend_from_slice(record.get(done..).unwrap_or_default());
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_where_somebody_knows_better() {
        let file = FileId { flow: 1, number: 2 };
        let (mut text, mut slots) = (Vec::new(), Vec::new());
        for blank in [Blank::Action, Blank::Alerted, Blank::Stored(file)] {
            text.push(b'<');
            text.extend_from_slice(blank.text());
            slots.push(Slot::before(text.len(), blank));
            text.push(b'>');
        }
        let mut room = Vec::new();
        let mut with = |values: [Option<Value>; 3]| {
            let known = |blank| match blank {
                Blank::Action => values[0],
                Blank::Alerted => values[1],
                Blank::Stored(_) => values[2],
            };
            String::from_utf8(filled(&text, &slots, &mut room, known).to_vec()).unwrap()
        };
        assert_eq!(with([None, None, None]), r#"<"allowed"><false><true,"file_id":0>"#);
        let number = Some(Value::StoredAs(17));
        assert_eq!(with([Some(Value::Blocked), None, number]), r#"<"blocked"><false><true,"file_id":17>"#);
        assert_eq!(with([None, Some(Value::Alerted), Some(Value::NotStored)]), r#"<"allowed"><true><false>"#);
    }
}
