//! Names that follow from a record: `tapwire-{type}`, `logs/{date}`.

use super::head::Head;

/// A name with `{type}`, `{date}`, `{hour}` and `{host}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
}

/// What may stand in braces.
const PLACES: [&str; 4] = ["type", "date", "hour", "host"];

impl Template {
    /// Reads it; nothing where something else stands in braces.
    pub fn read(text: &str) -> Option<Self> {
        let mut rest = text;
        while let Some((_, behind)) = rest.split_once('{') {
            let (place, behind) = behind.split_once('}')?;
            PLACES.contains(&place).then_some(())?;
            rest = behind;
        }
        Some(Self { text: text.to_owned() })
    }

    /// The name for a record. What comes from a record is small letters, digits, dashes and underscores, whatever it was.
    pub fn of(&self, head: &Head<'_>) -> String {
        if !self.text.contains('{') {
            return self.text.clone();
        }
        // `2019-12-22T12:33:20`
        let date = head.timestamp.get(..10).unwrap_or("1970-01-01");
        let hour = head.timestamp.get(11..13).unwrap_or("00");
        let mut name = self.text.clone();
        for (place, value) in
            [("{type}", &*head.event_type), ("{date}", date), ("{hour}", hour), ("{host}", &*head.host)]
        {
            if name.contains(place) {
                name = name.replace(place, &tame(value));
            }
        }
        name
    }
}

fn tame(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '_' };
    let tame: String = text.chars().take(64).map(kept).collect();
    if tame.is_empty() { "none".to_owned() } else { tame }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_from_records_and_from_nothing_else() {
        let head = Head::of(br#"{"timestamp":"2019-12-22T12:33:20.8+0000","event_type":"a/../B","host":""}"#);
        for (text, expected) in
            [("plain", "plain"), ("t-{type}.{date}/{hour}", "t-a____b.2019-12-22/12"), ("{host}", "none")]
        {
            assert_eq!(Template::read(text).unwrap().of(&head), expected);
        }
        assert!(Template::read("{waldo}").is_none() && Template::read("x{type").is_none());
    }
}
