//! A rule while it is read: what keywords fill, and what they are given for it.

mod argument;
mod environment;
mod kinds;
pub(crate) mod known_sets;
mod names;
pub mod nearest;

use std::ops::Range;

pub use argument::Argument;
pub(crate) use argument::unquote;
pub use environment::{DEFAULT_FLOWBIT_LIMIT, Environment};
pub use kinds::{Class, Classification, References};
pub use names::{Names, SharedNames};

use crate::rule::fault::Fault;
use crate::rule::item::{Content, Item, Operand};
use crate::rule::number::NumberTest;
use crate::rule::outside::{NamedFile, Outside};
use crate::rule::variables::{VARIABLE_LIMIT, set_by};
use crate::rule::{Buffer, Rule, Section};

/// A rule while it is read.
pub struct Builder<'a> {
    /// The rule so far.
    pub rule: Rule,
    /// Names shared by all rules of the load.
    pub names: &'a mut SharedNames,
    /// Names of the variables that `byte_extract` and `byte_math` set, by index.
    pub variables: Vec<String>,
    /// Where the next content goes: set by sticky buffers.
    pub buffer: Buffer,
    /// What rules are read with.
    pub environment: &'a Environment,
    /// Name of the rule file.
    pub file: &'a str,
    /// Where the option stands that is being read.
    pub option: Range<usize>,
    /// What `dsize` asks for.
    pub dsize: Option<NumberTest>,
    /// Where the option of each item stands, by section.
    spans: Vec<Vec<Range<usize>>>,
    /// Where the sticky buffer that is open was named, for faults about it.
    pub buffer_span: Range<usize>,
    /// Index of the open section; `None` right after a sticky buffer.
    current: Option<usize>,
    /// Section and item of the last content, which modifiers change.
    last: Option<(usize, usize)>,
    /// Items after `base64_data` go into it.
    in_base64: bool,
}

#[expect(clippy::indexing_slicing, reason = "sections are only pushed while an index to them is held")]
impl<'a> Builder<'a> {
    /// A rule of which only the header is known.
    pub fn new(rule: Rule, file: &'a str, names: &'a mut SharedNames, environment: &'a Environment) -> Self {
        Self {
            rule,
            names,
            variables: Vec::new(),
            buffer: Buffer::Payload,
            environment,
            file,
            option: 0..0,
            dsize: None,
            spans: Vec::new(),
            buffer_span: 0..0,
            current: None,
            last: None,
            in_base64: false,
        }
    }

    /// Reads a file that lies beside the rule file; when it changes, the rule is read again.
    pub fn beside(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.note_file(name);
        self.environment.files.beside(self.file, name)
    }

    /// Notes that the rule was read with a file that lies beside the rule file.
    pub fn note_file(&mut self, name: &str) {
        let file = NamedFile::now(&self.environment.files, Some(self.file), name);
        self.rule.outside.push(Outside::File(Box::new(file)));
    }

    /// Makes a buffer the one that the next items look at.
    pub fn enter(&mut self, buffer: Buffer, span: Range<usize>) {
        self.buffer = buffer;
        self.buffer_span = span;
        self.current = None;
        self.in_base64 = false;
    }

    /// Whether a sticky buffer was named and nothing has looked at it.
    pub fn is_idle(&self) -> bool {
        let section = self.current.and_then(|index| self.rule.sections.get(index));
        self.buffer != Buffer::Payload && section.is_none_or(|section| section.items.is_empty())
    }

    /// The section that items go to now; opened where it does not exist.
    pub fn section(&mut self) -> &mut Section {
        let index = match self.current {
            Some(index) => index,
            None => self.open(self.buffer),
        };
        self.current = Some(index);
        &mut self.rule.sections[index]
    }

    /// The section that a transform belongs to: one without items.
    pub fn section_to_transform(&mut self) -> &mut Section {
        let fresh = self.current.and_then(|i| self.rule.sections.get(i)).is_some_and(|s| s.items.is_empty());
        if !fresh {
            let buffer = self.buffer;
            self.current = Some(self.add_section(buffer));
        }
        self.section()
    }

    /// A section for a buffer: the one there is, unless each section may stand for another instance, or what comes now may need what
    /// sections behind that one read.
    fn open(&mut self, buffer: Buffer) -> usize {
        let sections = &self.rule.sections;
        let known = sections.iter().rposition(|s| s.buffer == buffer && s.transforms.is_empty());
        let sets_later = |index: usize| sections.iter().skip(index + 1).any(|behind| set_by(&behind.items) != 0);
        match known.filter(|index| !is_multi(buffer) && !sets_later(*index)) {
            Some(index) => index,
            None => self.add_section(buffer),
        }
    }

    fn add_section(&mut self, buffer: Buffer) -> usize {
        self.rule.sections.push(Section {
            buffer,
            direction: None,
            transforms: Vec::new(),
            items: Vec::new(),
            wanted: 0,
        });
        self.spans.push(Vec::new());
        self.rule.sections.len() - 1
    }

    /// Where the option of an item stands.
    pub fn span_of(&self, section: usize, item: usize) -> Option<Range<usize>> {
        self.spans.get(section)?.get(item).cloned()
    }

    /// Whether the option there made an item of a section.
    pub(crate) fn starts_item(&self, option: &Range<usize>) -> bool {
        self.spans.iter().flatten().any(|span| span == option)
    }

    /// Adds an item to the section that is open.
    pub fn push(&mut self, item: Item) {
        let starts_base64 = matches!(item, Item::Base64Data(_));
        let is_content = matches!(item, Item::Content(_));
        // Without a sticky buffer, what depends on the last content looks where that content was put by its modifiers.
        let follows = self.buffer == Buffer::Payload && (starts_base64 || !is_content && item.is_relative());
        if let Some((section, _)) = self.last.filter(|_| follows && !self.in_base64) {
            self.current = Some(section);
        } else if self.buffer == Buffer::Payload && !self.in_base64 {
            self.current = None;
        }
        self.section();
        let index = self.current.unwrap_or_default();
        let items = &mut self.rule.sections[index].items;
        match items.last_mut() {
            Some(Item::Base64Data(inner)) if self.in_base64 => inner.push(item),
            _ => {
                items.push(item);
                self.spans[index].push(self.option.clone());
                if is_content {
                    self.last = Some((index, items.len() - 1));
                }
            }
        }
        self.in_base64 |= starts_base64;
    }

    /// The last content, for its modifiers.
    pub fn content(&mut self, argument: &Argument<'_>) -> Result<&mut Content, Fault> {
        let missing =
            argument.fault(format!("`{}` has no content before it", argument.keyword), "put it after a content");
        let place = if self.in_base64 { self.current.map(|section| (section, usize::MAX)) } else { self.last };
        let Some((section, item)) = place else { return Err(missing) };
        let items = &mut self.rule.sections[section].items;
        let item = if item == usize::MAX { items.last_mut() } else { items.get_mut(item) };
        match item {
            Some(Item::Content(content)) => Ok(content),
            Some(Item::Base64Data(inner)) => match inner.last_mut() {
                Some(Item::Content(content)) => Ok(content),
                _ => Err(missing),
            },
            _ => Err(missing),
        }
    }

    /// Moves the last item to a buffer, as the modifiers of older rules do (`content:"x"; http_uri;`).
    pub fn move_last(&mut self, buffer: Buffer, argument: &Argument<'_>) -> Result<(), Fault> {
        if self.buffer != Buffer::Payload {
            return Err(argument.fault(
                format!("`{}` cannot be used while a sticky buffer is open", argument.keyword),
                "name the sticky buffer before the content instead",
            ));
        }
        self.content(argument)?;
        // What follows the content depends on where it matched, and goes with it.
        let moved = self.last.and_then(|(section, item)| {
            Some((
                self.rule.sections.get_mut(section)?.items.split_off(item),
                self.spans.get_mut(section)?.split_off(item),
            ))
        });
        let (moved, spans) = match moved {
            Some((moved, spans)) if !moved.is_empty() => (moved, spans),
            _ => return Err(argument.fault(format!("`{}` must follow its content", argument.keyword), "")),
        };
        if let Some((section, _)) = self.last
            && self.rule.sections.get(section).is_some_and(|s| s.items.is_empty())
        {
            self.rule.sections.remove(section);
            self.spans.remove(section);
        }
        let index = self.open(buffer);
        let items = &mut self.rule.sections[index].items;
        self.last = Some((index, items.len()));
        items.extend(moved);
        self.spans[index].extend(spans);
        self.current = None;
        Ok(())
    }

    /// Adds an item that belongs to a given buffer, whatever is open.
    pub fn push_to(&mut self, buffer: Buffer, item: Item) {
        let index = self.open(buffer);
        self.rule.sections[index].items.push(item);
        self.spans[index].push(self.option.clone());
        if buffer == self.buffer && self.current.is_none() {
            self.current = Some(index);
        }
    }

    /// Adds an item in a section of its own, whatever is open.
    pub fn push_alone(&mut self, buffer: Buffer, item: Item) {
        let index = self.add_section(buffer);
        self.rule.sections[index].items.push(item);
        self.spans[index].push(self.option.clone());
    }

    /// A number or the name of a variable.
    pub fn operand(&self, text: &str, argument: &Argument<'_>) -> Result<Operand, Fault> {
        let text = text.trim();
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.parse::<i64>().ok(),
        };
        if let Some(value) = number {
            return Ok(Operand::Value(value));
        }
        let index = self.variables.iter().position(|v| v == text).and_then(|i| u8::try_from(i).ok());
        index.map(Operand::Variable).ok_or_else(|| {
            argument.fault(
                format!("`{text}` is neither a number nor a variable"),
                "variables are set by an earlier byte_extract or byte_math",
            )
        })
    }

    /// The index of a variable that is set from here on.
    pub fn variable(&mut self, name: &str, argument: &Argument<'_>) -> Result<u8, Fault> {
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if !fits {
            return Err(argument.fault(format!("`{name}` is no name of a variable"), "start with a letter"));
        }
        let index = match self.variables.iter().position(|v| v == name) {
            Some(index) => index,
            None if self.variables.len() >= VARIABLE_LIMIT => {
                return Err(argument.fault("the rule has too many variables", ""));
            }
            None => {
                self.variables.push(name.into());
                self.variables.len() - 1
            }
        };
        u8::try_from(index).map_err(|_| argument.fault("the rule has too many variables", ""))
    }
}

/// Whether a buffer can have several instances, each looked at by itself.
fn is_multi(buffer: Buffer) -> bool {
    match buffer {
        Buffer::Field(name) => name.fields().any(|field| field.multi && !field.is_contents()),
        _ => false,
    }
}
