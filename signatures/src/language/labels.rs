//! Which option of a rule's text made which of its conditions.

use super::lexer::RuleOption;
use crate::builder::Builder;
use crate::rule::Rule;
use crate::rule::item::Item;
use crate::rule::labels::Labels;

/// Keywords that change the content before them.
const MODIFIERS: [&str; 9] =
    ["nocase", "offset", "depth", "distance", "within", "startswith", "endswith", "rawbytes", "fast_pattern"];

impl Labels {
    /// Labels of a rule of which only the header is known.
    pub(super) fn new(head: &str) -> Self {
        Self { header: words(head), ..Self::default() }
    }

    /// Gives what an option has just added to a rule the option's text.
    pub(super) fn note(&mut self, rule: &Rule, option: &RuleOption<'_>) {
        for (labels, count) in [
            (&mut self.packet, rule.packet.len()),
            (&mut self.transaction, rule.transaction.len()),
            (&mut self.file, rule.file.len()),
            (&mut self.events, rule.events.len()),
            (&mut self.app_protocol, rule.app_protocol.len()),
            (&mut self.flowbits, rule.flowbits.len()),
            (&mut self.flowints, rule.flowints.len()),
            (&mut self.variable_tests, rule.variable_tests.len()),
            (&mut self.hostbits, rule.hostbits.len()),
            (&mut self.scripts, rule.scripts.len()),
        ] {
            if labels.len() != count {
                labels.resize_with(count, || shown(option));
            }
        }
    }

    /// Gives the items of a rule, of which all options were read, the text of their options.
    pub(super) fn finish(&mut self, builder: &Builder<'_>, options: &[RuleOption<'_>]) {
        let starts = |option: &RuleOption<'_>| builder.starts_item(&option.span);
        for (position, section) in builder.rule.sections.iter().enumerate().filter(|(_, s)| !s.items.is_empty()) {
            let mut labels = Vec::new();
            for (index, item) in section.items.iter().enumerate() {
                let span = builder.span_of(position, index);
                let from = options.iter().position(|option| Some(&option.span) == span.as_ref());
                let Some((first, behind)) = from.and_then(|from| options.get(from..)?.split_first()) else {
                    labels.push(item.keyword().to_owned());
                    continue;
                };
                labels.push(shown(first));
                let within = if let Item::Base64Data(inner) = item { inner.len() } else { 0 };
                let (mut left, own) = (within, behind.iter().take_while(|option| within > 0 || !starts(option)));
                for option in own {
                    if MODIFIERS.contains(&option.keyword) {
                        if let Some(label) = labels.last_mut() {
                            label.push_str(&format!("; {}", shown(option)));
                        }
                    } else if left > 0 {
                        left -= 1;
                        labels.push(shown(option));
                    }
                }
            }
            self.items.push(labels);
        }
    }
}

fn shown(option: &RuleOption<'_>) -> String {
    option.text.map_or_else(|| option.keyword.to_owned(), |text| format!("{}:{text}", option.keyword))
}

/// Words between blanks; lists in brackets stay whole.
fn words(head: &str) -> Vec<String> {
    let (mut words, mut depth) = (vec![String::new()], 0_usize);
    for c in head.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c.is_whitespace() && depth == 0 {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use crate::builder::Environment;
    use crate::language::load::{Source, load};

    #[test]
    fn conditions_keep_their_text() {
        let text = r#"alert http [10.0.0.0/8, !10.1.0.0/16] any -> any 80 (msg:"m"; flow:established; flowbits:isset,a; content:"GET"; http_method; depth:3; http.uri; content:"/x"; nocase; pcre:"/y/"; base64_decode; base64_data; content:"z"; offset:1; content:"q"; urilen:>3; sid:1;)"#;
        let environment = Environment { keep_labels: true, ..Environment::default() };
        let loaded = load(&[Source { name: "t".into(), text: text.into() }], &environment);
        assert!(loaded.faults.is_empty(), "{:?}", loaded.faults);
        let labels = loaded.set.rules[0].rule().unwrap().labels.as_deref().unwrap();
        assert_eq!(labels.header[2..4], ["[10.0.0.0/8, !10.1.0.0/16]", "any"]);
        assert_eq!(labels.flowbits, ["flowbits:isset,a"]);
        let items: Vec<Vec<&str>> = labels.items.iter().map(|s| s.iter().map(String::as_str).collect()).collect();
        assert_eq!(items[0], [r#"content:"GET"; depth:3"#]);
        assert_eq!(items[1][..2], [r#"content:"/x"; nocase"#, r#"pcre:"/y/""#]);
        assert!(items[1].contains(&r#"content:"z"; offset:1"#) && items[1].contains(&r#"content:"q""#), "{items:?}");
    }
}
