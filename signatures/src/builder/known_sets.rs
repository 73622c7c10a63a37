//! The sets of values that rules and configuration name, over all loads: a set keeps its place, and its values where neither its
//! file nor what is said of it changed. Each tenant has its own, whatever their names.

use std::sync::Arc;

use super::Environment;
use crate::rule::dataset::{Dataset, Layout};
use crate::rule::outside::NamedFile;

/// All sets, by their place.
#[derive(Debug, Default)]
pub struct KnownSets(Vec<Known>);

/// A set, and how its values were read.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) set: Arc<Dataset>,
    pub(crate) layout: Layout,
    pub(crate) file: Option<NamedFile>,
    /// Something named it in this load.
    is_used: bool,
}

impl Known {
    pub(crate) fn new(set: Dataset, layout: Layout, file: Option<NamedFile>) -> Self {
        Self { set: Arc::new(set), layout, file, is_used: true }
    }

    fn is_unchanged(&self, environment: &Environment) -> bool {
        self.file.as_ref().is_none_or(|file| file.is_unchanged(&environment.files))
    }
}

impl KnownSets {
    /// A new load begins: nothing names a set yet.
    pub(crate) fn begin(&mut self) {
        self.0.iter_mut().for_each(|known| known.is_used = false);
    }

    /// The set that a tenant calls so, if something named it in this load.
    pub(crate) fn used(&self, tenant: u32, name: &str) -> Option<&Arc<Dataset>> {
        self.0.iter().find(|known| known.is_used && known.set.is(tenant, name)).map(|known| &known.set)
    }

    /// The set of a name as an earlier load had it, if `fits` says that the same is meant, and its file is as it was.
    pub(crate) fn again(
        &mut self,
        name: &str,
        environment: &Environment,
        fits: impl Fn(&Known) -> bool,
    ) -> Option<Arc<Dataset>> {
        let known = self.0.iter_mut().find(|known| known.set.is(environment.tenant, name))?;
        known.is_used = fits(known) && known.is_unchanged(environment);
        known.is_used.then(|| Arc::clone(&known.set))
    }

    /// The place of a set: that which it had, or the next one; `None` when there are too many.
    pub(crate) fn place(&self, tenant: u32, name: &str) -> Option<u16> {
        let known = self.0.iter().position(|known| known.set.is(tenant, name));
        u16::try_from(known.unwrap_or(self.0.len())).ok()
    }

    /// Puts a set in its place.
    pub(crate) fn put(&mut self, known: Known) -> Arc<Dataset> {
        let set = Arc::clone(&known.set);
        match self.0.get_mut(usize::from(set.index)) {
            Some(place) => *place = known,
            None => self.0.push(known),
        }
        set
    }

    /// Whether a rule that was read with a set would be given the same one now.
    pub(crate) fn is_current(&self, set: &Arc<Dataset>, defines: bool, environment: &Environment) -> bool {
        self.0.get(usize::from(set.index)).is_some_and(|known| {
            Arc::ptr_eq(&known.set, set) && (known.is_used || defines && known.is_unchanged(environment))
        })
    }

    /// Notes that something names a set.
    pub(crate) fn note_use(&mut self, set: &Dataset) {
        if let Some(known) = self.0.get_mut(usize::from(set.index)) {
            known.is_used = true;
        }
    }

    /// All sets: what rules added to one is kept though nothing may name it any more.
    pub(crate) fn all(&self) -> Vec<Arc<Dataset>> {
        self.0.iter().map(|known| Arc::clone(&known.set)).collect()
    }
}
