//! Flows of a table in the order of their last packets: two lists for each class, one of them for flows of crowds.
//!
//! Both expiry and eviction look at the first flow of each list only. The links lie by themselves, packed: a packet moves its
//! flow to the end of a list, and must not touch its neighbours.

use tapwire_parsers::link::Timestamp;

use super::crowds::Membership;
use super::timeouts::Class;
use super::worth::Worth;

/// The lists, with flows by their places in the table.
#[derive(Debug)]
pub(super) struct Lists {
    lists: [[List; 2]; Class::ALL.len()],
    links: Vec<Links>,
    counts: [u32; Worth::ALL.len()],
}

/// A list of flows.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

/// The neighbours of a flow in its list, and why it is in that one.
#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    behind: u32,
    class: Class,
    member: Membership,
    /// When it was put there.
    since: Timestamp,
}

/// The place of no flow.
pub(super) const NONE: u32 = u32::MAX;

impl Lists {
    pub(super) fn new() -> Self {
        let lists = [[List { first: NONE, last: NONE }; 2]; Class::ALL.len()];
        Self { lists, links: Vec::new(), counts: [0; Worth::ALL.len()] }
    }

    /// Makes the next place one that can be linked.
    pub(super) fn push(&mut self) {
        let member = Membership::default();
        let since = Timestamp::default();
        self.links.push(Links { before: NONE, behind: NONE, class: Class::OtherNew, member, since });
    }

    /// The class of a flow when it was linked, and the crowds that it was counted in.
    pub(super) fn of(&self, place: u32) -> Option<(Class, Membership)> {
        self.links.get(place as usize).map(|links| (links.class, links.member))
    }

    /// It is counted in other crowds now. In which list it is stays as it was, so that those are in order.
    pub(super) fn set_member(&mut self, place: u32, member: Membership) {
        if let Some(links) = self.links.get_mut(place as usize) {
            links.member = member.with_crowd(links.member.is_crowded);
        }
    }

    /// The first flow of each list of some classes, and whether that list is of crowds.
    pub(super) fn firsts(&self, classes: &[Class]) -> impl Iterator<Item = (Class, bool, u32)> {
        let lists = classes.iter().filter_map(|&class| Some((class, self.lists.get(class as usize)?)));
        lists.flat_map(|(class, [others, crowd])| [(class, false, others.first), (class, true, crowd.first)])
    }

    /// How many flows of a worth are linked.
    pub(super) fn count(&self, worth: Worth) -> u32 {
        self.counts.get(worth as usize).copied().unwrap_or(0)
    }

    /// How many are linked in all.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// When a flow was last put into its list.
    pub(super) fn since(&self, place: u32) -> Timestamp {
        self.links.get(place as usize).map_or(Timestamp::default(), |links| links.since)
    }

    /// A flow at the end of its list was put there later than was thought.
    pub(super) fn set_since(&mut self, place: u32, since: Timestamp) {
        if let Some(links) = self.links.get_mut(place as usize) {
            links.since = links.since.max(since);
        }
    }

    /// Makes a flow the last of its list. `false` if it is in none of this class.
    pub(super) fn renew(&mut self, place: u32, class: Class, now: Timestamp) -> bool {
        let Some(links) = self.links.get_mut(place as usize).filter(|links| links.class == class) else {
            return false;
        };
        links.since = now;
        let Links { before, behind, member, .. } = *links;
        if behind != NONE {
            self.take_out(place, before, behind, class, member);
            self.append(place, class, member, now);
        }
        true
    }

    pub(super) fn link(&mut self, place: u32, class: Class, member: Membership, now: Timestamp) {
        self.append(place, class, member, now);
        if let Some(count) = self.counts.get_mut(class.worth() as usize) {
            *count += 1;
        }
    }

    pub(super) fn unlink(&mut self, place: u32) {
        let Some(&Links { before, behind, class, member, .. }) = self.links.get(place as usize) else { return };
        self.take_out(place, before, behind, class, member);
        if let Some(count) = self.counts.get_mut(class.worth() as usize) {
            *count = count.saturating_sub(1);
        }
    }

    fn append(&mut self, place: u32, class: Class, member: Membership, since: Timestamp) {
        let Some(list) = self.list_mut(class, member) else { return };
        let before = std::mem::replace(&mut list.last, place);
        if list.first == NONE {
            list.first = place;
        }
        if let Some(links) = self.links.get_mut(before as usize) {
            links.behind = place;
        }
        if let Some(links) = self.links.get_mut(place as usize) {
            *links = Links { before, behind: NONE, class, member, since };
        }
    }

    fn take_out(&mut self, place: u32, before: u32, behind: u32, class: Class, member: Membership) {
        if let Some(links) = self.links.get_mut(before as usize) {
            links.behind = behind;
        }
        if let Some(links) = self.links.get_mut(behind as usize) {
            links.before = before;
        }
        let Some(list) = self.list_mut(class, member) else { return };
        if list.first == place {
            list.first = behind;
        }
        if list.last == place {
            list.last = before;
        }
    }

    fn list_mut(&mut self, class: Class, member: Membership) -> Option<&mut List> {
        self.lists.get_mut(class as usize)?.get_mut(usize::from(member.is_crowded))
    }

    /// What a flow takes here.
    pub(super) const BYTES: usize = size_of::<Links>();
}
